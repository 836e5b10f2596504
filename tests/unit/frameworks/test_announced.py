"""Frameworks from outside are found wherever `importlib.metadata` finds them, which is asked where there are any."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, PathDistribution, entry_points
from typing import TYPE_CHECKING, Final

import pytest

from builder.frameworks.announced import announced

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP: Final = "envbuild.tried-here"
TEXT: Final = f"[console_scripts]\nx = x:main\n[{GROUP}]\ntwo = outside:TWO\none = outside:ONE\n"


def _written(info: Path) -> None:
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(TEXT)


def _zipped(folder: Path) -> Path:
    archive = folder / "outside.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("outside-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
        written.writestr("outside-1.0.dist-info/entry_points.txt", TEXT)
    return archive


@pytest.mark.parametrize("info", ["outside-1.0.dist-info", "Outside-1.0.EGG-INFO", "outside-1.0.egg/EGG-INFO"])
def test_in_a_folder(info: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / info
    _written(place)
    monkeypatch.syspath_prepend(str(place.parent))
    _as_python_finds_them()


def test_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _written(tmp_path / "outside-1.0.dist-info")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    _as_python_finds_them()


def test_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_zipped(tmp_path)))
    _as_python_finds_them()


def test_by_another_finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "outside-1.0.dist-info"
    _written(place)

    class Elsewhere(PathFinder):
        @classmethod
        def find_distributions(cls, *_: object, **__: object) -> Iterator[Distribution]:  # type: ignore[override]
            return iter([PathDistribution(place)])

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Elsewhere])
    _as_python_finds_them()


def _as_python_finds_them() -> None:
    found = announced(GROUP)
    assert [(entry.name, entry.value) for entry in found] == [("one", "outside:ONE"), ("two", "outside:TWO")]
    assert sorted(found, key=lambda entry: entry.name) == sorted(
        entry_points(group=GROUP), key=lambda entry: entry.name
    )


def test_nothing_is_imported_for_none() -> None:
    text = f"import sys; from builder.frameworks.announced import announced; print(*announced({GROUP!r}), *sys.modules)"
    ended = subprocess.run([sys.executable, "-P", "-c", text], capture_output=True, text=True, check=True)
    assert "importlib.metadata" not in ended.stdout.split()
