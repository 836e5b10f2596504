"""Coverage-guided fuzzing of the readers of binaries: `python tests/fuzz.py macho|elf [libFuzzer's options]`.

Needs `pip install atheris`. Starts from the corpus in `tests/data/KIND/fuzz` and the fixtures beside it; what is found
on the way goes to a folder of TMPDIR, and an input that breaks a reader to the working directory. Any exception but the
promised ones is a crash; libFuzzer reports hangs (`-timeout`) and memory (`-rss_limit_mb`). Not part of the test run,
which replays the corpus and mutates real files with hypothesis; `.ci/fuzz` gives each reader a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["builder.binaries"]):
    from tests.unit.binaries.reading import read_an_elf_file, read_mach_o

DATA = Path(__file__).parent / "data"
READERS = {"macho": read_mach_o, "elf": read_an_elf_file}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in READERS:
        sys.exit(__doc__)
    kind = sys.argv.pop(1)
    read = READERS[kind]
    # libFuzzer ends the process by itself, so that nothing can be tidied up after it: one folder, used again.
    folder = Path(tempfile.gettempdir()) / f"envbuild-fuzz-{kind}"
    grown = folder / "corpus"
    grown.mkdir(parents=True, exist_ok=True)
    path = folder / "input"

    def one(data: bytes) -> None:
        path.write_bytes(data)
        read(path)

    atheris.Setup([*sys.argv, str(grown), str(DATA / kind / "fuzz"), str(DATA / kind)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
