"""The dynamic symbols of an ELF file as a summary keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Final

from builder.binaries.elf.file import Symbol
from builder.binaries.tables import Names

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

#: For `bytes.translate`: the marks of symbols that are defined as 1, and the others as 0; and the reverse.
_DEFINED: Final = bytes(mark & 1 for mark in range(256))
_NOT_DEFINED: Final = bytes(1 - (mark & 1) for mark in range(256))


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

    def defined_of(self, names: Set[bytes]) -> frozenset[bytes]:
        """Those of `names` that the file defines."""
        found: set[bytes] = set()
        place = 0
        for block in self.names.blocks(len(self.marks)) if names else ():
            marks = self.marks[place : place + len(block)].translate(_DEFINED)
            found.update(name for name in compress(block, marks) if name in names)
            place += len(block)
        return frozenset(found)

    def wanted(self) -> tuple[Symbol, ...]:
        """The symbols that the file wants of others."""
        found: list[Symbol] = []
        place = 0
        for block in self.names.blocks(len(self.marks)):
            marks = self.marks[place : place + len(block)]
            # Not strict: where names are too many, `blocks` says so at its end.
            rows = zip(block, marks, self.places[place : place + len(block)], strict=False)
            found += (
                Symbol(name, False, bool(mark & 2), *self.versions[number], hidden=bool(mark & 4))
                for name, mark, number in compress(rows, marks.translate(_NOT_DEFINED))
            )
            place += len(block)
        return tuple(found)
