"""Opening Mach-O files: what a file is, and its slices. Files are mapped; only what is asked for is read."""

from __future__ import annotations

import mmap
import os
import stat
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from builder.binaries.macho import constants as c
from builder.binaries.macho.image import Image
from builder.errors import BinaryError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_THIN_MAGICS: Final = frozenset(
    struct.pack(order + "I", magic) for order in "<>" for magic in (c.MH_MAGIC, c.MH_MAGIC_64)
)
_FAT_MAGICS: Final = frozenset(struct.pack(">I", magic) for magic in (c.FAT_MAGIC, c.FAT_MAGIC_64))
#: Apple ships no file with more than a handful of slices; a bound keeps a wild count from being followed.
_MOST_SLICES: Final = 42
#: `major_version` of Java class files, which share the magic 0xCAFEBABE: JDK 1.0.2 is 45.
_JAVA_MAJORS: Final = range(45, 256)


@dataclass(frozen=True, kw_only=True)
class Arch:
    """A CPU type and subtype, printed as `lipo` and dyld's messages print it (`arm64`, `arm64e`, `x86_64`)."""

    cputype: int
    cpusubtype: int

    @property
    def name(self) -> str:
        subtype = self.cpusubtype & c.CPU_SUBTYPE_MASK
        match self.cputype:
            case c.CPU_TYPE_ARM64:
                return "arm64e" if subtype == c.CPU_SUBTYPE_ARM64E else "arm64"
            case c.CPU_TYPE_X86_64:
                return "x86_64h" if subtype == c.CPU_SUBTYPE_X86_64_H else "x86_64"
            case c.CPU_TYPE_X86:
                return "i386"
            case c.CPU_TYPE_ARM:
                return "arm"
            case c.CPU_TYPE_ARM64_32:
                return "arm64_32"
            case c.CPU_TYPE_POWERPC:
                return "ppc"
            case c.CPU_TYPE_POWERPC64:
                return "ppc64"
            case _:
                return f"cpu{self.cputype}/{subtype}"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Where one architecture's image lies in a file: bytes `offset` to `offset + size`."""

    arch: Arch
    offset: int
    size: int


def is_mach_o_magic(head: bytes) -> bool:
    """Whether a file whose first four bytes are `head` may be Mach-O (a Java class file may be, too)."""
    return head in _THIN_MAGICS or head in _FAT_MAGICS


class MachOFile:
    """A mapped Mach-O file, thin or universal. A context manager; images die with it.

    `path` is what was opened, `slices` its slices in file order, `size` its bytes. Raises BinaryError for a file that
    begins as Mach-O does and is damaged; `open_mach_o` returns None for one that is something else.
    """

    def __init__(self, path: Path, data: mmap.mmap, slices: tuple[Slice, ...], *, is_fat: bool) -> None:
        self.path = path
        self.data = data
        self.size = len(data)
        self.slices = slices
        self.is_fat = is_fat
        self._images: dict[int, Image] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._images.clear()
        self.data.close()

    @property
    def archs(self) -> tuple[str, ...]:
        return tuple(part.arch.name for part in self.slices)

    def image(self, arch: str | None = None) -> Image | None:
        """The image for a process of architecture `arch` (`arm64`, `x86_64`), or None where no slice fits.

        Without `arch`: the first slice. An `x86_64h` slice serves x86_64; an `arm64e` one does not serve arm64, as dyld
        says (`have 'arm64e', need 'arm64'`; mach-o `GradedArchitectures` of dyld-1378).
        """
        accepted = {None: self.archs, "x86_64": ("x86_64", "x86_64h")}.get(arch, (arch,))
        for part in self.slices:
            if part.arch.name in accepted:
                return self.image_of(part)
        return None

    def image_of(self, part: Slice) -> Image:
        """The image in the slice `part` of this file."""
        if part.offset not in self._images:
            self._images[part.offset] = Image(self.data, part.offset, part.size, path=self.path)
        return self._images[part.offset]


def open_mach_o(path: Path) -> MachOFile | None:
    """Map `path`; None where it is no Mach-O file at all (or a Java class file, whose magic is the same).

    Raises OSError for what cannot be opened, BinaryError for a damaged header. Symlinks are followed; only regular
    files are opened (a fifo would block).
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not is_mach_o_magic(os.pread(descriptor, 4, 0)):
            return None
        data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptor)
    try:
        if data[:4] in _THIN_MAGICS:
            return MachOFile(path, data, (_thin_slice(path, data, 0, len(data)),), is_fat=False)
        slices = _fat_slices(path, data)
    except BaseException:
        data.close()
        raise
    if slices is None:
        data.close()
        return None
    return MachOFile(path, data, slices, is_fat=True)


def _thin_slice(path: Path, data: mmap.mmap, offset: int, size: int) -> Slice:
    magic = data[offset : offset + 4]
    if magic not in _THIN_MAGICS:
        raise BinaryError(f"the slice at offset {offset} holds no Mach-O image", file=path)
    if size < 28:
        raise BinaryError("truncated: no room for a Mach-O header", file=path)
    order = "<" if magic[3] == 0xFE else ">"
    cputype, cpusubtype = struct.unpack_from(order + "II", data, offset + 4)
    return Slice(arch=Arch(cputype=cputype, cpusubtype=cpusubtype), offset=offset, size=size)


def _fat_slices(path: Path, data: mmap.mmap) -> tuple[Slice, ...] | None:
    if len(data) < 8:
        raise BinaryError("truncated: no room for a universal header", file=path)
    magic, count = struct.unpack_from(">II", data, 0)
    if count > _MOST_SLICES:
        if magic == c.FAT_MAGIC and count & 0xFFFF in _JAVA_MAJORS:
            return None
        raise BinaryError(f"a universal header that claims {count} slices", file=path)
    record = struct.Struct(">IIQQII" if magic == c.FAT_MAGIC_64 else ">IIIII")
    if 8 + count * record.size > len(data):
        raise BinaryError(f"truncated: a universal header of {count} slices does not fit into the file", file=path)
    found = []
    for index in range(count):
        offset, size = record.unpack_from(data, 8 + index * record.size)[2:4]
        if offset + size > len(data):
            raise BinaryError(f"truncated: slice {index} ends at {offset + size}, the file at {len(data)}", file=path)
        found.append(_thin_slice(path, data, offset, size))
    if not found:
        raise BinaryError("a universal header without slices", file=path)
    return tuple(found)
