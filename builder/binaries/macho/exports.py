"""What an image exports, looked up by walking its export trie; never listed whole.

The trie is a radix tree of names. A walk for many sorted names at once visits each node on their paths once, which is
what makes 40,000 lookups into TensorFlow's 250,000 exports cheap. Format: `mach-o/loader.h` (EXPORT_SYMBOL_FLAGS_*).
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from builder.binaries.macho import constants as c
from builder.errors import BinaryError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from builder.binaries.macho.commands import Commands

#: One child of a trie node: the characters on its edge and the ULEB128 offset of its node.
_CHILD: Final = re.compile(rb"([^\0]*)\0([\x80-\xff]{0,9}[\x00-\x7f])", re.DOTALL)
_LONGEST_NAME: Final = 1 << 16


class Export(NamedTuple):
    """One exported symbol.

    `flags` are the terminal's (EXPORT_SYMBOL_FLAGS_*), `address` is relative to the image's start (0 for a re-export).
    A re-export has `ordinal` (of the library it comes from, counted from 1) and `target`, the name it has there, which
    may differ from `name`.
    """

    name: bytes
    flags: int
    address: int
    ordinal: int | None = None
    target: bytes | None = None

    @property
    def kind(self) -> c.ExportKind:
        return c.ExportKind(min(self.flags & c.EXPORT_SYMBOL_FLAGS_KIND_MASK, c.ExportKind.ABSOLUTE))

    @property
    def weak(self) -> bool:
        return bool(self.flags & c.EXPORT_SYMBOL_FLAGS_WEAK_DEFINITION)


def uleb128(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position` and the position after it; at most ten bytes are taken. IndexError past the end."""
    value = shift = 0
    for at in range(position, position + 10):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + 1
        shift += 7
    raise ValueError("a number of more than ten bytes")


class ExportTrie:
    """The export trie of an image, copied out of the mapping when first used (a few MB at most)."""

    def __init__(self, trie: bytes, *, path: Path) -> None:
        self._trie = trie
        self._path = path

    def lookup(self, names: Sequence[bytes]) -> dict[bytes, Export]:
        """Those of `names` (sorted, each once) that are exported. Raises BinaryError for a damaged trie."""
        try:
            return dict(self._walk(names))
        except (IndexError, ValueError, struct.error) as error:
            raise BinaryError(f"damaged export trie: {error}", file=self._path) from error

    def _walk(self, names: Sequence[bytes]) -> Iterator[tuple[bytes, Export]]:
        trie = self._trie
        if not trie:
            return
        match_child = _CHILD.match
        # Each entry: a node, and the stretch of `names` whose first `depth` characters lead to it.
        pending = [(0, 0, len(names), 0)] if names else []
        through_nameless: set[int] = set()
        while pending:
            node, first, last, depth = pending.pop()
            length = trie[node]
            position = node + 1
            if length >= 0x80:
                length, position = uleb128(trie, node)
            prefix = names[first][:depth]
            ending: list[tuple[int, int]] = []
            if len(names[first]) == depth:
                if length:
                    yield names[first], self._terminal(names[first], position)
                else:
                    ending.append((first, first + 1))
                first += 1
            position += length
            children = trie[position] if ending or first < last else 0
            position += 1
            for _ in range(children):
                child = match_child(trie, position)
                if child is None:
                    raise ValueError("a node's children run past the end")
                position = child.end()
                edge = child[1]
                target = child[2][0] if len(child[2]) == 1 else uleb128(child[2], 0)[0]
                if not edge:
                    # Some linkers end a name that others continue with a nameless edge. Like dyld, take it for
                    # whatever is left; unlike dyld, let a cycle of such edges end.
                    if target in through_nameless:
                        raise ValueError("a cycle of edges without characters")
                    through_nameless.add(target)
                    ending.append((first, last))
                    pending.extend((target, low, high, depth) for low, high in ending if low < high)
                    break
                if first == last:
                    continue
                if last - first == 1:
                    if not names[first].startswith(edge, depth):
                        continue
                    low, high = first, last
                else:
                    low, high = _stretch(names, first, last, prefix + edge)
                    if low == high:
                        continue
                pending.append((target, low, high, depth + len(edge)))
                if low == first:
                    first = high
                    if first == last and not ending:
                        break

    def _terminal(self, name: bytes, position: int) -> Export:
        flags, position = uleb128(self._trie, position)
        value, position = uleb128(self._trie, position)
        if not flags & c.EXPORT_SYMBOL_FLAGS_REEXPORT:
            return Export(name, flags, value)
        end = self._trie.find(b"\0", position, position + _LONGEST_NAME)
        if end < 0:
            raise ValueError("a re-export's name has no end")
        return Export(name, flags, 0, value, self._trie[position:end] or name)

    def exports(self) -> Iterator[Export]:
        """Every export, in no particular order; for summaries, listings and tests, not for linking.

        Raises BinaryError for a damaged trie, among them one in which two ways lead to a node (a cycle, mostly).
        """
        trie, match_child = self._trie, _CHILD.match
        pending = [(0, b"")] if trie else []
        visited: set[int] = set()
        while pending:
            node, prefix = pending.pop()
            if node in visited:
                raise BinaryError("damaged export trie: two ways lead to a node", file=self._path)
            visited.add(node)
            try:
                length, position = trie[node], node + 1
                if length >= 0x80:
                    length, position = uleb128(trie, node)
                if length:
                    yield self._terminal(prefix, position)
                position += length
                children = trie[position]
            except (IndexError, ValueError) as error:
                raise BinaryError(f"damaged export trie: {error}", file=self._path) from error
            position += 1
            for _ in range(children):
                child = match_child(trie, position)
                if child is None or len(prefix) > _LONGEST_NAME:
                    raise BinaryError("damaged export trie: a node's children run past the end", file=self._path)
                position = child.end()
                target = child[2]
                pending.append((target[0] if len(target) == 1 else uleb128(target, 0)[0], prefix + child[1]))


