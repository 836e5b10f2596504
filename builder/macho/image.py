"""One image: a slice of a Mach-O file, its commands, what it imports and what it exports."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from builder.macho.commands import CommandReader, Commands

if TYPE_CHECKING:
    import mmap
    from pathlib import Path


class Image:
    """A slice of a mapped file. Everything is read when it is first asked for; see `builder.macho`."""

    def __init__(self, data: mmap.mmap, offset: int, size: int, *, path: Path) -> None:
        self.path = path
        self._data = data
        self._offset = offset
        self._size = size

    @cached_property
    def commands(self) -> Commands:
        """The load commands; raises BinaryError where they are damaged."""
        return CommandReader(self._data, self._offset, self._size, path=self.path).read()
