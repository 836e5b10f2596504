"""`envbuild check` of many environments beside bare reads of their locks, in one run. Prints medians and ratios.

    python benchmarks/check.py [--environments COUNT] [--packages COUNT] [--runs N]

The project is made up: each environment has the lock of ml-m1, filled up to so many packages on each of its two
platforms. The yardstick is a process that reads those locks by PyYAML's C loader, and no more; `sha256` hashes them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from measured import Command, compare
from projects import ROOT, make

BARE = """
import glob, yaml
for file in glob.glob("environments/*/conda-lock.yml"):
    with open(file, encoding="utf-8") as stream:
        yaml.load(stream.read(), Loader=yaml.CSafeLoader)
"""
HASHED = """
import glob, hashlib
for file in glob.glob("environments/*/conda-lock.yml"):
    with open(file, "rb") as stream:
        hashlib.sha256(stream.read()).hexdigest()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=10)
    parser.add_argument("--packages", type=int, default=500, help="on each platform")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        for number in range(arguments.environments):
            make(folder, f"env-{number:03}", arguments.packages)
        environ = os.environ | {"XDG_DATA_HOME": f"{scratch}/data", "HOME": f"{scratch}/home"}
        answers = Path(scratch) / "data" / "envbuild" / "answers"
        check = [sys.executable, "-P", "-m", "builder", "check", "--quiet"]
        here = {"cwd": folder, "environ": environ | {"PYTHONPATH": str(ROOT)}}
        compare(
            {
                "PyYAML reads the locks": Command(arguments=[sys.executable, "-c", BARE], cwd=folder),
                "hashlib hashes the locks": Command(arguments=[sys.executable, "-c", HASHED], cwd=folder),
                "check, for the first time": Command(
                    arguments=check, before=lambda: shutil.rmtree(answers, ignore_errors=True), **here
                ),
                "check, with nothing changed": Command(arguments=check, **here),
            },
            runs=arguments.runs,
        )


if __name__ == "__main__":
    main()
