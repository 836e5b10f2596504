"""Bind programs: the reader's regular expression against a plain decoder, on real ones and on any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.binaries.macho import Import, open_mach_o
from builder.binaries.macho.imports import decode_bind_program
from tests.unit.binaries import bind_reference

DATA = Path(__file__).parents[2] / "data" / "macho"


def encoded(number: int) -> bytes:
    """ULEB128."""
    digits = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        digits.append(low | (0x80 if number else 0))
        if not number:
            return bytes(digits)


NUMBERS = st.integers(0, 2**40).map(encoded)
IMMEDIATES = st.integers(0, 15)
NAMES = st.binary(max_size=12).map(lambda name: name.replace(b"\0", b"_") + b"\0")


def with_immediate(opcode: int) -> st.SearchStrategy[bytes]:
    return IMMEDIATES.map(lambda immediate: bytes([opcode | immediate]))


OPCODES = st.one_of(
    with_immediate(0x10),
    st.tuples(with_immediate(0x20), st.integers(0, 300).map(encoded)).map(b"".join),
    with_immediate(0x30),
    st.tuples(with_immediate(0x40), NAMES).map(b"".join),
    with_immediate(0x50),
    st.tuples(st.sampled_from([b"\x60", b"\x70", b"\x72", b"\x80"]), NUMBERS).map(b"".join),
    with_immediate(0x90),
    st.tuples(with_immediate(0xA0), NUMBERS).map(b"".join),
    with_immediate(0xB0),
    st.tuples(with_immediate(0xC0), st.integers(1, 2**20).map(encoded), NUMBERS).map(b"".join),
    st.tuples(st.just(b"\xd0"), NUMBERS).map(b"".join),
    st.just(b"\xd1"),
    with_immediate(0x00),
)


def ours(program: bytes, *, lazy: bool) -> list[Import] | None:
    """None where the reader refuses the program."""
    try:
        return list(dict.fromkeys(decode_bind_program(program, lazy=lazy)))
    except (ValueError, IndexError):
        return None


def theirs(program: bytes, *, lazy: bool) -> list[Import] | None:
    try:
        return bind_reference.decode(program, lazy=lazy)
    except ValueError:
        return None


@settings(max_examples=1500, deadline=None)
@given(opcodes=st.lists(OPCODES, max_size=40), lazy=st.booleans())
def test_generated_programs(opcodes: list[bytes], lazy: bool) -> None:
    """Well-formed opcodes in any order: ordinals before the symbol (Apple's linker), after it (zig's), or neither."""
    program = b"".join(opcodes)
    expected = bind_reference.decode(program, lazy=lazy)
    assert ours(program, lazy=lazy) == expected


@settings(max_examples=1500, deadline=None)
@given(program=st.binary(max_size=60), lazy=st.booleans())
def test_noise(program: bytes, lazy: bool) -> None:
    """What is no program is refused by both, and what happens to be one is read alike."""
    assert ours(program, lazy=lazy) == theirs(program, lazy=lazy)


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*") if path.suffix in (".so", ".dylib")))
def test_programs_of_the_fixtures(name: str) -> None:
    for program, lazy in programs(DATA / name):
        assert ours(program, lazy=lazy) == bind_reference.decode(program, lazy=lazy)


def programs(path: Path) -> list[tuple[bytes, bool]]:
    """The bind programs of every slice of a Mach-O file, each with whether it is the lazy one."""
    opened = open_mach_o(path)
    if opened is None:
        return []
    with opened as file:
        return [
            (file.data[part.offset + span.offset : part.offset + span.offset + span.size], lazy)
            for part in file.slices
            for commands in [file.image_of(part).commands]
            for span, lazy in ((commands.bind, False), (commands.lazy_bind, True))
            if span
        ]
