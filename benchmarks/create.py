"""`envbuild create` of an environment that is there, whole and proven, beside what it cannot do without, in one run.

    python benchmarks/create.py [--packages COUNT] [--runs N]

The project is made up, and so is the environment: it has the stamp of one that passed its proof, which is all that
`create` asks for where nothing is to be done. The yardstick starts Python, imports click and hashes the lock. The aim
is 0.2 s by the clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from measured import Command, compare
from projects import ROOT, make

from builder.environment.stamp import RELATIVE_PATH, Stamp, Verdict
from builder.lock.digest import lock_digest
from builder.operations.expectations import expectations
from builder.operations.preparing import PackageOptions, prepare
from builder.workspace import Workspace

NAME = "mine"
BARE = f"""
import click, hashlib
with open("environments/{NAME}/conda-lock.yml", "rb") as stream:
    click.echo(hashlib.sha256(stream.read()).hexdigest())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=int, default=500, help="on each platform")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, home = Path(scratch) / "project", Path(scratch) / "home"
        make(folder, NAME, arguments.packages)
        stamped(folder, home)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONDA", "ENVBUILD", "XDG"))}
        here = {"cwd": folder, "environ": kept | {"HOME": str(home), "PYTHONPATH": str(ROOT)}}
        create = [sys.executable, "-P", "-m", "builder", "create", NAME]
        medians = compare(
            {
                "Python, click, the lock's hash": Command(arguments=[sys.executable, "-P", "-c", BARE], **here),
                "create, nothing to do": Command(arguments=create, **here),
            },
            runs=arguments.runs,
        )
    bare, created = medians.values()
    print(f"over it: {created.cpu - bare.cpu:.3f} s CPU, {created.wall - bare.wall:.3f} s by the clock")


def stamped(project: Path, home: Path) -> None:
    """An environment of the project's recipe in `home` as far as its stamp tells: of its lock, and proven."""
    workspace = Workspace.here(project=project)
    recipe = workspace.project.recipe(NAME)
    assert workspace.host is not None, "this machine's platform is none of ours"
    plan = prepare(workspace, recipe, PackageOptions()).plans[workspace.host]
    stamp = Stamp(
        name=NAME,
        recipe=NAME,
        subdir=workspace.host,
        lock_sha256=lock_digest(project / "environments" / NAME / "conda-lock.yml"),
        envbuild_version="",
        packages=(),
        expectations=expectations(recipe, plan),
    )
    file = home / ".conda" / "envs" / NAME / RELATIVE_PATH
    file.parent.mkdir(parents=True)
    file.write_text(stamp.proven(level="quick", verdict=Verdict.PASSED).dumps())


if __name__ == "__main__":
    main()
