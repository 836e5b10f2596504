"""The Objective-C classes that an image defines, from `__objc_classlist`.

Where two images define a class of one name the runtime takes either: `objc[123]: Class AVFFrameReceiver is implemented
in both … and …. One of the two will be used. Which one is undefined.` Layouts: `objc-runtime-new.h` of
apple-oss-distributions/objc4 (class_t, class_ro_t, 64 bits), `mach-o/fixup-chains.h` of dyld for pointers in chains.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import mmap

    from builder.binaries.macho.commands import Commands

_LIST: Final = "__objc_classlist"
_MOST_CLASSES: Final = 100_000
_LONGEST_NAME: Final = 1 << 10
#: DYLD_CHAINED_PTR_64 and _64_OFFSET: 36 bits of target; the highest bit marks a pointer to another image.
_TARGET: Final = (1 << 36) - 1
_BOUND: Final = 1 << 63
#: The flags of Swift's classes are in the lowest bits of the pointer to a class's data (FAST_DATA_MASK).
_FLAGS: Final = 7


def class_names(data: mmap.mmap, base: int, commands: Commands) -> tuple[bytes, ...]:
    """The names of the classes that the image at `base` defines, sorted; what cannot be followed is left out."""
    if not commands.is_64:
        return ()
    reader = _Reader(data, base, commands)
    found: set[bytes] = set()
    for segment in commands.segments:
        for section in segment.sections:
            if section.name == _LIST:
                for number in range(min(section.size // 8, _MOST_CLASSES)):
                    name = reader.class_name(section.address + 8 * number)
                    if name is not None:
                        found.add(name)
    return tuple(sorted(found))


class _Reader:
    """Follows pointers in an image that is not loaded."""

    def __init__(self, data: mmap.mmap, base: int, commands: Commands) -> None:
        self._data = data
        self._base = base
        self._segments = [segment for segment in commands.segments if segment.file_size]
        self._shape = struct.Struct(("<" if commands.little_endian else ">") + "Q")
        self._chained = bool(commands.chained_fixups)
        text = next((segment for segment in commands.segments if segment.name == "__TEXT"), None)
        self._start = text.address if text is not None else 0

    def _offset(self, address: int) -> int | None:
        """Where in the file an address is."""
        for segment in self._segments:
            if segment.address <= address < segment.address + segment.file_size:
                return self._base + segment.file_offset + address - segment.address
        return None

    def _pointer(self, address: int) -> int | None:
        """What the pointer at an address points to; None for one to another image, and outside the file."""
        offset = self._offset(address)
        if offset is None or offset + 8 > len(self._data):
            return None
        (value,) = self._shape.unpack_from(self._data, offset)
        if not self._chained:
            return int(value)
        if value & _BOUND:
            return None
        target = int(value) & _TARGET
        return target if self._offset(target) is not None else target + self._start

    def class_name(self, place: int) -> bytes | None:
        """class_t is five words, the last its data; of class_ro_t, the name is the pointer 24 bytes in."""
        one = self._pointer(place)
        data = self._pointer(one + 32) if one else None
        name = self._pointer((data & ~_FLAGS) + 24) if data else None
        start = self._offset(name) if name else None
        if start is None:
            return None
        end = self._data.find(b"\0", start, start + _LONGEST_NAME)
        return self._data[start:end] if end > start else None
