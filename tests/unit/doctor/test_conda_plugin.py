"""envbuild as a plug-in of conda: found by its entry point, cheap to import, and a check that tells what is broken."""

from __future__ import annotations

import importlib
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.doctor.homes import make_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


#: Of an empty file, as RECORD has it.
EMPTY = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@dataclass
class _HealthCheck:
    """The fields of conda's own type."""

    name: str
    action: Callable[[str, bool], None]
    summary: str | None = None


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module as conda imports it; conda itself is no dependency, so its two names stand in."""
    plugins, types = ModuleType("conda.plugins"), ModuleType("conda.plugins.types")
    plugins.hookimpl = lambda function: function  # type: ignore[attr-defined]
    types.CondaHealthCheck = _HealthCheck  # type: ignore[attr-defined]
    for name, module in (("conda", ModuleType("conda")), ("conda.plugins", plugins), ("conda.plugins.types", types)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "builder.doctor.conda_plugin", raising=False)
    return importlib.import_module("builder.doctor.conda_plugin")


def test_conda_finds_it() -> None:
    found = [entry.value for entry in entry_points(group="conda") if entry.name == "envbuild"]
    assert found == ["builder.doctor.conda_plugin"]


def test_one_health_check(plugin: Any) -> None:
    (check,) = plugin.conda_health_checks()
    assert check.name == "envbuild"
    assert check.summary


def test_it_says_what_is_broken(plugin: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Its Python is cut off after the header.
    prefix = make_environment(
        tmp_path, prefix="env", arch="elf-x86_64", packages={"keras": "3.6.0"}
    )  # a cut-off Python
    (check,) = plugin.conda_health_checks()
    check.action(str(prefix), True)
    said = capsys.readouterr().out
    assert "❌" in said
    assert "bin/python3.11" in said


def test_a_deleted_module_is_seen_without_verbose(
    plugin: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a real environment: this Python's own binary, and one package whose record names a module that is gone."""
    prefix = tmp_path / "env"
    venv.create(prefix, symlinks=True)
    (site,) = prefix.glob("lib/python*/site-packages")
    info = site / "pure-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pure\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"pure/__init__.py,{EMPTY},0\npure/gone.py,{EMPTY},0\npure-1.0.dist-info/METADATA,,\n")
    (site / "pure").mkdir()
    (site / "pure" / "__init__.py").write_text("")
    (check,) = plugin.conda_health_checks()
    check.action(str(prefix), False)
    said = capsys.readouterr().out
    assert "❌ pkg.integrity" in said
    assert "pure/gone.py" in said
