"""Help and completion beside a bare Python that imports click and prints a help, in one run. Prints what comes on top.

    python benchmarks/help.py [--runs N]

The aim is 60 ms over it.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from measured import Command, compare

ROOT = Path(__file__).parent.parent
BARE = """
import click
@click.command()
def command(): "Nothing."
command(["--help"])
"""
ENVBUILD = (sys.executable, "-P", "-m", "builder")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    medians = compare(
        {
            "Python and click": Command(arguments=[sys.executable, "-P", "-c", BARE], environ=environ),
            "--help": Command(arguments=[*ENVBUILD, "--help"], environ=environ),
            "create --help": Command(arguments=[*ENVBUILD, "create", "--help"], environ=environ),
            "completing a verb": completing("envbuild cr", environ),
            "completing a recipe": completing("envbuild create ml", environ),
        },
        runs=arguments.runs,
    )
    (_, bare), *others = medians.items()
    for name, one in others:
        print(f"{name}: {one.cpu - bare.cpu:.3f} s CPU, {one.wall - bare.wall:.3f} s by the clock over it")


def completing(line: str, environ: dict[str, str]) -> Command:
    """What bash asks for when the Tab key is pressed at the end of a line."""
    asked = {"_ENVBUILD_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    return Command(arguments=ENVBUILD, environ=environ | asked)


if __name__ == "__main__":
    main()
