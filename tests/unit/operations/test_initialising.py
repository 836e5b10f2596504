"""`init` writes recipes that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.errors import UsageError
from builder.operations import InitRequest, init
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    result = init(here, InitRequest(recipe="mine"))
    assert result.file == tmp_path / "recipes" / "mine.yaml"
    assert here.project.recipe("mine").name == "mine"
    assert (tmp_path / "recipes" / "recipe.schema.json").is_file()


@pytest.mark.parametrize(
    ("name", "base", "reason"),
    [
        ("ml-m1", "ml-m1", "cannot build on itself"),
        ("data-m1", "child", "cannot build on child, which builds on data-m1"),
        ("Mine", "ml-m1", "is not a name for a recipe"),
        ("mine", "nowhere", "there is no recipe"),
        ("child", "ml-m1", "exists already"),
    ],
)
def test_refused(tmp_path: Path, name: str, base: str, reason: str) -> None:
    here = workspace(tmp_path)
    init(here, InitRequest(recipe="child", extends="data-m1"))
    with pytest.raises(UsageError, match=reason):
        init(here, InitRequest(recipe=name, extends=base))
    assert [file.name for file in (tmp_path / "recipes").glob("*.yaml")] == ["child.yaml"]
