"""Damaged files: whatever is in them, the readers raise what they promise, and never hang or take much memory."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.binaries.reading import read_an_elf_file, read_mach_o

MACH_O = Path(__file__).parents[2] / "data" / "macho"
ELF = Path(__file__).parents[2] / "data" / "elf"
MACH_O_SEEDS = [
    "libgreet-arm64.dylib",
    "libgreet-fat64.dylib",
    "module.so",
    "chained-arm64.so",
    "libgreet-x86_64.dylib",
]
ELF_SEEDS = ["module-x86_64.so", "libhost-aarch64.so"]
#: Where the structure is: headers and load commands, then whatever they point at near the end of the file.
STRUCTURE = 4096
FAT = struct.pack(">II", 0xCAFEBABE, 2**31) + bytes(64)
COMMANDS = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0)
BEYOND = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, 1, 24, 0, 0) + struct.pack(
    "<6I", 2, 24, 0xFFFFFFF0, 2**31, 0, 0
)


def mutated(original: bytes, data: st.DataObject) -> bytes:
    """Bytes changed anywhere, and the file cut."""
    content = bytearray(original)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, STRUCTURE) | st.integers(0, len(content) - 1))
        value = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]))
        wide = value > 0xFF
        if place + 4 < len(content):
            content[place : place + (4 if wide else 1)] = struct.pack("<I", value) if wide else bytes([value])
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    return bytes(content)


@settings(max_examples=250, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_mach_o_files(tmp_path: Path, data: st.DataObject) -> None:
    """Bytes changed, cut or doubled anywhere in real files."""
    path = tmp_path / "mutated.dylib"
    path.write_bytes(mutated((MACH_O / data.draw(st.sampled_from(MACH_O_SEEDS))).read_bytes(), data))
    read_mach_o(path)


@settings(max_examples=100, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200),
    magic=st.sampled_from([b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce"]),
)
def test_noise_behind_a_magic(tmp_path: Path, content: bytes, magic: bytes) -> None:
    path = tmp_path / "noise"
    path.write_bytes(magic + content)
    read_mach_o(path)


@pytest.mark.parametrize("path", sorted((MACH_O / "fuzz").glob("*")), ids=lambda path: path.name)
def test_mach_o_corpus(path: Path) -> None:
    """Inputs that once broke the reader."""
    read_mach_o(path)


@settings(max_examples=250, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_elf_files(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "mutated.so"
    path.write_bytes(mutated((ELF / data.draw(st.sampled_from(ELF_SEEDS))).read_bytes(), data))
    read_an_elf_file(path)


@pytest.mark.parametrize("path", sorted((ELF / "fuzz").glob("*")), ids=lambda path: path.name)
def test_elf_corpus(path: Path) -> None:
    """Small inputs that reach far into the reader."""
    read_an_elf_file(path)


def test_wild_counts_allocate_nothing(tmp_path: Path) -> None:
    path = tmp_path / "wild"
    tracemalloc.start()
    for content in (FAT, COMMANDS, BEYOND):
        path.write_bytes(content)
        read_mach_o(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
