"""Bad input: every damaged file gives a finding or is passed over; never a traceback, a hang or a large allocation."""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.binaries.macho import open_mach_o
from builder.finding import Status
from tests.unit.checks.trees import ON_MACS, guest, verified

if TYPE_CHECKING:
    from pathlib import Path

#: Where the structure is: headers and load commands, then whatever the commands point at near the end of the file.
STRUCTURE = 4096


FAT = struct.pack(">II", 0xCAFEBABE, 2**31) + bytes(64)
JAVA = struct.pack(">IHH", 0xCAFEBABE, 0, 65) + bytes(64)
COMMANDS = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0)
BEYOND = struct.pack("<8I", 0xFEEDFACF, 0x0100000C, 0, 6, 1, 24, 0, 0) + struct.pack(
    "<6I", 2, 24, 0xFFFFFFF0, 2**31, 0, 0
)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", Status.PASS),
        (b"\xcf\xfa\xed\xfe", Status.FAIL),
        (FAT, Status.FAIL),
        (JAVA, Status.PASS),
        (COMMANDS, Status.FAIL),
        (BEYOND, Status.FAIL),
        (b"\x7fELF\x02\x01\x01" + bytes(20), Status.PASS),
    ],
    ids=["empty", "four bytes", "2^31 slices", "Java class", "absurd commands", "absurd offsets", "ELF on a Mac"],
)
def test_damaged_file_in_a_prefix(tmp_path: Path, content: bytes, status: Status) -> None:
    """One bad file must not hide the rest, nor be silently taken for good."""
    guest(tmp_path)
    (tmp_path / "guest" / "bad.so").write_bytes(content)
    found = verified(tmp_path)
    assert found["arch.binary"][0].status is status
    assert found["link.symbols"][0].status is Status.PASS


def test_damaged_symbols_become_a_finding(tmp_path: Path) -> None:
    """Import tables that point nowhere: reported with the file, and the other files are still looked at."""
    guest(tmp_path)
    module = tmp_path / "guest" / "module.so"
    data = bytearray(module.read_bytes())
    opened = open_mach_o(module)
    assert opened is not None
    with opened as file:
        image = file.image()
        assert image is not None
        span = image.commands.lazy_bind
    data[span.offset : span.offset + span.size] = b"\xf0" * span.size
    module.write_bytes(data)
    finding = verified(tmp_path)["link.symbols"][0]
    assert finding.status is Status.FAIL
    assert finding.title == "The symbols of guest/module.so cannot be read."


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_binary_in_a_prefix(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever one file holds, every check answers."""
    tree = tmp_path / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    guest(tree)
    victim = tree / data.draw(st.sampled_from(["guest/module.so", "host/libhost.dylib"]))
    content = bytearray(victim.read_bytes())
    place = data.draw(st.integers(0, STRUCTURE // 2) | st.integers(32_768, len(content) - 8))
    content[place : place + 4] = data.draw(st.binary(min_size=4, max_size=4))
    victim.write_bytes(content)
    assert set(verified(tree)) == ON_MACS


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=300)
    | st.sampled_from(['"', "a,b,c\n" * 3, "../../../etc/passwd,sha256=AAAA,1\n", "x," + "y" * 140_000]),
    record=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "_path", "paths"]), inner),
        max_leaves=8,
    ),
)
def test_hostile_metadata(tmp_path: Path, text: str, record: object) -> None:
    """RECORD, METADATA, WHEEL and conda records are input like any other: no traceback, and nothing outside is read."""
    tree = tmp_path / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    guest(tree)
    info = tree / "guest-1.0.dist-info"
    (info / "RECORD").write_text(text, encoding="utf-8", errors="surrogatepass")
    (info / "WHEEL").write_text(text, encoding="utf-8", errors="surrogatepass")
    with (info / "METADATA").open("r+", encoding="utf-8", errors="surrogatepass") as metadata:
        head = metadata.read().partition("\n\n")[0]
        metadata.seek(0)
        metadata.write(f"{head}\nRequires-Dist: {text}\n")
    (tree / "conda-meta").mkdir()
    whole = {"name": "a", "version": "1", "subdir": "osx-arm64", "files": record, "paths_data": {"paths": record}}
    (tree / "conda-meta" / "a.json").write_text(json.dumps(whole))
    (tree / "conda-meta" / "b.json").write_text(json.dumps(record))
    assert set(verified(tree)) == ON_MACS
