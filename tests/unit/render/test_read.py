"""What was rendered is read back from its files as the same specs: the lock stage begins there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.errors import TemplateError
from builder.models import validated
from builder.plan.make import make_plans
from builder.recipe.model import Recipe
from builder.render.environment import render
from builder.render.model import ENVIRONMENT_FILE, VIRTUAL_PACKAGES_FILE
from builder.render.read import read_rendered

if TYPE_CHECKING:
    from pathlib import Path

    from builder.render.model import Rendered


def _rendered(folder: Path, **fields: object) -> Rendered:
    recipe = validated(
        {"name": "x", "platforms": ("osx-arm64", "linux-64"), "python": "3.12", "channels": ("c", "d")} | fields,
        Recipe,
    )
    rendered = render(make_plans(recipe), parity=dict.fromkeys(recipe.subdirs, ("python",)))
    for file, text in rendered.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return rendered


@pytest.mark.parametrize(
    "fields",
    [
        {"dependencies": ("numpy >=1.26,<3", "numba")},
        {"dependencies": ("numpy", {"conda": "scipy", "platforms": ("linux-64",)}), "pypi": ("keras>=3.5", "b[x]>=1")},
        {
            "dependencies": ("a",),
            "groups": {"zeta": {"dependencies": ("b",), "pypi": ("c>=1",)}, "alpha": {"dependencies": ("d",)}},
        },
    ],
)
def test_files_say_what_was_planned(tmp_path: Path, fields: dict[str, object]) -> None:
    rendered = _rendered(tmp_path, **fields)
    read = read_rendered(tmp_path, groups=rendered.groups[1:], parity=("python",))
    assert (read.name, read.channels, read.groups) == (rendered.name, rendered.channels, rendered.groups)
    assert dict(read.files) == dict(rendered.files)
    assert [specs.subdir for specs in read.platforms] == [specs.subdir for specs in rendered.platforms]
    for ours, theirs in zip(read.platforms, rendered.platforms, strict=True):
        assert set(ours.conda) == set(theirs.conda)
        assert set(ours.pip) == set(theirs.pip)
        assert dict(ours.virtual_packages) == dict(theirs.virtual_packages)
        assert (ours.parity, ours.macos) == (theirs.parity, theirs.macos)


def test_groups_are_found_by_their_files(tmp_path: Path) -> None:
    _rendered(tmp_path, groups={"dev": {"dependencies": ("pytest",)}})
    assert read_rendered(tmp_path).groups == ("main", "dev")


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        (ENVIRONMENT_FILE, "  - python 3.12.*", "  - [python]", 11),
        (ENVIRONMENT_FILE, "platforms:", "platform:", None),
        (ENVIRONMENT_FILE, "- osx-arm64\n  - linux-64", "- win-64", None),
        (VIRTUAL_PACKAGES_FILE, "subdirs:", "subdir:", 1),
        (VIRTUAL_PACKAGES_FILE, "linux-64:", "beos:", None),
        (VIRTUAL_PACKAGES_FILE, "__glibc: ", "__cuda: 12.4\n      __glibc: ", 1),
    ],
)
def test_other_files_are_refused_with_their_place(
    tmp_path: Path, file: str, old: str, new: str, line: int | None
) -> None:
    _rendered(tmp_path)
    path = tmp_path / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(TemplateError) as refused:
        read_rendered(tmp_path)
    assert refused.value.file == str(path)
    if line is not None:
        assert refused.value.line is not None


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=ENVIRONMENT_FILE):
        read_rendered(tmp_path)
