"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.errors import BuildError
from builder.files import write_atomically


def test_replaces(tmp_path: Path) -> None:
    file = tmp_path / "new" / "folder" / "file.txt"
    write_atomically(file, "one\n")
    write_atomically(file, "two é\n")
    assert file.read_bytes() == "two é\n".encode()
    assert [path.name for path in file.parent.iterdir()] == ["file.txt"]


def test_mode_follows_the_umask(tmp_path: Path) -> None:
    """A temporary file is private; what a team reads must not be."""
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", "x")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_failure_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    file = tmp_path / "file"
    write_atomically(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", full) if failing == "fsync" else (Path, "replace", full)))
    with pytest.raises(BuildError, match="No space left") as caught:
        write_atomically(file, "new")
    assert caught.value.hint
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("place", ["/proc/nowhere/file", "/dev/null/file"])
def test_place_that_is_not_writable(place: str) -> None:
    with pytest.raises(BuildError, match="cannot write"):
        write_atomically(Path(place), "x")


def test_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(BuildError):
        write_atomically(tmp_path / "file", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
