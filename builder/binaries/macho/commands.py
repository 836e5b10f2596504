"""Load commands: what an image says of itself before any symbol is read."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from builder.binaries.macho import constants as c
from builder.errors import BinaryError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable
    from pathlib import Path

#: No real image comes near: TensorFlow's has 40. A wild `ncmds` ends at the first command that does not fit anyway.
_MOST_COMMANDS: Final = 10_000

_DYLIB_COMMANDS: Final = frozenset(
    (c.LC_LOAD_DYLIB, c.LC_LOAD_WEAK_DYLIB, c.LC_REEXPORT_DYLIB, c.LC_LAZY_LOAD_DYLIB, c.LC_LOAD_UPWARD_DYLIB)
)


@dataclass(frozen=True, kw_only=True)
class Dylib:
    """One dependency. Its place in `Commands.dylibs`, counted from 1, is the ordinal symbols refer to."""

    name: str
    """The install name to load: absolute, or beginning with `@rpath/`, `@loader_path/`, `@executable_path/`."""
    current_version: tuple[int, int, int]
    compatibility_version: tuple[int, int, int]
    weak: bool = False
    reexport: bool = False
    lazy: bool = False
    upward: bool = False


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of an image: bytes from the image's start."""

    offset: int
    size: int

    def __bool__(self) -> bool:
        return self.size > 0


@dataclass(frozen=True, kw_only=True)
class SymbolTables:
    """LC_SYMTAB and LC_DYSYMTAB. `undefined` and `external` are (first index, count) into the table."""

    symbols: int
    count: int
    strings: Span
    external: tuple[int, int] | None = None
    undefined: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section of a segment, in part."""

    name: str
    address: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Segment:
    """LC_SEGMENT(_64), in part."""

    name: str
    address: int
    file_offset: int
    file_size: int
    sections: tuple[Section, ...] = ()


_NONE: Final = Span(offset=0, size=0)


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The load commands of an image that matter for loading it."""

    filetype: int
    two_level: bool
    """Whether undefined symbols name the library they come from (MH_TWOLEVEL)."""
    is_64: bool
    little_endian: bool = True
    install_name: str | None = None
    version: tuple[int, int, int] | None = None
    """Current version of a dylib (LC_ID_DYLIB)."""
    compatibility_version: tuple[int, int, int] | None = None
    dylibs: tuple[Dylib, ...] = ()
    rpaths: tuple[str, ...] = ()
    platform: int | None = None
    minos: tuple[int, int, int] | None = None
    """Deployment target: LC_BUILD_VERSION's `minos`, or the version of LC_VERSION_MIN_MACOSX."""
    sdk: tuple[int, int, int] | None = None
    uuid: bytes | None = None
    segments: tuple[Segment, ...] = field(default=(), repr=False)
    tables: SymbolTables | None = None
    signature: Span = _NONE
    exports: Span = _NONE
    chained_fixups: Span = _NONE
    bind: Span = _NONE
    weak_bind: Span = _NONE
    lazy_bind: Span = _NONE
    has_dyld_info: bool = False

    def for_linking(self, rewrite: Callable[[str], str]) -> Commands:
        """What linking needs, with every path rewritten; where things are in the file is left out."""
        return Commands(
            filetype=self.filetype,
            two_level=self.two_level,
            is_64=self.is_64,
            little_endian=self.little_endian,
            install_name=rewrite(self.install_name) if self.install_name is not None else None,
            version=self.version,
            compatibility_version=self.compatibility_version,
            dylibs=tuple(replace(dylib, name=rewrite(dylib.name)) for dylib in self.dylibs),
            rpaths=tuple(map(rewrite, self.rpaths)),
            platform=self.platform,
            minos=self.minos,
            sdk=self.sdk,
        )


def _version(packed: int) -> tuple[int, int, int]:
    return packed >> 16, packed >> 8 & 0xFF, packed & 0xFF


