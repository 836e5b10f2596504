"""Symbols of a summary, kept as they are stored: joined names and a byte or number for each, opened when looked into.

An environment has a million symbols, of which linking looks at the imports of every image and at the exports of few.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Final

from builder.binaries.elf.file import Symbol
from builder.binaries.macho import Export, Import
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

#: From this many bytes on, names are compressed by themselves, so that they need not be opened with their package.
WORTH_PACKING: Final = 64 << 10
_MOST_NAMES: Final = 2 << 30
#: For `bytes.translate`: the marks of symbols that are defined as 1, and the others, and the reverse.
_DEFINED: Final = bytes(mark & 1 for mark in range(256))
_NOT_DEFINED: Final = bytes(1 - (mark & 1) for mark in range(256))


class Names:
    """Many names, none with a zero byte in it, in one piece; equal where the names are."""

    def __init__(self, names: Sequence[bytes] = (), *, stored: bytes | None = None, packed: bool = False) -> None:
        self._stored = b"\0".join(names) if stored is None else stored
        self._packed = packed

    def store(self) -> tuple[bytes, bool]:
        """The bytes to keep, and whether they are compressed."""
        import zstandard

        if self._packed or len(self._stored) < WORTH_PACKING:
            return self._stored, self._packed
        return zstandard.ZstdCompressor(level=9).compress(self._stored), True

    @cached_property
    def joined(self) -> bytes:
        import zstandard

        if not self._packed:
            return self._stored
        return zstandard.ZstdDecompressor().decompress(self._stored, max_output_size=_MOST_NAMES)

    def split(self, count: int) -> list[bytes]:
        """The names; BinaryError where they are not `count`."""
        found = self.joined.split(b"\0") if count else []
        if len(found) != count:
            raise BinaryError("a summary with names missing")
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names) and self.joined == other.joined

    def __hash__(self) -> int:
        return hash(self.joined)


@dataclass(frozen=True)
class ImportTable:
    """`marks`: one byte each, 1 weak, 2 lazy."""

    names: Names
    ordinals: tuple[int, ...]
    marks: bytes

    @classmethod
    def of(cls, imports: Sequence[Import]) -> ImportTable:
        return cls(
            Names([item.name for item in imports]),
            tuple(item.ordinal for item in imports),
            bytes(item.weak | item.lazy << 1 for item in imports),
        )

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        names = self.names.split(len(self.ordinals))
        return tuple(
            Import(name, ordinal, bool(mark & 1), bool(mark & 2))
            for name, ordinal, mark in zip(names, self.ordinals, self.marks, strict=True)
        )


@dataclass(frozen=True)
class ExportTable:
    """Sorted by name. `flags`: those of the export trie; `handed_on`: (place, ordinal, target) of single re-exports."""

    names: Names
    flags: bytes
    handed_on: tuple[tuple[int, int, bytes | None], ...] = ()

    @classmethod
    def of(cls, exports: Sequence[Export]) -> ExportTable:
        return cls(
            Names([item.name for item in exports]),
            bytes(min(item.flags, 255) for item in exports),
            tuple((place, item.ordinal, item.target) for place, item in enumerate(exports) if item.ordinal is not None),
        )

    @cached_property
    def _places(self) -> dict[bytes, int]:
        return {name: place for place, name in enumerate(self.names.split(len(self.flags)))}

    @cached_property
    def _handed_on(self) -> dict[int, tuple[int, bytes | None]]:
        return {place: (ordinal, target) for place, ordinal, target in self.handed_on}

    def exported(self, names: Iterable[bytes]) -> dict[bytes, Export]:
        """Those of `names` that the image exports; without addresses."""
        places, handed_on = self._places, self._handed_on
        found: dict[bytes, Export] = {}
        for name in names:
            place = places.get(name)
            if place is not None:
                found[name] = Export(name, self.flags[place], 0, *handed_on.get(place, (None, None)))
        return found

    def __len__(self) -> int:
        return len(self.flags)


@dataclass(frozen=True)
class SymbolTable:
    """Dynamic symbols of an ELF file. `marks`: 1 defined, 2 weak, 4 hidden. `places` count into `versions`, pairs of
    version and library.
    """

    names: Names
    marks: bytes
    versions: tuple[tuple[str | None, str | None], ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, symbols: Sequence[Symbol]) -> SymbolTable:
        versions = tuple(sorted({(item.version, item.library) for item in symbols}, key=str))
        numbers = {pair: number for number, pair in enumerate(versions)}
        return cls(
            Names([item.name for item in symbols]),
            bytes(item.defined | item.weak << 1 | item.hidden << 2 for item in symbols),
            versions,
            tuple(numbers[item.version, item.library] for item in symbols),
        )

    def wanted(self) -> tuple[Symbol, ...]:
        """The symbols that the file wants of others."""
        chosen = self.marks.translate(_NOT_DEFINED)
        names = self.names.split(len(self.marks))
        return tuple(
            Symbol(name, False, bool(mark & 2), *self.versions[place], hidden=bool(mark & 4))
            for name, mark, place in compress(zip(names, self.marks, self.places, strict=True), chosen)
        )

    def defined_of(self, names: Set[bytes]) -> frozenset[bytes]:
        """Those of `names` that the file defines."""
        found = compress(self.names.split(len(self.marks)), self.marks.translate(_DEFINED))
        return frozenset(name for name in found if name in names)
