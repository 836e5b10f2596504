"""Numbers of the Mach-O format, under the names Apple's headers give them.

Sources: `mach-o/loader.h`, `mach-o/fat.h`, `mach-o/nlist.h`, `mach-o/fixup-chains.h` of apple-oss-distributions/xnu and
/dyld (dyld-1378), `kern/cs_blobs.h` of xnu.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

FAT_MAGIC: Final = 0xCAFEBABE
FAT_MAGIC_64: Final = 0xCAFEBABF
MH_MAGIC: Final = 0xFEEDFACE
MH_MAGIC_64: Final = 0xFEEDFACF

CPU_ARCH_ABI64: Final = 0x01000000
CPU_TYPE_X86: Final = 7
CPU_TYPE_ARM: Final = 12
CPU_TYPE_X86_64: Final = CPU_TYPE_X86 | CPU_ARCH_ABI64
CPU_TYPE_ARM64: Final = CPU_TYPE_ARM | CPU_ARCH_ABI64
CPU_TYPE_ARM64_32: Final = CPU_TYPE_ARM | 0x02000000
CPU_TYPE_POWERPC: Final = 18
CPU_TYPE_POWERPC64: Final = CPU_TYPE_POWERPC | CPU_ARCH_ABI64
CPU_SUBTYPE_MASK: Final = 0x00FFFFFF
CPU_SUBTYPE_X86_64_H: Final = 8
CPU_SUBTYPE_ARM64E: Final = 2


class FileType(IntEnum):
    """`mach_header.filetype`, those that dyld loads."""

    EXECUTE = 0x2
    DYLIB = 0x6
    DYLINKER = 0x7
    BUNDLE = 0x8


MH_TWOLEVEL: Final = 0x80

LC_SEGMENT: Final = 0x1
LC_SYMTAB: Final = 0x2
LC_DYSYMTAB: Final = 0xB
LC_LOAD_DYLIB: Final = 0xC
LC_ID_DYLIB: Final = 0xD
LC_LOAD_WEAK_DYLIB: Final = 0x80000018
LC_SEGMENT_64: Final = 0x19
LC_UUID: Final = 0x1B
LC_RPATH: Final = 0x8000001C
LC_CODE_SIGNATURE: Final = 0x1D
LC_REEXPORT_DYLIB: Final = 0x8000001F
LC_LAZY_LOAD_DYLIB: Final = 0x20
LC_DYLD_INFO: Final = 0x22
LC_DYLD_INFO_ONLY: Final = 0x80000022
LC_LOAD_UPWARD_DYLIB: Final = 0x80000023
LC_VERSION_MIN_MACOSX: Final = 0x24
LC_BUILD_VERSION: Final = 0x32
LC_DYLD_EXPORTS_TRIE: Final = 0x80000033
LC_DYLD_CHAINED_FIXUPS: Final = 0x80000034

#: `dylib_use_command.marker`, where `dylib.timestamp` would be: the command carries flags (macOS 15 SDK).
DYLIB_USE_MARKER: Final = 0x1A741800
DYLIB_USE_WEAK_LINK: Final = 0x1
DYLIB_USE_REEXPORT: Final = 0x2

PLATFORM_MACOS: Final = 1

N_STAB: Final = 0xE0
N_TYPE: Final = 0x0E
N_EXT: Final = 0x01
N_UNDF: Final = 0x0
N_WEAK_REF: Final = 0x40

#: Library ordinals that name no library (`mach-o/loader.h`, BIND_SPECIAL_DYLIB_*).
ORDINAL_SELF: Final = 0
ORDINAL_MAIN_EXECUTABLE: Final = -1
ORDINAL_FLAT: Final = -2
ORDINAL_WEAK: Final = -3

BIND_SYMBOL_FLAGS_WEAK_IMPORT: Final = 0x1

EXPORT_SYMBOL_FLAGS_KIND_MASK: Final = 0x03
EXPORT_SYMBOL_FLAGS_WEAK_DEFINITION: Final = 0x04
EXPORT_SYMBOL_FLAGS_REEXPORT: Final = 0x08


class ExportKind(IntEnum):
    """EXPORT_SYMBOL_FLAGS_KIND_*."""

    REGULAR = 0
    THREAD_LOCAL = 1
    ABSOLUTE = 2


CSMAGIC_CODEDIRECTORY: Final = 0xFADE0C02
CSMAGIC_EMBEDDED_SIGNATURE: Final = 0xFADE0CC0
CSSLOT_CODEDIRECTORY: Final = 0
CSSLOT_ALTERNATE_CODEDIRECTORIES: Final = 0x1000
CSSLOT_ALTERNATE_CODEDIRECTORY_LIMIT: Final = 0x1005
CSSLOT_SIGNATURESLOT: Final = 0x10000
CS_ADHOC: Final = 0x2
CS_EXECSEG_MAIN_BINARY: Final = 0x1
