"""Re-derive the compatibility facts from the real packages; only what has no record yet is measured.

    python tools/measure.py refresh                     all that reads: metadata, conda-forge, symbols; then the docs
    python tools/measure.py metadata                    wheel tags, Python and macOS floors, pins (minutes, small reads)
    python tools/measure.py conda-forge [CHANNEL DATE]  builds that conda-forge has now, or a folder of repodata
    python tools/measure.py symbols --wheels DIR        tensorflow-metal × TensorFlow by symbols (4 GB of wheels)
    python tools/measure.py keras                       Keras × TensorFlow by running (an hour, 2 GB at a time)
    python tools/measure.py docs                        tables and heat maps of docs/ from the facts

pip and uv reach whatever index they are configured for. `keras` needs the Python minors it runs on, as uv finds them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import date
from pathlib import Path

from packaging.version import Version

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from typing import TYPE_CHECKING

from builder.compat.load import DATA, load_facts, read_sources, refuse_contradictions, write_compiled
from builder.errors import EnvbuildError, SourceUnreachableError
from builder.platforms import Subdir
from tools.measuring import conda_forge, keras_runs, metadata, symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.compat.facts import Facts

DOCS = Path(__file__).resolve().parent.parent / "docs"
SUITE = {"host": "tensorflow", "partner": "keras", "legacy": "tf-keras"}
RUN_ON = "linux-64 (tensorflow-cpu wheels from PyPI)"


def newest_patches(facts: Facts, package: str, since: str) -> list[Version]:
    """The newest patch of each minor, newest first."""
    found: dict[tuple[int, ...], Version] = {}
    for release in facts.releases_of(package, "pypi"):
        version = Version(release.version)
        if version >= Version(since):
            found.setdefault(version.release[:2], version)
    return list(found.values())


def keras_pairs(facts: Facts) -> list[keras_runs.Pair]:
    """Every TensorFlow minor from 2.13 with every Keras minor that its metadata allows, on the Python most have."""
    pairs = []
    for tensorflow in newest_patches(facts, "tensorflow", "2.13"):
        release = facts.release("tensorflow", tensorflow, "pypi")
        build = release.build(Subdir.LINUX_64) if release is not None else None
        if build is None:
            continue
        python = "3.11" if "3.11" in build.pythons else build.pythons[-1]
        declared = facts.requirement(build, "keras", subdir=Subdir.LINUX_64, python=python)
        pairs += [
            keras_runs.Pair(tensorflow=str(tensorflow), keras=str(keras), python=python)
            for keras in newest_patches(facts, "keras", "2.13")
            if declared is None or declared.contains(keras)
        ]
    return pairs


def symbol_wheels(facts: Facts) -> list[tuple[str, str, str]]:
    """(distribution, version, Python) of the newest patch of each TensorFlow minor that has a Mac wheel.

    One Python stands for all: for every plug-in, the wheels of each Python of TensorFlow 2.5, 2.8, 2.12 and 2.13 gave
    the same.
    """
    wheels = []
    for tensorflow in newest_patches(facts, "tensorflow", "2.5"):
        release = facts.release("tensorflow", tensorflow, "pypi")
        build = release.build(Subdir.OSX_ARM64) if release is not None else None
        if build is not None:
            python = "3.11" if "3.11" in build.pythons else build.pythons[-1]
            wheels.append((build.distribution or "tensorflow", str(tensorflow), python))
    return wheels


def measure_metadata(packages: Sequence[str], *, today: date, again: bool = False) -> None:
    """Wheels of the projects on PyPI (all without `packages`) that have no record yet."""
    for project in metadata.PROJECTS:
        if not packages or project.package in packages:
            file = DATA / f"releases-{project.package}.yaml"
            print(
                f"{project.package}: {metadata.measure(project, file=file, today=today, again=again)} new", flush=True
            )


def measure_conda_forge(channel: Path | None, *, seen: date) -> None:
    """Builds of conda-forge today, or of a folder that holds its repodata as it was."""
    subdirs = (*conda_forge.SUBDIRS, "noarch")
    records = (
        conda_forge.read_live()
        if channel is None
        else {subdir: conda_forge.read_repodata(channel, subdir) for subdir in subdirs}
    )
    conda_forge.measure(records, file=DATA / "releases-conda-forge.yaml", seen=seen)


def measure_symbols(facts: Facts, *, wheels: Path, today: date) -> None:
    """Every plug-in against every minor of TensorFlow, where no comparison has been made yet."""
    wheels.mkdir(parents=True, exist_ok=True)
    metal = [release.version for release in facts.releases_of("tensorflow-metal", "pypi")]
    file = DATA / "symbols-metal.yaml"
    symbols.measure(metal=metal, tensorflow=symbol_wheels(facts), file=file, wheels=wheels, today=today)


def write_docs(facts: Facts) -> None:
    from tools.measuring.document import documents

    for name, text in documents(facts).items():
        file = DOCS / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def refresh(*, wheels: Path | None, today: date) -> int:
    """Measure all that reads; give the exit code. What cannot be reached keeps nothing else from being measured."""
    unreached = 0
    measure_metadata((), today=today)
    try:
        measure_conda_forge(None, seen=today)
    except SourceUnreachableError as error:
        print(f"conda-forge was not looked at: {error.message}", file=sys.stderr, flush=True)
        unreached = error.exit_code
    with tempfile.TemporaryDirectory() as folder:
        measure_symbols(read_sources(), wheels=wheels or Path(folder), today=today)
    return unreached


def main() -> int:
    try:
        return _run()
    except EnvbuildError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return error.exit_code


def _run() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    metadata_parser = commands.add_parser("metadata")
    metadata_parser.add_argument("packages", nargs="*")
    metadata_parser.add_argument("--again", action="store_true", help="read known releases again, too")
    channel = commands.add_parser("conda-forge")
    channel.add_argument("channel", type=Path, nargs="?")
    channel.add_argument("seen", type=date.fromisoformat, nargs="?", default=date.today())
    commands.add_parser("refresh").add_argument("--wheels", type=Path, help="a folder to keep wheels in")
    commands.add_parser("symbols").add_argument("--wheels", type=Path, required=True)
    commands.add_parser("keras").add_argument("--uv", default="uv")
    commands.add_parser("docs")
    arguments = parser.parse_args()
    today = date.today()
    facts = load_facts()
    code = 0
    if arguments.what == "metadata":
        measure_metadata(arguments.packages, today=today, again=arguments.again)
    elif arguments.what == "conda-forge":
        measure_conda_forge(arguments.channel, seen=arguments.seen)
    elif arguments.what == "symbols":
        measure_symbols(facts, wheels=arguments.wheels, today=today)
    elif arguments.what == "refresh":
        code = refresh(wheels=arguments.wheels, today=today)
    elif arguments.what == "keras":
        with tempfile.TemporaryDirectory() as workdir:
            keras_runs.measure(
                keras_pairs(facts), file=DATA / "runs-keras-tensorflow.yaml", workdir=Path(workdir), today=today,
                header={"measured_on": RUN_ON, "suite": SUITE}, uv=arguments.uv,
            )  # fmt: skip
    facts = read_sources()
    refuse_contradictions(facts)
    write_compiled()
    write_docs(facts)
    return code


if __name__ == "__main__":
    sys.exit(main())
