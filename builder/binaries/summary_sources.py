"""The files of one package, wherever they are: a wheel, a conda archive, an unpacked wheel, an installed prefix.

Archives are somebody else's input: paths that leave the package, sizes that are not true and members without an end
raise `BinaryError`. Nothing is unpacked but one binary at a time, into a temporary file that is removed again.
"""

from __future__ import annotations

import io
import json
import os
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from builder.binaries.summary import SITE, Identity
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The largest binary known is 1.2 GB; what claims more than this is refused.
_MOST_MEMBER: Final = 8 << 30
_MOST_MEMBERS: Final = 2_000_000
_MOST_INDEX: Final = 256 << 20
_DATA: Final = re.compile(r"[^/]+\.data/(purelib|platlib|scripts|data|headers)/(.+)")
_SCHEMES: Final = {"purelib": SITE, "platlib": SITE, "scripts": "bin/", "data": "", "headers": "include/"}


class Member(Protocol):
    """One file of a package."""

    @property
    def rel(self) -> str:
        """Its path in the form of `builder.binaries.summary`."""

    @property
    def link(self) -> str | None:
        """What it says, where it is a symbolic link."""

    def head(self) -> bytes:
        """Its first four bytes."""

    def read(self, most: int) -> bytes:
        """Its content, or the first `most` bytes of it."""

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """A path under which the content is to be had for a while."""


class Source(Protocol):
    """A package to read. `identity`: None where only its metadata tells; `prefixes`: the environment's path.

    `rewritten`: the files into which an installer writes that path.
    """

    @property
    def identity(self) -> Identity | None: ...

    @property
    def prefixes(self) -> tuple[str, ...]: ...

    @property
    def rewritten(self) -> frozenset[str]: ...

    def members(self) -> Iterator[Member]: ...


def _inside(path: str) -> str:
    """A member's path, normalised. Raises BinaryError where it is absolute or leads outside."""
    rel = os.path.normpath(path)
    if not path or "\0" in path or rel == ".." or rel.startswith(("../", "/")):
        raise BinaryError(f"the archive has a member that leads outside: {path!r}")
    return rel


@dataclass(frozen=True)
class _Packed:
    """A member of an archive; `open` gives its content from the start."""

    rel: str
    open: Callable[[], IO[bytes]]
    link: str | None = None

    def head(self) -> bytes:
        return self.read(4)

    def read(self, most: int) -> bytes:
        with self.open() as stream:
            return _whole(stream, most)

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="envbuild-summary-") as folder:
            path = Path(folder) / "binary"
            with path.open("wb") as target, self.open() as stream:
                _copy(stream, target)
            yield path


@dataclass(frozen=True)
class _OnDisk:
    """A file of a folder or prefix."""

    rel: str
    path: Path
    link: str | None = None

    def head(self) -> bytes:
        return self.read(4)

    def read(self, most: int) -> bytes:
        with self.path.open("rb") as stream:
            return _whole(stream, most)

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        yield self.path


def _whole(stream: IO[bytes], most: int) -> bytes:
    """`stream.read(most)`, which a decompressor may answer in part."""
    with _told():
        found = bytearray()
        while len(found) < most and (block := stream.read(most - len(found))):
            found += block
        return bytes(found)


def _copy(stream: IO[bytes], target: IO[bytes]) -> None:
    copied = 0
    with _told():
        while block := stream.read(1 << 20):
            copied += len(block)
            if copied > _MOST_MEMBER:
                raise BinaryError("the archive has a member of more than 8 GB")
            target.write(block)


@contextmanager
def _told() -> Iterator[None]:
    """What the archive modules raise for damaged archives, as BinaryError."""
    import zstandard

    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, zstandard.ZstdError, EOFError, ValueError) as error:
        raise BinaryError(f"damaged archive: {error}") from error
    except (NotImplementedError, RuntimeError) as error:  # another compression, or a password
        raise BinaryError(f"an archive of a kind that installers do not read: {error}") from error


@dataclass(frozen=True)
class WheelFile:
    """A wheel."""

    path: Path
    identity: Identity | None = None
    prefixes: tuple[str, ...] = ()
    rewritten: frozenset[str] = frozenset()

    def members(self) -> Iterator[Member]:
        with _told(), zipfile.ZipFile(self.path) as archive:
            infos = archive.infolist()
            if len(infos) > _MOST_MEMBERS:
                raise BinaryError(f"the archive has {len(infos):,} members")
            for info in infos:
                if not info.is_dir():
                    yield _Packed(rel=_installed(_inside(info.filename)), open=partial(archive.open, info))


def _installed(path: str) -> str:
    """Where an installer puts a wheel's member."""
    match = _DATA.fullmatch(path)
    return f"{_SCHEMES[match[1]]}{match[2]}" if match else f"{SITE}{path}"


