"""`envbuild lock` of all platforms beside its peers on the same metadata, in one run: time, memory, ratios of medians.

    python benchmarks/lock.py CHANNEL [--conda PATH]... [--runs N]

CHANNEL is a folder or URL with conda-forge's metadata. The yardstick is a process that does nothing but call
py-rattler's solver for the same specs. `--conda` adds stock conda-lock with that conda, mamba or micromamba.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

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
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        measure(Path(scratch), arguments.channel, arguments.conda, arguments.runs)


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
