"""Symbols of a summary, kept as they are stored: joined names and a byte or number for each, opened when looked into.

An environment has a million symbols, of which linking looks at the imports of every image and at the exports of few.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Final

from builder.binaries.macho import Export, Import
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

#: From this many bytes on, names are compressed by themselves, so that they need not be opened with their package.
WORTH_PACKING: Final = 64 << 10
_MOST_NAMES: Final = 1 << 30
_PIECE: Final = 1 << 20
#: For `bytes.translate`: the marks of imports that are not weak as 1, and the others as 0.
_STRONG: Final = bytes(1 - (mark & 1) for mark in range(256))


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

    @property
    def joined(self) -> bytes:
        """All in one piece, a zero byte between two; what is compressed is opened anew each time."""
        return b"".join(self._pieces())

    def split(self, count: int) -> list[bytes]:
        """The names; BinaryError where they are not `count`."""
        return [name for block in self.blocks(count) for name in block]

    def blocks(self, count: int) -> Iterator[list[bytes]]:
        """The names, some thousands at a time: the largest table has 60 MB. BinaryError where they are not `count`."""
        rest, found = b"", 0
        for piece in self._pieces() if count else ():
            *whole, rest = (rest + piece).split(b"\0")
            found += len(whole)
            yield whole
        if count:
            yield [rest]
        if count and found + 1 != count:
            raise BinaryError("a summary with names missing")

    def _pieces(self) -> Iterator[bytes]:
        import zstandard

        if not self._packed:
            yield self._stored
            return
        size = 0
        try:
            for piece in zstandard.ZstdDecompressor().read_to_iter(self._stored, write_size=_PIECE):
                size += len(piece)
                if size > _MOST_NAMES:
                    raise BinaryError("a summary with too many names")
                yield piece
        except zstandard.ZstdError as error:
            raise BinaryError(f"a summary with damaged names: {error}") from error

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

    @property
    def imports(self) -> tuple[Import, ...]:
        names = self.names.split(len(self.ordinals))
        return tuple(
            Import(name, ordinal, bool(mark & 1), bool(mark & 2))
            for name, ordinal, mark in zip(names, self.ordinals, self.marks, strict=True)
        )

    @cached_property
    def strong(self) -> Mapping[int, tuple[bytes, ...]]:
        """Ordinal → the names that must come from there, in the image's order."""
        found: dict[int, list[bytes]] = {}
        names = self.names.split(len(self.ordinals))
        for name, ordinal in compress(zip(names, self.ordinals, strict=True), self.marks.translate(_STRONG)):
            found.setdefault(ordinal, []).append(name)
        return {ordinal: tuple(wanted) for ordinal, wanted in found.items()}

    @property
    def counts(self) -> Mapping[int, int]:
        """Ordinal → how many symbols, weak ones too."""
        return Counter(self.ordinals)

    @property
    def places(self) -> Mapping[tuple[int, bytes], int]:
        """(ordinal, name) → where it stands among the imports: the first that is missing is the one that dyld names."""
        names = self.names.split(len(self.ordinals))
        return {pair: place for place, pair in enumerate(zip(self.ordinals, names, strict=True))}

    def __contains__(self, name: bytes) -> bool:
        return name in self.names.split(len(self.ordinals))

    def __len__(self) -> int:
        return len(self.ordinals)


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
    def _handed_on(self) -> Mapping[bytes, Export]:
        names = self.names.split(len(self.flags)) if self.handed_on else []
        return {
            names[place]: Export(names[place], self.flags[place], 0, ordinal, target)
            for place, ordinal, target in self.handed_on
        }

    def among(self, names: Collection[bytes]) -> frozenset[bytes]:
        """Those of `names` that the image exports. All of its names are gone through, and none is kept."""
        wanted = frozenset(names)
        found: set[bytes] = set()
        for block in self.names.blocks(len(self.flags)) if wanted else ():
            found |= wanted.intersection(block)
        return frozenset(found)

    def handed_on_of(self, names: Iterable[bytes]) -> tuple[Export, ...]:
        """Those of `names` that the image has from another library; without addresses."""
        known = self._handed_on
        return tuple(known[name] for name in names if name in known) if known else ()

    def __len__(self) -> int:
        return len(self.flags)
