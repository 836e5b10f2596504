"""Packages are installed again by what installed them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from builder.doctor.disk import Disk
from builder.doctor.model import Interpreter, Kind, Presence
from builder.doctor.reinstall import commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def _interpreter(prefix: Path, packages: Mapping[str, str]) -> Interpreter:
    return Interpreter(
        path=prefix / "bin" / "python",
        presence=Presence.PRESENT,
        prefix=prefix,
        kind=Kind.CONDA,
        packages=packages,
    )


def _commands(prefix: Path, packages: Mapping[str, str], *names: str) -> tuple[str, ...]:
    return commands(Disk(home=prefix.parent, project=None, clock=time.monotonic), _interpreter(prefix, packages), names)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "my env" / "conda-meta").mkdir(parents=True)
    (tmp_path / "my env" / "conda-meta" / "numpy-2.0.2-py311_0.json").write_text("{}")
    (tmp_path / "my env" / "conda-meta" / "python-3.11.9-h1_0.json").write_text("{}")
    return tmp_path / "my env"


def test_conda_and_pip_each_install_what_is_theirs(prefix: Path) -> None:
    packages = {"numpy": "2.0.2", "keras": "3.6.0", "pip": "24.2"}
    assert _commands(prefix, packages, "keras", "numpy", "python") == (
        f"conda install -p '{prefix}' --force-reinstall numpy python",
        f"'{prefix}/bin/python' -m pip install --force-reinstall --no-deps keras==3.6.0",
    )


def test_what_was_put_over_condas_package_is_no_longer_condas(prefix: Path) -> None:
    (command,) = _commands(prefix, {"numpy": "2.2.0", "pip": "24.2"}, "numpy")
    assert "pip install --force-reinstall --no-deps numpy==2.2.0" in command


def test_without_pip_uv_does_it(prefix: Path) -> None:
    assert _commands(prefix, {"keras": "3.6.0"}, "keras") == (
        f"uv pip install --python '{prefix}/bin/python' --reinstall --no-deps keras==3.6.0",
    )


def test_an_environment_of_ours_is_restored_from_its_lock(prefix: Path) -> None:
    (prefix / "conda-meta" / "envbuild.stamp").write_text("{}")
    assert _commands(prefix, {"keras": "3.6.0"}, "keras", "numpy") == (f"envbuild sync '{prefix}'",)
