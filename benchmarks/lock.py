"""`envbuild lock` of all platforms beside its peers on the same metadata, in one run: time, memory, ratios of medians.

    python benchmarks/lock.py CHANNEL [--times N] [--conda PATH]... [--runs N]

CHANNEL is a folder or URL with conda-forge's metadata. The yardstick is a process that does nothing but call
py-rattler's solver for the same specs. `--conda` adds stock conda-lock with that conda, mamba or micromamba.

`--times 10` puts every record of a folder there ten times, nine of them under names that nobody asks for: a part of
conda-forge becomes as large as the whole, whose metadata has to be gone through before anything is solved.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import zstandard
from measured import Command, compare

from builder.lock.channels import Mirrors
from builder.operations.preparing import PackageOptions, prepare
from builder.workspace import Workspace

ROOT = Path(__file__).parent.parent
RECIPE = "ml-m1"

BARE = """
import asyncio, json, sys
import rattler
from rattler.package.build_string import BuildString
job = json.loads(sys.stdin.read())
def virtual(name, text):
    version, _, build = text.partition(" ")
    return rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), BuildString(build or "0"))
async def main():
    gateway = rattler.Gateway()
    await asyncio.gather(*(
        rattler.solve(
            sources=[job["channel"]],
            specs=one["specs"],
            gateway=gateway,
            platforms=[one["subdir"], "noarch"],
            virtual_packages=[virtual(*item) for item in one["virtual"].items()],
        )
        for one in job["platforms"]
    ))
asyncio.run(main())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("channel")
    parser.add_argument("--conda", action="append", default=[])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        channel = arguments.channel
        if arguments.times > 1:
            # By a process of its own: the peak memory of this one would be counted to its children.
            with ProcessPoolExecutor(1) as other:
                made = other.submit(multiplied, Path(channel), Path(scratch) / "channel", arguments.times)
                channel = str(made.result())
        measure(Path(scratch), channel, arguments.conda, arguments.runs)


def multiplied(channel: Path, target: Path, times: int) -> Path:
    """`channel`, a folder of packed metadata, with every record `times` times."""
    for packed in channel.glob("*/repodata.json.zst"):
        with packed.open("rb") as stream:
            data = json.loads(zstandard.ZstdDecompressor().stream_reader(stream).read())
        for kind in ("packages", "packages.conda"):
            data[kind] |= {
                f"copy{number}-{file}": record | {"name": f"copy{number}-{record['name']}"}
                for number in range(1, times)
                for file, record in data[kind].items()
            }
        written = target / packed.parent.name / "repodata.json"
        written.parent.mkdir(parents=True)
        written.write_text(json.dumps(data), encoding="utf-8")
    return target


def measure(scratch: Path, channel: str, condas: list[str], runs: int) -> None:
    project = scratch / "project"
    shutil.copytree(ROOT / "recipes", project / "recipes")
    workspace = Workspace.here(project=project)
    ready = prepare(workspace, workspace.project.recipe(RECIPE), PackageOptions())
    fetch = Mirrors.parse({"conda-forge": channel}, unpack_dir=scratch / "mirror").fetch_url(
        "https://conda.anaconda.org/conda-forge"
    )
    job = {
        "channel": fetch,
        "platforms": [
            {
                "subdir": specs.subdir,
                "specs": [line.text for line in specs.conda],
                "virtual": dict(specs.virtual_packages),
            }
            for specs in ready.rendered.platforms
        ],
    }
    # Its own state folder, so that the unpacked twin of a packed mirror is made once, by the warm-up run.
    environ = os.environ | {"XDG_DATA_HOME": str(scratch / "data")}
    folder = project / "environments" / RECIPE

    def envbuild(*words: str, fresh: bool = False) -> Command:
        mirror = ("--mirror", f"conda-forge={channel}")
        return Command(
            arguments=[sys.executable, "-P", "-m", "builder", *words, "--quiet", "--project", str(project), *mirror],
            cwd=ROOT,
            environ=environ,
            before=(lambda: shutil.rmtree(folder, ignore_errors=True)) if fresh else None,
        )

    commands = {
        "py-rattler, solver calls only": Command(
            arguments=[sys.executable, "-c", BARE], text=json.dumps(job), cwd=scratch, environ=environ
        ),
        "envbuild lock, the first": envbuild("lock", RECIPE, fresh=True),
        "envbuild update of one package": envbuild("update", RECIPE, "pandas"),
        "envbuild lock, nothing changed": envbuild("lock", RECIPE),
    }
    theirs = scratch / "conda-lock"
    theirs.mkdir()
    for file, text in ready.rendered.files.items():
        (theirs / file).write_text(text.replace("- conda-forge", f"- {fetch}"))
    for conda in condas:
        command = [sys.executable, "-m", "conda_lock", "lock", "-f", "environment.yml", "--conda", conda]
        commands[f"conda-lock with {conda}"] = Command(arguments=[*command, "--lockfile", "out.yml"], cwd=theirs)
    compare(commands, runs=runs)


if __name__ == "__main__":
    main()
