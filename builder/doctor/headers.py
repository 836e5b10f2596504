"""What a binary is, from its first bytes: its architectures and its system. A damaged body is not judged here."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

from builder.binaries.macho import constants as macho
from builder.binaries.macho.file import Arch, is_mach_o_magic
from builder.platforms import Subdir

if TYPE_CHECKING:
    from pathlib import Path

    from builder.doctor.disk import Disk

#: An interpreter's launcher is tens of kilobytes at least (Homebrew's and python.org's framework stubs are the least).
SMALLEST_INTERPRETER: Final = 4096
_ELF_MACHINES: Final = {62: "x86_64", 183: "aarch64", 3: "i686", 40: "arm"}
_SUBDIR_ARCH: Final = {
    "osx-arm64": "arm64",
    "osx-64": "x86_64",
    "linux-64": "x86_64",
    "linux-aarch64": "aarch64",
}


def architectures(disk: Disk, path: Path) -> tuple[str, ...]:
    """The architectures of a Mach-O or ELF file, from its header alone; none for another file."""
    head = disk.head(path, 4096)
    if len(head) >= 20 and head[:4] == b"\x7fELF":
        machine = _ELF_MACHINES.get(struct.unpack_from("<H" if head[5] == 1 else ">H", head, 18)[0])
        return (machine,) if machine else ()
    if len(head) < 12 or not is_mach_o_magic(head[:4]):
        return ()
    (magic,) = struct.unpack_from(">I", head)
    if magic not in (macho.FAT_MAGIC, macho.FAT_MAGIC_64):
        cputype, subtype = struct.unpack_from("<II" if head[3] == 0xFE else ">II", head, 4)
        return (Arch(cputype=cputype, cpusubtype=subtype).name,)
    size = 32 if magic == macho.FAT_MAGIC_64 else 20
    (count,) = struct.unpack_from(">I", head, 4)
    names = []
    for index in range(min(count, (len(head) - 8) // size, 8)):
        cputype, subtype = struct.unpack_from(">II", head, 8 + index * size)
        names.append(Arch(cputype=cputype, cpusubtype=subtype).name)
    return tuple(dict.fromkeys(names))


def platform(arch: str | None, *, is_mac: bool) -> Subdir | None:
    """conda's platform of a program of one architecture; None where it has several, or conda has none for it."""
    system = "osx" if is_mac else "linux"
    return next((Subdir(name) for name, own in _SUBDIR_ARCH.items() if own == arch and name.startswith(system)), None)


def system_of(disk: Disk, path: Path) -> str | None:
    """`macOS`, `Linux`, or None for a file that is no binary."""
    head = disk.head(path, 4)
    if head == b"\x7fELF":
        return "Linux"
    return "macOS" if is_mach_o_magic(head) else None


def by_name(real: Path, subdir: str | None) -> tuple[str, ...]:
    """The architecture where no header can be read: conda's platform, or what the path says."""
    if subdir in _SUBDIR_ARCH:
        return (_SUBDIR_ARCH[subdir],)
    if found := re.search(r"cpython-[\d.]+-(macos|linux)-(aarch64|x86_64)", str(real)):
        return ("arm64" if found[1] == "macos" and found[2] == "aarch64" else found[2],)
    if str(real).startswith("/opt/homebrew/"):
        return ("arm64",)
    if str(real).startswith(("/usr/local/Cellar/", "/usr/local/opt/")):
        return ("x86_64",)
    return ()
