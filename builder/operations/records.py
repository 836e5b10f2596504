"""Records that one run leaves for the next in the user's own data folder, and what they depend on besides other files.

A record is taken only where it is whole and was written by this very envbuild; one that is damaged is as if it were not
there, and one that cannot be written costs time and nothing else. Whoever may write in the user's own data folder could
put a record there, and could as well put other code in envbuild's place.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder import __version__
from builder.errors import BuildError
from builder.resources import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Changes whenever what is kept, or what it depends on, does.
FORMAT: Final = 2
_MOST_BYTES: Final = 64 << 20


class Record:
    """A file of JSON."""

    def __init__(self, file: Path, *, facts: Path) -> None:
        """`facts` is the folder of the user's own facts, by which questions are answered as well."""
        self._file = file
        self._facts = facts

    @cached_property
    def engine(self) -> str | None:
        """What wrote it, or would; None where that cannot be told, and then nothing is kept."""
        found = hashlib.sha256()
        try:
            for line in _engine_lines(self._facts):
                found.update(line.encode(errors="surrogateescape") + b"\n")
        except OSError:
            return None
        return found.hexdigest()

    def read(self) -> dict[str, Any]:
        """What was written by this same envbuild; empty where there is nothing of that kind."""
        if self.engine is None:
            return {}
        try:
            seal, _, body = read_bytes(self._file).decode().partition("\n")
            data = json.loads(body) if seal == _seal(body) else {}
            return dict(data["kept"]) if data and data["engine"] == self.engine else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}

    def write(self, kept: dict[str, Any]) -> None:
        """Keep it for the next run, where that is possible."""
        from builder.files import write_atomically

        if self.engine is None:
            return
        body = json.dumps({"engine": self.engine, "kept": kept}, separators=(",", ":"))
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._file, f"{_seal(body)}\n{body}")
        except (BuildError, OSError):
            return


def read_bytes(path: Path) -> bytes:
    """The content of an ordinary file. Raises OSError for anything else, and for one that is too large."""
    from builder.files import open_regular

    with open_regular(path) as stream:
        if os.fstat(stream.fileno()).st_size > _MOST_BYTES:
            raise OSError("too large to be remembered")
        return stream.read(_MOST_BYTES)


def _seal(body: str) -> str:
    return f"envbuild record {FORMAT} {hashlib.sha256(body.encode()).hexdigest()}"


def _engine_lines(facts: Path) -> Iterator[str]:
    """The code and data that answer: by size and times, which a package manager sets and an editor changes."""
    yield f"{FORMAT} {__version__} {sys.version} {sys.platform}"
    package = Path(__file__).parent.parent
    for folder in dict.fromkeys((package, shipped("templates"))):
        yield from sorted(_stats(folder))
    for path in sys.path:
        # Packages beside envbuild: their versions are in these names, and what is installed anew has a new time.
        yield from sorted(_installed(Path(path)))
    for file in sorted(facts.glob("*.yaml")):
        yield f"{file} {hashlib.sha256(read_bytes(file)).hexdigest()}"


def _stats(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _stats(Path(entry.path))
            else:
                yield f"{entry.path} {_times(entry.stat())}"


def _installed(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth")):
                yield f"{entry.path} {_times(entry.stat())}"


def _times(found: os.stat_result) -> str:
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return f"{size} {found.st_mtime_ns} {found.st_ctime_ns}"
