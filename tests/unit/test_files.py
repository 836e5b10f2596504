"""Files are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.errors import BuildError, UsageError
from builder.files import atomically, read_ordinary, write_atomically


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


def test_never_through_a_link_unless_asked(tmp_path: Path) -> None:
    """What a link leads to may be anybody's: a recipe's folder can come from a stranger's repository."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    link = tmp_path / "environment.yml"
    link.symlink_to(precious)
    with pytest.raises(BuildError, match="it is a symbolic link") as caught:
        write_atomically(link, "theirs")
    assert precious.read_text() == "mine"
    assert f"rm {link}" in (caught.value.hint or "")
    write_atomically(link, "by my leave", follow_links=True)
    assert precious.read_text() == "by my leave"
    assert link.is_symlink()


def test_devices_and_pipes_are_not_replaced(tmp_path: Path) -> None:
    write_atomically(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BuildError, match="it is a pipe"):
        write_atomically(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo()


def test_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def write() -> None:
        with atomically(tmp_path / "file") as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_reads_ordinary_files_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert read_ordinary(tmp_path / "file", limit=5, error=UsageError) == b"12345"
    for name, why in (
        ("file", "larger than 4 bytes"),
        ("pipe", "a pipe, not a regular file"),
        ("folder", "Is a directory"),
        ("gone", "No such file"),
    ):
        with pytest.raises(UsageError, match=why):
            read_ordinary(tmp_path / name, limit=4, error=UsageError)
    with pytest.raises(UsageError, match="a device"):
        read_ordinary(Path("/dev/zero"), limit=5, error=UsageError)
