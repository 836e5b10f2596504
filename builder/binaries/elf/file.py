"""One ELF file as the loader sees it: header, program headers, the dynamic section, symbols and their versions.

Only what the loader uses is read; section headers are not (a stripped file may have none). Layouts: System V ABI,
chapters 4 and 5; symbol versions: Linux Standard Base Core 5.0, 10.7. Damaged files raise `BinaryError`, never anything
else, and no size found in a file is believed before it is compared with the file's own.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Set
    from pathlib import Path

MAGIC: Final = b"\x7fELF"
_MACHINES: Final = {3: "i686", 40: "arm", 62: "x86_64", 183: "aarch64"}
_PT_LOAD, _PT_DYNAMIC = 1, 2
ET_EXEC, ET_DYN = 2, 3
_STRTAB, _SYMTAB, _HASH, _GNU_HASH = 5, 6, 4, 0x6FFFFEF5
_NEEDED, _SONAME, _RPATH, _RUNPATH = 1, 14, 15, 29
_VERSYM, _VERDEF, _VERDEFNUM, _VERNEED, _VERNEEDNUM = 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_STRSZ: Final = 10
#: More than any real file has; a wild count ends here.
_MOST_HEADERS: Final = 4096
_MOST_ENTRIES: Final = 100_000
_MOST_SYMBOLS: Final = 20_000_000
_LONGEST_NAME: Final = 1 << 16
_STB_LOCAL, _STB_WEAK = 0, 2


class Symbol(NamedTuple):
    """One entry of the dynamic symbol table that is not local.

    `version`: the version it is bound to or defined with (`GLIBC_2.34`), None where it has none. `library`: the SONAME
    that a versioned undefined symbol must come from. `hidden`: defined for old binaries only (`name@VERSION`).
    """

    name: bytes
    defined: bool
    weak: bool
    version: str | None = None
    library: str | None = None
    hidden: bool = False


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a file wants of one library: the SONAME and the names of the symbol versions it must define."""

    library: str
    versions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Where things are in a file of 32 or 64 bits; shapes are `struct` formats without the byte order."""

    header: str
    program: str
    places: tuple[int, int, int, int]
    """Which fields of a program header are p_type, p_offset, p_vaddr and p_filesz."""
    dynamic: str
    symbol: str
    kinds: tuple[int, int]
    """Which fields of a symbol are st_info and st_shndx; st_name is the first."""
    word: int
    """Bytes of an address."""


_LAYOUTS: Final = {
    1: _Layout(
        header="HHIIIIIHHH", program="8I", places=(0, 1, 2, 4), dynamic="iI", symbol="IIIBBH", kinds=(3, 5), word=4
    ),
    2: _Layout(
        header="HHIQQQIHHH", program="II6Q", places=(0, 2, 3, 5), dynamic="qQ", symbol="IBBHQQ", kinds=(1, 3), word=8
    ),
}


class ElfFile:
    """A mapped ELF file; a context manager. Everything beyond the header is read when first asked for."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        if len(data) < 52 or data[:4] != MAGIC or data[4] not in _LAYOUTS or data[5] not in (1, 2):
            raise self._damaged("no room for an ELF header, or a strange one")
        self._order = "<" if data[5] == 1 else ">"
        self._layout = _LAYOUTS[data[4]]
        (self.kind, machine, _, _, self._headers_at, _, _, _, self._header_size, self._header_count) = self._unpack(
            self._layout.header, 16
        )
        self.machine = _MACHINES.get(machine, f"machine {machine}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.data.close()

    def _damaged(self, what: str) -> BinaryError:
        return BinaryError(f"damaged ELF file: {what}", file=self.path)

    def _unpack(self, shape: str, at: int) -> tuple[int, ...]:
        shape = self._order + shape
        if at + struct.calcsize(shape) > len(self.data):
            raise self._damaged("truncated")
        return struct.unpack_from(shape, self.data, at)

    @cached_property
    def _segments(self) -> tuple[tuple[int, int, int, int], ...]:
        """(type, offset, address, size in the file) of every program header."""
        size = struct.calcsize(self._order + self._layout.program)
        if self._header_count > _MOST_HEADERS or (self._header_count and self._header_size != size):
            raise self._damaged("strange program headers")
        found = []
        for number in range(self._header_count):
            header = self._unpack(self._layout.program, self._headers_at + number * size)
            kind, offset, address, length = (header[place] for place in self._layout.places)
            found.append((kind, offset, address, length))
        return tuple(found)

    def _offset(self, address: int) -> int:
        """Where in the file an address is."""
        for kind, offset, start, length in self._segments:
            if kind == _PT_LOAD and start <= address < start + length:
                return offset + address - start
        raise self._damaged("an address outside its segments")

    @cached_property
    def _dynamic(self) -> dict[int, list[int]]:
        """Tag → values, in order. Empty for a static program."""
        shape = self._layout.dynamic
        size = struct.calcsize(self._order + shape)
        found: dict[int, list[int]] = {}
        for kind, offset, _, length in self._segments:
            if kind != _PT_DYNAMIC:
                continue
            for number in range(min(length // size, _MOST_ENTRIES)):
                tag, value = self._unpack(shape, offset + number * size)
                if tag == 0:
                    break
                found.setdefault(tag, []).append(value)
        return found

    def _one(self, tag: int) -> int | None:
        values = self._dynamic.get(tag)
        return values[0] if values else None

    @cached_property
    def _strings(self) -> tuple[int, int]:
        """Where the dynamic string table begins and ends in the file."""
        address, size = self._one(_STRTAB), self._one(_STRSZ)
        if address is None or size is None:
            raise self._damaged("no dynamic string table")
        start = self._offset(address)
        return start, min(start + size, len(self.data))

    def _raw(self, index: int) -> bytes:
        start, stop = self._strings
        begin = start + index
        end = self.data.find(b"\0", begin, min(stop, begin + _LONGEST_NAME)) if begin < stop else -1
        if end < 0:
            raise self._damaged("a name outside the string table")
        return self.data[begin:end]

    def _text(self, index: int) -> str:
        return self._raw(index).decode("utf-8", "surrogateescape")

    def _texts(self, tag: int) -> tuple[str, ...]:
        return tuple(self._text(index) for index in self._dynamic.get(tag, ()))

    @property
    def needed(self) -> tuple[str, ...]:
        return self._texts(_NEEDED)

    @property
    def soname(self) -> str | None:
        return next(iter(self._texts(_SONAME)), None)

    @property
    def search(self) -> tuple[str, ...]:
        """RUNPATH, or else RPATH, one folder each, `$ORIGIN` left in."""
        joined = self._texts(_RUNPATH) or self._texts(_RPATH)
        return tuple(folder for path in joined for folder in path.split(":") if folder)

    @cached_property
    def defines(self) -> dict[int, str]:
        """Number → name of every symbol version that the file defines; the first is the file's own name."""
        found: dict[int, str] = {}
        address, count = self._one(_VERDEF), self._one(_VERDEFNUM) or 0
        if address is None:
            return found
        at = self._offset(address)
        for _ in range(min(count, _MOST_ENTRIES)):
            _, _, number, _, _, auxiliary, following = self._unpack("HHHHIII", at)
            (name,) = self._unpack("I", at + auxiliary)
            found[number & 0x7FFF] = self._text(name)
            if not following:
                break
            at += following
        return found

    @cached_property
    def _wanted(self) -> tuple[tuple[Needs, ...], dict[int, tuple[str, str]]]:
        """What is needed of each library; version number → (library, version)."""
        needs: list[Needs] = []
        numbers: dict[int, tuple[str, str]] = {}
        address, count = self._one(_VERNEED), self._one(_VERNEEDNUM) or 0
        if address is None:
            return (), numbers
        at = self._offset(address)
        for _ in range(min(count, _MOST_ENTRIES)):
            _, entries, file, auxiliary, following = self._unpack("HHIII", at)
            library, inner = self._text(file), at + auxiliary
            versions = []
            for _ in range(min(entries, _MOST_ENTRIES)):
                _, _, number, name, after = self._unpack("IHHII", inner)
                versions.append(self._text(name))
                numbers[number & 0x7FFF] = (library, versions[-1])
                if not after:
                    break
                inner += after
            needs.append(Needs(library=library, versions=tuple(versions)))
            if not following:
                break
            at += following
        return tuple(needs), numbers

    @property
    def needs(self) -> tuple[Needs, ...]:
        """The symbol versions wanted, by library, in the order of the file."""
        return self._wanted[0]

    @cached_property
    def _symbol_count(self) -> int:
        """How many dynamic symbols there are: no field says so, but every hash table implies it."""
        table = self._one(_HASH)
        if table is not None:
            _, count = self._unpack("II", self._offset(table))
            return count
        table = self._one(_GNU_HASH)
        if table is None:
            return 0
        at = self._offset(table)
        buckets, first, bloom, _ = self._unpack("4I", at)
        at += 16 + bloom * self._layout.word
        if buckets > _MOST_SYMBOLS or at + 4 * buckets > len(self.data):
            raise self._damaged("a hash table that does not fit")
        last = max(self._unpack(f"{buckets}I", at), default=0)
        if last < first:
            return first
        chains = at + 4 * buckets
        for number in range(last, _MOST_SYMBOLS):
            if self._unpack("I", chains + 4 * (number - first))[0] & 1:
                return number + 1
        raise self._damaged("a hash table without an end")

    def symbols(self, *, defined: bool | None = None) -> Iterator[Symbol]:
        """The dynamic symbols that are not local, in the order of the table; only those that are `defined`, or not."""
        names, wanted, versions = self.defines, self._wanted[1], self._version_numbers
        for number, name, weak, here in self._table(defined):
            mark = versions[number] if versions else 1
            library = version = None
            if not here:
                library, version = wanted.get(mark & 0x7FFF, (None, None))
            elif mark & 0x7FFF > 1:
                version = names.get(mark & 0x7FFF)
            yield Symbol(name, here, weak, version, library, bool(here and mark & 0x8000))

    def defined_of(self, names: Set[bytes]) -> frozenset[bytes]:
        """Those of `names` that it defines."""
        return frozenset(name for _, name, _, _ in self._table(True) if name in names)

    def _table(self, defined: bool | None) -> Iterator[tuple[int, bytes, bool, bool]]:
        """Place in the table, name, whether weak, whether defined, of the symbols that are not local."""
        address = self._one(_SYMTAB)
        count = self._symbol_count
        if address is None or not count:
            return
        shape = struct.Struct(self._order + self._layout.symbol)
        at = self._offset(address)
        if count > _MOST_SYMBOLS or at + count * shape.size > len(self.data):
            raise self._damaged(f"{count} symbols do not fit")
        start, stop = self._strings
        find, data = self.data.find, self.data
        info_at, section_at = self._layout.kinds
        for number, entry in enumerate(shape.iter_unpack(data[at : at + count * shape.size])):
            name, info, here = entry[0], entry[info_at], entry[section_at] != 0
            if not number or info >> 4 == _STB_LOCAL or (defined is not None and here is not defined):
                continue
            begin = start + name
            end = find(b"\0", begin, min(stop, begin + _LONGEST_NAME)) if begin < stop else -1
            if end < 0:
                raise self._damaged("a name outside the string table")
            yield number, data[begin:end], info >> 4 == _STB_WEAK, here

    def may_name(self, name: bytes) -> bool:
        """Whether `name` is in the table of names, which is quickly told; of which symbol, `symbols` says."""
        start, stop = self._strings
        return self.data.find(name + b"\0", start, stop) >= 0

    @property
    def _version_numbers(self) -> tuple[int, ...]:
        """One for each symbol; nothing where the file has no versions."""
        address = self._one(_VERSYM)
        return self._unpack(f"{self._symbol_count}H", self._offset(address)) if address is not None else ()


def open_elf(path: Path) -> ElfFile | None:
    """Map `path`; None where it is no ELF file. Raises OSError, and BinaryError for a damaged header.

    Symlinks are followed; only regular files are opened (a fifo would block).
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or os.pread(descriptor, 4, 0) != MAGIC:
            return None
        data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
    try:
        return ElfFile(path, data)
    except BaseException:
        data.close()
        raise
