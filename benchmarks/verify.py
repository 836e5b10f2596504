"""`envbuild verify` of an environment beside bare reads of it, in one run: time, memory, ratios of medians.

    python benchmarks/verify.py PREFIX [--runs N] [--module NAME]

PREFIX is an environment that envbuild made and that passes. The yardstick is a process that hashes its files by
hashlib; `--module` (tensorflow, torch) adds one that imports it by the environment's own Python: the least that
any proof of it takes.
Memory is that of the largest process: of the levels that run something, the library under test.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from measured import Command, compare

ROOT = Path(__file__).parent.parent

HASHED = """
import hashlib, os, sys
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            with open(path, "rb") as stream:
                hashlib.file_digest(stream, "sha256")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--module")
    arguments = parser.parse_args()
    prefix = str(arguments.prefix.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        records = Path(scratch) / "envbuild" / "verified"
        environ = os.environ | {"XDG_DATA_HOME": scratch, "PYTHONPATH": str(ROOT)}

        def verify(*options: str, first: bool = False) -> Command:
            return Command(
                arguments=[sys.executable, "-P", "-m", "builder", "verify", prefix, "--quiet", *options],
                cwd=Path(scratch),
                environ=environ,
                before=(lambda: shutil.rmtree(records, ignore_errors=True)) if first else None,
            )

        commands = {
            "hashlib hashes every file": Command(arguments=[sys.executable, "-c", HASHED, prefix]),
            "verify --static, for the first time": verify("--static", first=True),
            "verify --static, with nothing changed": verify("--static"),
        }
        if arguments.module:
            python = f"{prefix}/bin/python"
            commands |= {
                f"import {arguments.module}": Command(arguments=[python, "-I", "-c", f"import {arguments.module}"]),
                "verify --quick": verify("--quick"),
                "verify": verify(),
            }
        compare(commands, runs=arguments.runs)


if __name__ == "__main__":
    main()
