"""`~/.conda/environments.txt`: one line a prefix, and nobody else's lines are lost."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.environment.places import environment_prefix
from builder.environment.register import register
from builder.errors import UsageError


def test_one_line(tmp_path: Path) -> None:
    for _ in range(2):
        assert register(Path("/envs/a"), home=tmp_path) is None
    assert register(Path("/envs/b"), home=tmp_path) is None
    assert (tmp_path / ".conda" / "environments.txt").read_text() == "/envs/a\n/envs/b\n"


def test_other_lines_stay(tmp_path: Path) -> None:
    """In whatever encoding, with or without a newline at the end, stale or not."""
    listed = tmp_path / ".conda" / "environments.txt"
    listed.parent.mkdir()
    listed.write_bytes(b"/gone\n/caf\xe9\n/last")
    assert register(Path("/envs/a"), home=tmp_path) is None
    assert listed.read_bytes() == b"/gone\n/caf\xe9\n/last\n/envs/a\n"


def test_list_kept_elsewhere(tmp_path: Path) -> None:
    """Dotfiles are often links into a repository; the link must stay one."""
    (tmp_path / ".conda").mkdir()
    (tmp_path / "dotfiles.txt").write_text("/mine\n")
    (tmp_path / ".conda" / "environments.txt").symlink_to(tmp_path / "dotfiles.txt")
    assert register(Path("/envs/a"), home=tmp_path) is None
    assert (tmp_path / ".conda" / "environments.txt").is_symlink()
    assert (tmp_path / "dotfiles.txt").read_text() == "/mine\n/envs/a\n"


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null"])
def test_unwritable_home_is_a_warning(home: str) -> None:
    assert "could not be listed" in (register(Path("/envs/a"), home=Path(home)) or "")


def test_unreadable_list_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".conda" / "environments.txt").mkdir(parents=True)
    assert "could not be listed" in (register(Path("/envs/a"), home=tmp_path) or "")
    assert (tmp_path / ".conda" / "environments.txt").is_dir()


def test_many_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda n: register(Path(f"/envs/{n}"), home=tmp_path), range(24))) == {None}
    assert len((tmp_path / ".conda" / "environments.txt").read_text().splitlines()) == 24


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a b", "-x", "x" * 200, "é", "a\n"])
def test_names_that_are_paths(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        environment_prefix(name, home=tmp_path)


def test_place_of_a_name(tmp_path: Path) -> None:
    assert environment_prefix("tf-2.19", home=tmp_path) == tmp_path / ".conda" / "envs" / "tf-2.19"
    assert environment_prefix("tf", home=tmp_path, envs_dir=str(tmp_path / "e")) == tmp_path / "e" / "tf"
    assert os.path.isabs(environment_prefix("tf", home=tmp_path, envs_dir="relative"))  # noqa: PTH117
