"""Every fixture home: its first line, its exit code, its evidence, and that looking changed nothing on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from builder.doctor.examine import examine
from builder.doctor.text import Names, render
from builder.operations.doctoring import DoctorResult
from tests.unit.doctor.homes import build, case_names

DOCS: Final = Path(__file__).parents[3] / "docs" / "doctor.md"


def _snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Size, time of change and link target of everything below, access times left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_size, status.st_mtime_ns, str(path.readlink()) if path.is_symlink() else "")
    return found


@pytest.mark.parametrize("name", case_names())
def test_home(name: str, tmp_path: Path) -> None:
    home = build(name, tmp_path)
    before = _snapshot(tmp_path)
    found = examine(home.request(), home.patient())
    names = Names(home.path, aliases=found.home_names, root=found.root)
    text = render(found, names=names, verbose=True)
    first = text.splitlines()[0]
    assert first == home.expected["first"], text
    assert DoctorResult(found=found, names=names).exit_code() == home.expected["exit"], text
    for line in home.expected.get("shows", ()):
        assert line in text
    for line in home.expected.get("hides", ()):
        assert line not in text
    assert "hunter2" not in text + str(found.to_json())
    assert _snapshot(tmp_path) == before


def test_the_documentation_shows_what_is_printed(tmp_path: Path) -> None:
    home = build("mac-dataspell-base", tmp_path)
    found = examine(home.request(), home.patient())
    text = render(found, names=Names(home.path, aliases=found.home_names, root=found.root), verbose=False)
    assert f"```text\n{text}\n```" in DOCS.read_text(encoding="utf-8")


def test_there_are_homes_of_every_kind() -> None:
    assert len(case_names()) >= 15
    assert sum(name.startswith("healthy-") for name in case_names()) >= 5
