"""`~/.conda/environments.txt`: one line a prefix, and nobody else's lines are lost."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.environment.register import register, unregister


def test_one_line(tmp_path: Path) -> None:
    for _ in range(2):
        assert register(Path("/envs/a"), file=tmp_path / ".conda" / "environments.txt") is None
    assert register(Path("/envs/b"), file=tmp_path / ".conda" / "environments.txt") is None
    assert (tmp_path / ".conda" / "environments.txt").read_text() == "/envs/a\n/envs/b\n"


def test_other_lines_stay(tmp_path: Path) -> None:
    """In whatever encoding, with or without a newline at the end, stale or not."""
    listed = tmp_path / ".conda" / "environments.txt"
    listed.parent.mkdir()
    listed.write_bytes(b"/gone\n/caf\xe9\n/last")
    assert register(Path("/envs/a"), file=tmp_path / ".conda" / "environments.txt") is None
    assert listed.read_bytes() == b"/gone\n/caf\xe9\n/last\n/envs/a\n"


def test_list_kept_elsewhere(tmp_path: Path) -> None:
    """Dotfiles are often links into a repository; the link must stay one."""
    (tmp_path / ".conda").mkdir()
    (tmp_path / "dotfiles.txt").write_text("/mine\n")
    (tmp_path / ".conda" / "environments.txt").symlink_to(tmp_path / "dotfiles.txt")
    assert register(Path("/envs/a"), file=tmp_path / ".conda" / "environments.txt") is None
    assert (tmp_path / ".conda" / "environments.txt").is_symlink()
    assert (tmp_path / "dotfiles.txt").read_text() == "/mine\n/envs/a\n"


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_unwritable_home_is_a_warning(home: str) -> None:
    assert "could not be listed" in (register(Path("/envs/a"), file=Path(home) / ".conda" / "environments.txt") or "")


def test_unreadable_list_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".conda" / "environments.txt").mkdir(parents=True)
    assert "could not be listed" in (register(Path("/envs/a"), file=tmp_path / ".conda" / "environments.txt") or "")
    assert (tmp_path / ".conda" / "environments.txt").is_dir()


def test_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(
            pool.map(lambda n: register(Path(f"/envs/{n}"), file=tmp_path / ".conda" / "environments.txt"), range(24))
        ) == {None}
    assert len((tmp_path / ".conda" / "environments.txt").read_text().splitlines()) == 24


def test_taken_off(tmp_path: Path) -> None:
    file = tmp_path / ".conda" / "environments.txt"
    file.parent.mkdir()
    file.write_bytes(b"/gone\n/envs/a\n/caf\xe9\n/envs/ab\n")
    assert unregister(Path("/envs/a"), file=file) is None
    assert file.read_bytes() == b"/gone\n/caf\xe9\n/envs/ab\n"
    assert unregister(Path("/envs/a"), file=tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_list_that_is_a_fifo(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "list")
    assert "could not be listed" in (register(Path("/envs/a"), file=tmp_path / "list") or "")