def _stretch(names: Sequence[bytes], first: int, last: int, prefix: bytes) -> tuple[int, int]:
    """Where in `names[first:last]` the names beginning with `prefix` are."""
    low = bisect_left(names, prefix, first, last)
    if low == last or not names[low].startswith(prefix):
        return low, low
    return low, bisect_left(names, prefix + b"\xff", low, last)


def defined_symbols(data: mmap.mmap, base: int, commands: Commands, *, path: Path) -> dict[bytes, Export]:
    """External definitions of the symbol table, for images that have no export trie."""
    tables = commands.tables
    if tables is None:
        return {}
    first, count = tables.external or (0, tables.count)
    found = {}
    for name, kind, _, value in symbols(data, base, commands, first=first, count=count, path=path):
        if kind & c.N_EXT and not kind & c.N_STAB and kind & c.N_TYPE != c.N_UNDF:
            found[name] = Export(name, 0, value)
    return found


def symbols(
    data: mmap.mmap, base: int, commands: Commands, *, first: int, count: int, path: Path
) -> Iterator[tuple[bytes, int, int, int]]:
    """(name, n_type, n_desc, n_value) of `count` entries of the symbol table from number `first` on."""
    tables = commands.tables
    if tables is None or not count:
        return
    shape = struct.Struct((">", "<")[commands.little_endian] + ("IBBHQ" if commands.is_64 else "IBBHI"))
    start = base + tables.symbols + first * shape.size
    raw = data[start : start + count * shape.size]
    strings = base + tables.strings.offset
    end = strings + tables.strings.size
    find = data.find
    for at, kind, _, description, value in shape.iter_unpack(raw[: len(raw) // shape.size * shape.size]):
        position = strings + at
        stop = find(b"\0", position, min(end, position + _LONGEST_NAME)) if position < end else -1
        if stop < 0:
            raise BinaryError("damaged symbol table: a name lies outside the string table", file=path)
        yield data[position:stop], kind, description, value
