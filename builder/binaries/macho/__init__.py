"""Reading Mach-O files on any machine, and keeping their ad-hoc signatures right.

    >>> with open_mach_o(path) as file:                  # None for what is no Mach-O file
    ...     image = file.image("arm64")                  # None where no slice serves arm64
    ...     image.commands.dylibs                        # (Dylib(name="@rpath/libfoo.dylib", weak=False, …), …)
    ...     image.imports                                # (Import(name=b"_malloc", ordinal=3, weak=False, …), …)
    ...     image.exported([b"_malloc", b"_PyInit_x"])   # {b"_PyInit_x": Export(…)}: walks the trie, never lists it

Symbols are bytes, as in the file, with the leading underscore. An import's `ordinal` counts `commands.dylibs` from 1;
zero and below are the special ones of `builder.binaries.macho.constants`. Damaged files raise `BinaryError`, never
anything else; sizes and counts found in a file are never believed before they are compared with the file's own.

This package knows single files. How dyld finds one file from another is `builder.binaries.dyld`'s business.
"""

from builder.binaries.macho.commands import Commands, Dylib
from builder.binaries.macho.exports import Export
from builder.binaries.macho.file import Arch, MachOFile, Slice, is_mach_o_magic, open_mach_o
from builder.binaries.macho.image import Image
from builder.binaries.macho.imports import Import
from builder.binaries.macho.sign import Resigned, resign_adhoc
from builder.binaries.macho.signature import SliceVerdict, verify_signature

__all__ = [
    "Arch",
    "Commands",
    "Dylib",
    "Export",
    "Image",
    "Import",
    "MachOFile",
    "Resigned",
    "Slice",
    "SliceVerdict",
    "is_mach_o_magic",
    "open_mach_o",
    "resign_adhoc",
    "verify_signature",
]
