"""Reading Mach-O files on any machine, and keeping their ad-hoc signatures right."""

from builder.macho.file import Arch, MachOFile, Slice, is_mach_o_magic, open_mach_o
from builder.macho.sign import Resigned, resign_adhoc
from builder.macho.signature import SliceVerdict, verify_signature

__all__ = [
    "Arch",
    "MachOFile",
    "Resigned",
    "Slice",
    "SliceVerdict",
    "is_mach_o_magic",
    "open_mach_o",
    "resign_adhoc",
    "verify_signature",
]