class CondaFile:
    """A `.conda` or `.tar.bz2` archive. Its index is read when it is opened; its files in one pass."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _told():
            index, self.prefixes, self.rewritten = self._about()
        self.identity: Identity | None = _of_conda(index)

    def _about(self) -> tuple[dict[str, Any], tuple[str, ...], frozenset[str]]:
        index: dict[str, Any] = {}
        placeholders: set[str] = set()
        rewritten: set[str] = set()
        for name, stream in self._files("info"):
            if name == "info/index.json":
                index = _object(_whole(stream, _MOST_INDEX))
            elif name == "info/paths.json":
                for item in _object(_whole(stream, _MOST_INDEX)).get("paths", ()):
                    if isinstance(item, dict) and isinstance(item.get("prefix_placeholder"), str):
                        placeholders.add(item["prefix_placeholder"])
                        rewritten.add(str(item.get("_path")))
            elif name == "info/has_prefix":  # older packages: PLACEHOLDER MODE PATH, or a path alone
                for line in _whole(stream, _MOST_INDEX).decode("utf-8", "replace").splitlines():
                    fields = line.split()
                    if len(fields) >= 3:
                        placeholders.add(fields[0].strip("\"'"))
                        rewritten.add(" ".join(fields[2:]).strip("\"'"))
        return index, tuple(sorted(filter(None, placeholders), key=len, reverse=True)), frozenset(rewritten)

    def _files(self, kind: str) -> Iterator[tuple[str, IO[bytes]]]:
        for info, stream in self._tar(kind):
            if info.isreg():
                yield info.name, stream

    def _tar(self, kind: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
        """The members of the archive, or of its part `info` or `pkg`, each with its content."""
        if self.path.suffix != ".conda":
            with tarfile.open(self.path, "r:bz2") as tar:
                yield from _contents(tar)
            return
        import zstandard

        with zipfile.ZipFile(self.path) as outer:
            part = next((name for name in outer.namelist() if name.startswith(f"{kind}-")), None)
            if part is None:
                raise BinaryError(f"a conda archive without its part {kind}", file=self.path)
            with (
                outer.open(part) as packed,
                zstandard.ZstdDecompressor().stream_reader(packed) as plain,
                tarfile.open(fileobj=plain, mode="r|") as tar,
            ):
                yield from _contents(tar)

    def members(self) -> Iterator[Member]:
        with _told():
            for info, stream in self._tar("pkg"):
                rel = _inside(info.name)
                if rel.startswith("info/"):
                    continue
                if info.issym():
                    yield _Packed(rel=rel, open=io.BytesIO, link=info.linkname)
                elif info.isreg():
                    yield _Streamed(rel, stream)


class _Streamed:
    """A member of a tar that is read once, in passing: what has been read of it is kept for the next question."""

    link: str | None = None

    def __init__(self, rel: str, stream: IO[bytes]) -> None:
        self.rel = rel
        self._stream = stream
        self._read = b""

    def head(self) -> bytes:
        return self.read(4)[:4]

    def read(self, most: int) -> bytes:
        if len(self._read) < most:
            self._read += _whole(self._stream, most - len(self._read))
        return self._read[:most]

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="envbuild-summary-") as folder:
            path = Path(folder) / "binary"
            with path.open("wb") as target:
                target.write(self._read)
                _copy(self._stream, target)
            yield path


def _contents(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for number, info in enumerate(tar):
        if number > _MOST_MEMBERS:
            raise BinaryError(f"the archive has more than {_MOST_MEMBERS:,} members")
        stream = tar.extractfile(info) if info.isreg() else None
        yield info, stream if stream is not None else io.BytesIO()


def _object(content: bytes) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict):
        raise BinaryError("the archive's index is no JSON object")
    return found


def _of_conda(index: dict[str, Any]) -> Identity:
    """The identity that `info/index.json` gives."""
    try:
        depends = index.get("depends") or ()
        return Identity(
            kind="conda",
            name=str(index["name"]),
            version=str(index["version"]),
            build=str(index.get("build", "")),
            subdir=str(index.get("subdir", "")),
            requires=tuple(str(line) for line in depends),
        )
    except (KeyError, TypeError) as error:
        raise BinaryError(f"the archive's index lacks {error}") from error


@dataclass(frozen=True)
class UnpackedWheel:
    """A wheel unpacked into a folder of its own, and nothing more done to it (`wheel unpack`, `python -m zipfile`)."""

    folder: Path
    identity: Identity | None = None
    prefixes: tuple[str, ...] = ()
    rewritten: frozenset[str] = frozenset()

    def members(self) -> Iterator[Member]:
        for path in _files_below(self.folder):
            yield _OnDisk(rel=_installed(path.relative_to(self.folder).as_posix()), path=path)


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent) / name for name in sorted(names))


@dataclass(frozen=True)
class InstalledFiles:
    """A package in a prefix (or a folder of wheels): the files that its record names, relative to `root`.

    `site` is site-packages relative to `root`: empty where it is the root itself, as in a folder of wheels. Scripts
    that the installer made for entry points are to be left out of `files`.
    """

    root: Path
    files: tuple[str, ...]
    site: str
    identity: Identity | None = None
    noarch: bool = True
    """Whether its files in site-packages are the archive's own `site-packages/`: wheels, and conda's noarch: python."""
    rewritten: frozenset[str] = frozenset()

    @property
    def prefixes(self) -> tuple[str, ...]:
        return (str(self.root),)

    def members(self) -> Iterator[Member]:
        for rel in self.files:
            path = self.root / rel
            try:
                status = path.lstat()
            except OSError:
                continue  # the record's other readers report it
            if stat.S_ISLNK(status.st_mode):
                yield _OnDisk(rel=self._plain(rel), path=path, link=str(path.readlink()))
            elif stat.S_ISREG(status.st_mode):
                yield _OnDisk(rel=self._plain(rel), path=path)

    def _plain(self, rel: str) -> str:
        if not self.noarch:
            return rel
        if self.site and rel.startswith(f"{self.site}/"):
            return SITE + rel.removeprefix(f"{self.site}/")
        return rel if self.site or rel.startswith("bin/") else SITE + rel


def source_of(path: Path) -> Source:
    """The archive at `path`, by its name. Raises BinaryError for another kind of file."""
    if path.name.endswith(".whl"):
        return WheelFile(path)
    if path.name.endswith((".conda", ".tar.bz2")):
        return CondaFile(path)
    raise BinaryError("neither a wheel nor a conda package (.whl, .conda, .tar.bz2)", file=path)
