"""ELF files of Linux prefixes: one file as the loader reads it, and how the files of a prefix find each other."""

from builder.binaries.elf.file import ElfFile, Needs, Symbol, open_elf
from builder.binaries.elf.floor import ElfFloor, lowest_glibc
from builder.binaries.elf.symbols import ElfSymbols, MissingSymbol, MissingVersion, UndecidedSymbol
from builder.binaries.elf.tree import ElfBinary, ElfMissing, ElfTree, host_folders, read_elf, usual_machine

__all__ = [
    "ElfBinary",
    "ElfFile",
    "ElfFloor",
    "ElfMissing",
    "ElfSymbols",
    "ElfTree",
    "MissingSymbol",
    "MissingVersion",
    "Needs",
    "Symbol",
    "UndecidedSymbol",
    "host_folders",
    "lowest_glibc",
    "open_elf",
    "read_elf",
    "usual_machine",
]
