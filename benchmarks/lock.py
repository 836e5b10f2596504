"""`envbuild lock` of all platforms beside its peers on the same metadata, in one run. Prints medians and ratios.

    python benchmarks/lock.py CHANNEL [--conda PATH]... [--runs N]

CHANNEL is a folder or URL with conda-forge's metadata. The yardstick is a process that does nothing but call
py-rattler's solver for the same specs. `--conda` adds stock conda-lock with that conda, mamba or micromamba.
Give the machine nothing else to do: medians of wall time are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
    envbuild = [sys.executable, "-c", "from builder.cli import main; main()", "lock", RECIPE, "--quiet"]
    commands: dict[str, tuple[list[str], str | None, Path]] = {
        "py-rattler, solver calls only": ([sys.executable, "-c", BARE], json.dumps(job), scratch),
        "envbuild lock": ([*envbuild, "--project", str(project), "--mirror", f"conda-forge={channel}"], None, ROOT),
    }
    folder = scratch / "conda-lock"
    folder.mkdir()
    for file, text in ready.rendered.files.items():
        (folder / file).write_text(text.replace("- conda-forge", f"- {fetch}"))
    for conda in condas:
        command = [sys.executable, "-m", "conda_lock", "lock", "-f", "environment.yml", "--conda", conda]
        command += ["--lockfile", "out.yml"]
        commands[f"conda-lock with {conda}"] = (command, None, folder)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for run in range(runs + 1):
        for name, (command, text, cwd) in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, input=text, text=True, cwd=cwd, env=environ, check=True, capture_output=True)
            if run:
                times[name].append(time.perf_counter() - begun)
    yardstick = statistics.median(next(iter(times.values())))
    for name, taken in times.items():
        print(f"{statistics.median(taken):7.2f} s  {statistics.median(taken) / yardstick:6.2f} ×  {name}")


if __name__ == "__main__":
    main()