def _text(name: bytes) -> str:
    return name.rstrip(b"\0").decode("utf-8", "surrogateescape")


class CommandReader:
    """Reads the commands of the image at `offset` of `data`; every offset is checked against `size`."""

    def __init__(self, data: mmap.mmap, offset: int, size: int, *, path: Path) -> None:
        self._data = data
        self._base = offset
        self._size = size
        self._path = path
        magic = data[offset : offset + 4]
        self.order = "<" if magic[3:] == b"\xfe" else ">"
        self.is_64 = struct.pack(self.order + "I", c.MH_MAGIC_64) == magic

    def _damaged(self, what: str) -> BinaryError:
        return BinaryError(what, file=self._path)

    def _unpack(self, shape: str, position: int, end: int) -> tuple[int, ...]:
        shape = self.order + shape
        if position + struct.calcsize(shape) > end:
            raise self._damaged("truncated: a load command is shorter than its fields")
        return struct.unpack_from(shape, self._data, self._base + position)

    def _string(self, position: int, end: int) -> str:
        if position >= end:
            raise self._damaged("a load command names a string outside itself")
        raw = self._data[self._base + position : self._base + end]
        return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")

    def _span(self, offset: int, size: int) -> Span:
        if size and offset + size > self._size:
            raise self._damaged(f"truncated: a load command points at {offset + size}, the image ends at {self._size}")
        return Span(offset=offset, size=size)

    def read(self) -> Commands:
        """All commands; raises BinaryError where they do not fit together."""
        header = 32 if self.is_64 else 28
        if self._size < header:
            raise self._damaged("truncated: no room for a Mach-O header")
        _, _, _, filetype, count, total, flags = self._unpack("7I", 0, self._size)
        if header + total > self._size:
            raise self._damaged(f"truncated: load commands of {total} bytes do not fit into the image")
        if count > _MOST_COMMANDS:
            raise self._damaged(f"{count} load commands")
        found: dict[str, object] = {}
        dylibs: list[Dylib] = []
        rpaths: list[str] = []
        segments: list[Segment] = []
        position, limit = header, header + total
        for _ in range(count):
            command, size = self._unpack("II", position, limit)
            end = position + size
            if size < 8 or end > limit:
                raise self._damaged(f"a load command of {size} bytes at {position} does not fit")
            if command in _DYLIB_COMMANDS:
                dylibs.append(self._dylib(command, position, end))
            elif command == c.LC_RPATH:
                rpaths.append(self._string(position + self._unpack("I", position + 8, end)[0], end))
            elif command == c.LC_SEGMENT_64:
                segments.append(self._segment(position, end, wide=True))
            elif command == c.LC_SEGMENT:
                segments.append(self._segment(position, end, wide=False))
            else:
                found.update(self._other(command, position, end))
            position = end
        tables = self._tables(found)
        return Commands(
            filetype=filetype,
            two_level=bool(flags & c.MH_TWOLEVEL),
            is_64=self.is_64,
            little_endian=self.order == "<",
            dylibs=tuple(dylibs),
            rpaths=tuple(rpaths),
            segments=tuple(segments),
            tables=tables,
            **found,  # type: ignore[arg-type]  # built field by field in `_other`
        )

    def _dylib(self, command: int, position: int, end: int) -> Dylib:
        name, timestamp, current, compatible = self._unpack("4I", position + 8, end)
        flags = 0
        if timestamp == c.DYLIB_USE_MARKER and name == 28:
            (flags,) = self._unpack("I", position + 24, end)
        return Dylib(
            name=self._string(position + name, end),
            current_version=_version(current),
            compatibility_version=_version(compatible),
            weak=command == c.LC_LOAD_WEAK_DYLIB or bool(flags & c.DYLIB_USE_WEAK_LINK),
            reexport=command == c.LC_REEXPORT_DYLIB or bool(flags & c.DYLIB_USE_REEXPORT),
            lazy=command == c.LC_LAZY_LOAD_DYLIB,
            upward=command == c.LC_LOAD_UPWARD_DYLIB,
        )

    def _segment(self, position: int, end: int, *, wide: bool) -> Segment:
        shape = struct.Struct(self.order + ("16s4Q4I" if wide else "16s8I"))
        inner = struct.Struct(self.order + ("16s16s2Q8I" if wide else "16s16s9I"))
        if position + 8 + shape.size > end:
            raise self._damaged("truncated: a segment command is shorter than its fields")
        start = self._base + position + 8
        name, address, _, offset, size, _, _, count, _ = shape.unpack_from(self._data, start)
        sections: list[Section] = []
        for number in range(count):
            at = position + 8 + shape.size + number * inner.size
            if at + inner.size > end:
                break  # dyld does not look at sections, so that a wrong count is no defect
            fields = inner.unpack_from(self._data, self._base + at)
            sections.append(Section(name=_text(fields[0]), address=fields[2], size=fields[3]))
        return Segment(name=_text(name), address=address, file_offset=offset, file_size=size, sections=tuple(sections))

    def _other(self, command: int, position: int, end: int) -> dict[str, object]:
        match command:
            case c.LC_ID_DYLIB:
                name, _, current, compatible = self._unpack("4I", position + 8, end)
                return {
                    "install_name": self._string(position + name, end),
                    "version": _version(current),
                    "compatibility_version": _version(compatible),
                }
            case c.LC_BUILD_VERSION:
                platform, minos, sdk = self._unpack("3I", position + 8, end)
                return {"platform": platform, "minos": _version(minos), "sdk": _version(sdk)}
            case c.LC_VERSION_MIN_MACOSX:
                minos, sdk = self._unpack("2I", position + 8, end)
                return {"platform": c.PLATFORM_MACOS, "minos": _version(minos), "sdk": _version(sdk)}
            case c.LC_UUID:
                return {"uuid": self._data[self._base + position + 8 : self._base + min(end, position + 24)]}
            case c.LC_CODE_SIGNATURE:
                return {"signature": self._span(*self._unpack("2I", position + 8, end))}
            case c.LC_DYLD_EXPORTS_TRIE:
                return {"exports": self._span(*self._unpack("2I", position + 8, end)), "has_dyld_info": True}
            case c.LC_DYLD_CHAINED_FIXUPS:
                return {"chained_fixups": self._span(*self._unpack("2I", position + 8, end)), "has_dyld_info": True}
            case c.LC_DYLD_INFO | c.LC_DYLD_INFO_ONLY:
                values = self._unpack("10I", position + 8, end)
                spans = [self._span(*values[at : at + 2]) for at in range(2, 10, 2)]
                return dict(zip(("bind", "weak_bind", "lazy_bind", "exports"), spans, strict=True)) | {
                    "has_dyld_info": True
                }
            case c.LC_SYMTAB:
                symbols, count, strings, length = self._unpack("4I", position + 8, end)
                self._span(symbols, count * (16 if self.is_64 else 12))
                return {
                    "tables": SymbolTables(symbols=symbols, count=count, strings=self._span(strings, length)),
                }
            case c.LC_DYSYMTAB:
                values = self._unpack("6I", position + 8, end)
                return {"dynamic": values}
            case _:
                return {}

    def _tables(self, found: dict[str, object]) -> SymbolTables | None:
        tables = found.pop("tables", None)
        dynamic = found.pop("dynamic", None)
        if not isinstance(tables, SymbolTables) or not isinstance(dynamic, tuple):
            return tables if isinstance(tables, SymbolTables) else None
        _, _, external, externals, undefined, undefineds = dynamic
        if external + externals > tables.count or undefined + undefineds > tables.count:
            raise self._damaged("LC_DYSYMTAB counts more symbols than there are")
        return SymbolTables(
            symbols=tables.symbols,
            count=tables.count,
            strings=tables.strings,
            external=(external, externals),
            undefined=(undefined, undefineds),
        )
