"""Coverage-guided fuzzing of the Mach-O reader: `python tests/fuzz_macho.py CORPUS` (needs `pip install atheris`).

Not part of the test run, which replays `tests/data/macho/fuzz` and mutates real files with hypothesis. Any exception
but the promised BinaryError and OSError is a crash; libFuzzer reports hangs (-timeout) and memory (-rss_limit_mb).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["builder.binaries.macho"]):
    from tests.unit.checks.test_malformed import read_everything


def main() -> None:
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    path = folder / "input"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        read_everything(path)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
