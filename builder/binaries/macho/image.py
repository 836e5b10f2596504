"""One image: a slice of a Mach-O file, its commands, what it imports and what it exports."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from builder.binaries.macho.commands import CommandReader, Commands
from builder.binaries.macho.exports import Export, ExportTrie, defined_symbols
from builder.binaries.macho.imports import Import, read_imports
from builder.binaries.macho.objc import class_names
from builder.binaries.numpy_abi import CAPSULE, NumpyAbi, read_numpy_abi

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable
    from pathlib import Path


class Image:
    """A slice of a mapped file. Everything is read when it is first asked for; see `builder.binaries.macho`.

    Every attribute and method raises BinaryError where the part of the file it needs is damaged.
    """

    def __init__(self, data: mmap.mmap, offset: int, size: int, *, path: Path) -> None:
        self.path = path
        self._data = data
        self._offset = offset
        self._size = size

    @cached_property
    def commands(self) -> Commands:
        """The load commands: dependencies, rpaths, deployment target, where the tables are."""
        return CommandReader(self._data, self._offset, self._size, path=self.path).read()

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every symbol dyld binds for this image, each (symbol, library) once."""
        return read_imports(self._data, self._offset, self.commands, path=self.path)

    @cached_property
    def _trie(self) -> ExportTrie:
        span = self.commands.exports
        start = self._offset + span.offset
        return ExportTrie(self._data[start : start + span.size], path=self.path)

    @cached_property
    def _defined(self) -> dict[bytes, Export]:
        return defined_symbols(self._data, self._offset, self.commands, path=self.path)

    @cached_property
    def numpy_abi(self) -> NumpyAbi | None:
        """Which NumPy the image was compiled against; None where it does not use NumPy's C API."""
        if not any(item.name == b"_" + CAPSULE for item in self.imports):
            return None
        return read_numpy_abi(self._data, self._offset, self._offset + self._size)

    @cached_property
    def objc_classes(self) -> tuple[bytes, ...]:
        """The names of the Objective-C classes that the image defines."""
        return class_names(self._data, self._offset, self.commands)

    def exported(self, names: Iterable[bytes]) -> dict[bytes, Export]:
        """Those of `names` that this image itself exports, re-exports of single symbols among them.

        Libraries re-exported whole (`Dylib.reexport`) are the caller's to follow: they are other files.
        """
        if self.commands.exports:
            return self._trie.lookup(sorted(set(names)))
        if self.commands.has_dyld_info:
            return {}
        return {name: self._defined[name] for name in names if name in self._defined}

    def export(self, name: bytes) -> Export | None:
        """The export called `name`, or None."""
        return self.exported((name,)).get(name)

    def exports(self) -> Iterable[Export]:
        """Everything that the image exports itself: slow for a large library, and never needed for linking."""
        if self.commands.exports:
            return self._trie.exports()
        return () if self.commands.has_dyld_info else self._defined.values()

    def export_names(self) -> Iterable[bytes]:
        """The names of `exports`."""
        return (export.name for export in self.exports())
