"""Reading what lies in somebody's prefix: regular files only, never more than a bound, and never an exception.

A prefix is input like any other. A FIFO where a record is expected would block for ever, `/dev/zero` would fill the
memory, a link may lead round in a circle. What cannot be read is left out and kept with the reason, so that whoever
looks at the environment can say what was not looked at.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The longest metadata file that is read as a whole, in bytes. conda-forge's largest records have a few MB.
MOST_BYTES: Final = 64 << 20
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, kw_only=True, order=True)
class Unreadable:
    """Something of an environment that was passed over, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Reader:
    """Reads files below one prefix and keeps account of what could not be read."""

    _passed_over: dict[Path, str] = field(default_factory=dict)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        return tuple(sorted(Unreadable(path=path, reason=reason) for path, reason in self._passed_over.items()))

    def pass_over(self, path: Path, reason: str) -> None:
        self._passed_over.setdefault(path, reason)

    def read(self, path: Path, *, most: int = MOST_BYTES) -> bytes | None:
        """The content of a regular file of at most `most` bytes; None where it is absent or passed over."""
        try:
            with open_regular(path) as stream:
                size = os.fstat(stream.fileno()).st_size
                if size > most:
                    self.pass_over(path, f"{size:,} bytes; at most {most:,} are read")
                    return None
                return stream.read(size)
        except (FileNotFoundError, NotADirectoryError) as error:
            if path.is_symlink():
                self.pass_over(path, _reason(error))
        except OSError as error:
            self.pass_over(path, _reason(error))
        return None

    def text(self, path: Path, *, most: int = MOST_BYTES) -> str | None:
        """The same as text: UTF-8, with U+FFFD for what is not."""
        content = self.read(path, most=most)
        return content.decode("utf-8", errors="replace") if content is not None else None

    def head(self, path: Path, *, most: int) -> str | None:
        """The headers of a metadata file: up to its first empty line, at most `most` bytes of it."""
        found = bytearray()
        try:
            with open_regular(path) as stream:
                while len(found) < most and (chunk := stream.read(min(_CHUNK, most - len(found)))):
                    found += chunk
                    end = _end_of_headers(found)
                    if end is not None:
                        return found[:end].decode("utf-8", errors="replace")
                if len(found) >= most and stream.read(1):
                    self.pass_over(path, f"no end of its headers within {most:,} bytes")
                    return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.pass_over(path, _reason(error))
            return None
        return found.decode("utf-8", errors="replace")

    def entries(self, folder: Path) -> list[Path]:
        """What lies in a folder, by name; nothing where it is absent or passed over."""
        try:
            with os.scandir(folder) as found:
                return sorted(Path(entry.path) for entry in found)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.pass_over(folder, _reason(error))
            return []

    def lines(self, path: Path, *, most: int = MOST_BYTES) -> Iterator[str]:
        """The lines of a text file of at most `most` bytes, with their ends, one at a time."""
        try:
            with open_regular(path) as stream:
                size = os.fstat(stream.fileno()).st_size
                if size > most:
                    self.pass_over(path, f"{size:,} bytes; at most {most:,} are read")
                    return
                for line in stream:
                    yield line.decode("utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self.pass_over(path, _reason(error))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _end_of_headers(text: bytearray) -> int | None:
    found = [place for mark in (b"\n\n", b"\n\r\n") if (place := text.find(mark)) >= 0]
    return min(found) + 1 if found else None
