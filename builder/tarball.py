"""Tar files that are the same bytes for the same content, and a reader that takes nothing but such files.

The reader is strict where `tarfile` is lenient, since what it reads may be anybody's: plain files only, no links,
devices or sparse files, no second file of a name, no name that leads out of the folder, no end before the end.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from builder.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK: Final = tarfile.BLOCKSIZE
_CHUNK: Final = 1 << 20
#: Records of extended headers (POSIX.1-2001) that are read: one name that is too long for a plain header.
_MAX_EXTENDED: Final = 4096
_MAX_MEMBERS: Final = 50_000
_MAX_NAME: Final = 500
_KINDS: Final = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.DIRTYPE: "a folder",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class Writer:
    """Writes members in the order they are given, without times, owners or modes of the machine they come from."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - see `close`

    def add(self, name: str, content: Path | bytes) -> None:
        """Raises OSError where a file cannot be read."""
        member = tarfile.TarInfo(name)
        member.mode = 0o644
        if isinstance(content, bytes):
            member.size = len(content)
            self._tar.addfile(member, io.BytesIO(content))
            return
        with content.open("rb") as stream:
            member.size = content.stat().st_size
            self._tar.addfile(member, stream)

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


@dataclass(kw_only=True)
class Member:
    """One file of an archive, to be read before the next one is asked for."""

    name: str
    size: int
    _stream: IO[bytes]
    _left: int
    _place: str

    def chunks(self) -> Iterator[bytes]:
        """Its content, once. Raises PackError where the archive ends before it does."""
        while self._left:
            chunk = self._stream.read(min(_CHUNK, self._left))
            if not chunk:
                raise _cut_short(self._place, f"in {self.name}")
            self._left -= len(chunk)
            yield chunk

    def finish(self) -> None:
        """Pass over what was not read, and over the padding."""
        for _ in self.chunks():
            pass
        padding = -self.size % _BLOCK
        if len(self._stream.read(padding)) != padding:
            raise _cut_short(self._place, f"in {self.name}")


def members(stream: IO[bytes], *, place: str) -> Iterator[Member]:
    """The files of an archive in their order. Raises PackError, naming `place`, for all that is not as it should be."""
    seen: set[str] = set()
    long_name: str | None = None
    while True:
        block = stream.read(_BLOCK)
        if len(block) < _BLOCK:
            raise _cut_short(place, "without its last blocks")
        if block == bytes(_BLOCK):
            if long_name is not None or stream.read(_BLOCK) != bytes(_BLOCK):
                raise _cut_short(place, "without its last blocks")
            return
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            raise PackError(f"is damaged: {error} after {len(seen)} files", file=place) from None
        if header.type == tarfile.XHDTYPE and long_name is None:
            long_name = _long_name(stream, header.size, place)
            continue
        name, long_name = long_name or header.name, None
        if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or header.size < 0:
            kind = _KINDS.get(header.type, f"an entry of kind {header.type!r}")
            raise PackError(f"holds {kind}, {name!r:.100}, and only files belong into it", file=place)
        if not _is_inside(name):
            raise PackError(f"holds {name!r:.100}, which leads out of the folder it is unpacked into", file=place)
        # Where upper and lower case are one, on a Mac, the second would take the place of the first.
        if name.casefold() in seen:
            raise PackError(f"holds {name} twice", file=place)
        seen.add(name.casefold())
        if len(seen) > _MAX_MEMBERS:
            raise PackError(f"holds more than {_MAX_MEMBERS:,} files", file=place)
        member = Member(name=name, size=header.size, _stream=stream, _left=header.size, _place=place)
        yield member
        member.finish()


def _cut_short(place: str, where: str) -> PackError:
    """The error for an archive that ends too early."""
    return PackError(f"is cut short: it ends {where}", file=place, hint="copy or download it again")


def _long_name(stream: IO[bytes], size: int, place: str) -> str:
    """The name in an extended header, which must hold nothing else."""
    refused = PackError("is damaged: it has an extended header that envbuild does not write", file=place)
    if not 0 < size <= _MAX_EXTENDED:
        raise refused
    data = stream.read(size + -size % _BLOCK)[:size]
    length, space, record = data.partition(b" ")
    if not space or not length.isdigit() or int(length) != size or not record.startswith(b"path="):
        raise refused
    try:
        name = record.removeprefix(b"path=").removesuffix(b"\n").decode()
    except UnicodeDecodeError:
        raise refused from None
    if "\n" in name:
        raise refused
    return name


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return (
        0 < len(name) <= _MAX_NAME
        and name.isprintable()
        and "\\" not in name
        and str(PurePosixPath(name)) == name
        and parts[0] != "/"
        and ".." not in parts
    )
