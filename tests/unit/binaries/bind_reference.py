"""A plain decoder of bind opcodes, one opcode at a time as dyld's own (`MachOLoaded::forEachBind` in dyld-1378).

The reader steps over them with one regular expression, for speed; this one is slow, obvious and its reference.
"""

from __future__ import annotations

from builder.binaries.macho import Import


def uleb(program: bytes, position: int) -> tuple[int, int]:
    """The number at `position` and what follows it. ValueError where it has no end within ten bytes."""
    for length in range(1, 11):
        if position + length > len(program):
            break
        if program[position + length - 1] < 0x80:
            digits = program[position : position + length]
            return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(digits)), position + length
    raise ValueError("a number without an end")


def decode(program: bytes, *, lazy: bool) -> list[Import]:
    """Every (symbol, ordinal, weak) that the program binds, in order, repeated ones once. ValueError where it is wrong.

    A count of zero (BIND_TIMES) binds as one does, because the reader does not look at counts; no linker writes it.
    """
    found: list[Import] = []
    name, ordinal, weak = b"", 0, False
    position = 0
    while position < len(program):
        opcode, immediate = program[position] & 0xF0, program[position] & 0x0F
        position += 1
        match opcode:
            case 0x00:
                if not lazy:
                    break
            case 0x10:
                ordinal = immediate
            case 0x20:
                ordinal, position = uleb(program, position)
            case 0x30:
                ordinal = immediate - 16 if immediate else 0
            case 0x40:
                end = program.index(b"\0", position)
                name, weak, position = program[position:end], bool(immediate & 1), end + 1
            case 0x50:
                pass
            case 0x60 | 0x70 | 0x80:
                _, position = uleb(program, position)
            case 0x90 | 0xB0:
                found.append(Import(name, ordinal, weak, lazy))
            case 0xA0:
                _, position = uleb(program, position)
                found.append(Import(name, ordinal, weak, lazy))
            case 0xC0:
                _, position = uleb(program, position)
                _, position = uleb(program, position)
                found.append(Import(name, ordinal, weak, lazy))
            case 0xD0 if immediate == 0:  # the number of symbols of a threaded program; each is then bound
                _, position = uleb(program, position)
            case 0xD0 if immediate == 1:  # the pointers of a threaded program, which name the symbols by number
                pass
            case _:
                raise ValueError(f"opcode {opcode | immediate:#x}")
    return list(dict.fromkeys(found))
