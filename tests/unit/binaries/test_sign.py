"""Ad-hoc signatures: verified, and made right again after an edit in place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from builder.binaries.macho.sign import resign_adhoc
from builder.binaries.macho.signature import verify_signature
from builder.errors import BinaryError

DATA = Path(__file__).parents[2] / "data" / "macho"
PLACEHOLDER = b"/opt/placeholder_placeholder_placeholder_placeholder"


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copy(DATA / name, folder / name))


def replace_prefix(path: Path) -> None:
    data = path.read_bytes()
    assert PLACEHOLDER in data
    path.write_bytes(data.replace(PLACEHOLDER, b"/home/me/envs/tf".ljust(len(PLACEHOLDER), b"\0")))


@pytest.mark.parametrize("name", ["libgreet-arm64.dylib", "libgreet-universal2.dylib", "libgreet-fat64.dylib"])
def test_linker_signature_holds(name: str) -> None:
    """A wrong page size, limit or slice offset would call the linker's own signature broken."""
    (verdict,) = [found for found in verify_signature(DATA / name) if found.arch == "arm64"]
    assert verdict.ok
    assert verdict.adhoc
    assert verdict.pages > 1


@pytest.mark.parametrize("name", ["libgreet-arm64.dylib", "libgreet-universal2.dylib", "libgreet-fat64.dylib"])
def test_prefix_replacement_breaks_the_signature_and_resigning_mends_it(name: str, tmp_path: Path) -> None:
    """Without re-signing, the kernel kills every process that maps the file (`zsh: killed`)."""
    path = copied(name, tmp_path)
    replace_prefix(path)
    (broken,) = [found for found in verify_signature(path) if found.arch == "arm64"]
    assert (broken.ok, broken.wrong_count) == (False, 1)
    size = path.stat().st_size
    (done,) = [found for found in resign_adhoc(path) if found.arch == "arm64"]
    assert (done.action, done.pages) == ("rehashed", 1)
    assert path.stat().st_size == size
    (mended,) = [found for found in verify_signature(path) if found.arch == "arm64"]
    assert mended.ok


def test_resigning_an_untouched_file_changes_nothing(tmp_path: Path) -> None:
    """Re-signing must keep every byte of a signature that is right."""
    path = copied("libgreet-arm64.dylib", tmp_path)
    before = path.read_bytes()
    assert [found.pages for found in resign_adhoc(path)] == [0]
    assert path.read_bytes() == before


def test_intel_slice_needs_no_signature(tmp_path: Path) -> None:
    """An unsigned Intel file is left alone, not refused."""
    path = copied("libgreet-x86_64.dylib", tmp_path)
    before = path.read_bytes()
    assert [found.action for found in resign_adhoc(path)] == ["unsigned"]
    assert path.read_bytes() == before


def test_unsigned_arm64_is_refused(tmp_path: Path) -> None:
    """There is no signature to repair: saying 'done' would leave a file that the kernel kills."""
    path = copied("libgreet-arm64.dylib", tmp_path)
    data = bytearray(path.read_bytes())
    at = data.index(bytes((0x1D, 0, 0, 0, 0x10, 0, 0, 0)))
    data[at] = 0x7F  # LC_CODE_SIGNATURE becomes a command that nobody knows
    path.write_bytes(data)
    with pytest.raises(BinaryError, match="no code signature"):
        resign_adhoc(path)
    assert path.read_bytes() == data


def test_what_is_not_mach_o_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("#!/bin/sh\n")
    with pytest.raises(BinaryError, match="not a Mach-O file"):
        resign_adhoc(path)
