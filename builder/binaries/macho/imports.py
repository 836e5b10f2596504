"""What an image imports: every symbol that dyld will bind, with the library it must come from.

dyld reads one of two forms: chained fixups, whose import table lists each symbol once (`mach-o/fixup-chains.h`), or
bind opcodes, a small program that names a symbol for every pointer (`mach-o/loader.h`, BIND_OPCODE_*). Images older
than both have only the symbol table.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from builder.binaries.macho import constants as c
from builder.binaries.macho.exports import symbols, uleb128
from builder.errors import BinaryError

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator
    from pathlib import Path

    from builder.binaries.macho.commands import Commands


class Import(NamedTuple):
    """One symbol to bind.

    `ordinal` > 0: the library at that place of `Commands.dylibs`, counted from 1. Otherwise `ORDINAL_SELF`,
    `ORDINAL_MAIN_EXECUTABLE`, `ORDINAL_FLAT` (flat or dynamic lookup: any loaded image that is not hidden) or
    `ORDINAL_WEAK` (C++ coalescing). `weak`: may be missing. `lazy`: in the lazy table of bind opcodes; dyld defers
    these only without RTLD_NOW, and Python always asks for RTLD_NOW (dyld-1378, JustInTimeLoader.cpp
    `allowLazyBinds`).
    """

    name: bytes
    ordinal: int
    weak: bool
    lazy: bool = False


_ULEB: Final = rb"[\x80-\xff]{0,9}[\x00-\x7f]"
_PLACE: Final = rb"[\x50-\x5f]|[\x60-\x8f]" + _ULEB + rb"|\xd0" + _ULEB + rb"|\xd1"
_BIND: Final = rb"[\x90-\x9f\xb0-\xbf]|[\xa0-\xaf]" + _ULEB + rb"|[\xc0-\xcf]" + _ULEB * 2
#: One step of a bind program: at most a library ordinal, a symbol, an ordinal again, a run of binds and an end, so that
#: most symbols take one match. Opcodes about types, addends and places are stepped over in C; the possessive `*+` keeps
#: any input from making the match backtrack. Groups: ordinal opcode, its number, symbol opcode, symbol, ordinal opcode,
#: its number, binds, end.
_ORDINAL: Final = rb"([\x10-\x1f\x30-\x3f]|[\x20-\x2f](%b))" % _ULEB
_STEP: Final = re.compile(
    rb"(?:%b)*+(?:%b(?:%b)*+)?(?:([\x40-\x4f])([^\0]*)\0(?:%b)*+)?(?:%b(?:%b)*+)?((?:%b)(?:%b|%b)*+)?([\x00-\x0f])?"
    % (_PLACE, _ORDINAL, _PLACE, _PLACE, _ORDINAL, _PLACE, _BIND, _BIND, _PLACE),
    re.DOTALL,
)


def read_imports(data: mmap.mmap, base: int, commands: Commands, *, path: Path) -> tuple[Import, ...]:
    """The imports of the image at `base`, each (symbol, library) once. Raises BinaryError for damaged tables."""
    try:
        if commands.chained_fixups:
            return tuple(dict.fromkeys(_chained(data, base, commands)))
        if commands.has_dyld_info:
            found: dict[tuple[bytes, int], Import] = {}
            for span, lazy in ((commands.bind, False), (commands.lazy_bind, True)):
                for item in decode_bind_program(data[base + span.offset : base + span.offset + span.size], lazy=lazy):
                    known = found.get(item[:2])
                    if known is None or (known.weak and not item.weak):
                        found[item[:2]] = item
            return tuple(found.values())
        return tuple(dict.fromkeys(_symbol_table(data, base, commands, path)))
    except (struct.error, IndexError, ValueError, zlib.error) as error:
        raise BinaryError(f"damaged import tables: {error}", file=path) from error


def _chained(data: mmap.mmap, base: int, commands: Commands) -> Iterator[Import]:
    span = commands.chained_fixups
    blob = data[base + span.offset : base + span.offset + span.size]
    order = "<" if commands.little_endian else ">"
    version, _, imports, names, count, shape, compressed = struct.unpack_from(order + "7I", blob, 0)
    if version != 0 or compressed > 1 or shape not in (1, 2, 3):
        raise ValueError(f"chained fixups of version {version}, imports format {shape}")
    strings = _inflated(blob[names:]) if compressed else blob[names:]
    width = (4, 8, 16)[shape - 1]
    if imports + count * width > len(blob):
        raise ValueError(f"{count} chained imports do not fit")
    table = blob[imports : imports + count * width]
    for packed, *_ in struct.iter_unpack(order + ("I", "Ii", "QQ")[shape - 1], table):
        if shape == 3:  # DYLD_CHAINED_IMPORT_ADDEND64
            ordinal, weak, at = packed & 0xFFFF, packed >> 16 & 1, packed >> 32
            ordinal = ordinal - 0x10000 if ordinal > 0xFFF0 else ordinal
        else:
            ordinal, weak, at = packed & 0xFF, packed >> 8 & 1, packed >> 9
            ordinal = ordinal - 0x100 if ordinal > 0xF0 else ordinal
        end = strings.find(b"\0", at)
        if end < 0:
            raise ValueError("a name lies outside the symbol strings")
        yield Import(strings[at:end], ordinal, bool(weak))


def _inflated(packed: bytes) -> bytes:
    """zlib-compressed symbol strings; more than 64 MB of names is refused."""
    limit = 64 << 20
    inflated = zlib.decompressobj().decompress(packed, limit)
    if len(inflated) == limit:
        raise ValueError("symbol strings of more than 64 MB")
    return inflated


def decode_bind_program(program: bytes, *, lazy: bool) -> Iterator[Import]:
    """Each symbol as it is bound; the library may be set before the symbol (Apple's linker) or after it (zig's)."""
    ordinal = position = 0
    name, weak = b"", False
    match = _STEP.match
    while position < len(program):
        step = match(program, position)
        if step is None or step.end() == position:
            raise ValueError(f"no bind opcode at {position}")
        position = step.end()
        before, before_number, flags, symbol, after, after_number, binds, done = step.groups()
        if before is not None:
            ordinal = _ordinal(before, before_number)
        if flags is not None:
            name, weak = symbol, bool(flags[0] & c.BIND_SYMBOL_FLAGS_WEAK_IMPORT)
        if after is not None:
            ordinal = _ordinal(after, after_number)
        if binds is not None:
            yield Import(name, ordinal, weak, lazy)
        if done is not None and not lazy:
            return


def _ordinal(opcode: bytes, number: bytes | None) -> int:
    if number is not None:
        return uleb128(number, 0)[0]
    value = opcode[0] & 0x0F
    return value - 16 if opcode[0] & 0xF0 == 0x30 and value else value  # 0x30: sign-extended


def _symbol_table(data: mmap.mmap, base: int, commands: Commands, path: Path) -> Iterator[Import]:
    tables = commands.tables
    if tables is None:
        return
    first, count = tables.undefined or (0, tables.count)
    for name, kind, description, value in symbols(data, base, commands, first=first, count=count, path=path):
        if kind & c.N_STAB or kind & c.N_TYPE != c.N_UNDF or not kind & c.N_EXT or value:
            continue  # a value makes it a common symbol: defined here
        ordinal = description >> 8 & 0xFF
        if not commands.two_level:
            ordinal = c.ORDINAL_FLAT
        elif ordinal in (0xFE, 0xFF):
            ordinal -= 0x100
        yield Import(name, ordinal, bool(description & c.N_WEAK_REF))
