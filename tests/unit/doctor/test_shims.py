"""What a shim starts: by a variable, else by a file of the folder or above it, else by the user's own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from builder.doctor import shims
from builder.doctor.disk import Disk

if TYPE_CHECKING:
    from pathlib import Path


def _choice(home: Path, shim: str, **environ: str) -> shims.Choice | None:
    disk = Disk(home=home, project=home / "w" / "net", clock=time.monotonic)
    return shims.resolve(disk, environ, home / shim)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in (
        "w/net",
        ".pyenv/versions/3.9.18",
        ".pyenv/versions/3.12.3",
        ".pyenv/versions/3.12.10",
        ".asdf/installs/python/3.11.9",
        ".local/share/mise/installs/python/3.11.9",
        ".local/share/mise/installs/python/3.12.7",
    ):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "shim", "leads_to"),
    [
        ("w/net/.python-version", "# for the course\n3.9.18\n", ".pyenv/shims/python", ".pyenv/versions/3.9.18"),
        ("w/.python-version", "3.12\n", ".pyenv/shims/python3", ".pyenv/versions/3.12.10"),
        (".pyenv/version", "3.12.3\n", ".pyenv/shims/python", ".pyenv/versions/3.12.3"),
        (
            "w/.tool-versions",
            "nodejs 20.1\npython 3.11.9 system\n",
            ".asdf/shims/python",
            ".asdf/installs/python/3.11.9",
        ),
        ("w/net/mise.toml", '[tools]\npython = "3.12"\n', ".local/share/mise/shims/python", "python/3.12.7"),
        ("w/.mise.toml", '[tools]\npython = ["3.11.9", "3.12"]\n', ".local/share/mise/shims/python", "python/3.11.9"),
        (
            ".config/mise/config.toml",
            '[tools]\npython = {version = "3.12.7"}\n',
            ".local/share/mise/shims/python",
            "python/3.12.7",
        ),
    ],
)
def test_files_decide(home: Path, file: str, text: str, shim: str, leads_to: str) -> None:
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text(text)
    choice = _choice(home, shim)
    assert choice is not None
    assert str(choice.prefix).endswith(leads_to)
    assert file.rpartition("/")[2] in choice.why


def test_the_variable_comes_first(home: Path) -> None:
    (home / "w/net/.python-version").write_text("3.9.18\n")
    choice = _choice(home, ".pyenv/shims/python", PYENV_VERSION="3.12.3:3.9.18")
    assert choice is not None
    assert choice.prefix == home / ".pyenv/versions/3.12.3"


def test_the_systems_python(home: Path) -> None:
    (home / ".pyenv/version").write_text("system\n")
    choice = _choice(home, ".pyenv/shims/python")
    assert choice is not None
    assert choice.prefix is None


def test_inside_a_project_ryes_shim_is_its_environment(home: Path) -> None:
    (home / "w/pyproject.toml").write_text("[tool.rye]\nmanaged = true\n")
    (home / "w/.venv").mkdir()
    choice = _choice(home, ".rye/shims/python")
    assert choice is not None
    assert choice.prefix == home / "w/.venv"


def test_nothing_is_chosen(home: Path) -> None:
    assert _choice(home, ".pyenv/shims/python") is None
    assert _choice(home, "miniforge3/bin/python") is None
