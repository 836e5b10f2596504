"""Whether a lock is still its recipe's, told from hashes alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builder.lock.freshness import stale_reasons
from builder.lock.make import input_hashes
from builder.lock.model import Lock
from builder.plan.make import make_plans
from builder.recipe.model import Recipe
from builder.render.environment import render

if TYPE_CHECKING:
    from pathlib import Path

    from builder.render.model import Rendered


def _rendered(**fields: object) -> Rendered:
    base = {"name": "mine", "platforms": ("osx-arm64", "linux-64"), "python": "3.12", "dependencies": ("numpy",)}
    return render(make_plans(Recipe.model_validate(base | fields)))


@pytest.fixture
def fresh(tmp_path: Path) -> tuple[Lock, Rendered, Path]:
    """A lock (without packages) and the rendered files that it was made from."""
    rendered = _rendered()
    for file, text in rendered.files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    lock = Lock(
        channels=rendered.channels,
        platforms=tuple(specs.subdir for specs in rendered.platforms),
        packages=(),
        sources=rendered.environment_files,
        content_hash={},
        inputs=input_hashes(rendered.files),
    )
    return lock, rendered, tmp_path


def test_fresh(fresh: tuple[Lock, Rendered, Path]) -> None:
    assert stale_reasons(*fresh) == ()


@pytest.mark.parametrize(
    "changed",
    [{"dependencies": ("numpy", "scipy")}, {"macos": "15.0"}, {"python": "3.11"}, {"channels": ("other",)}],
    ids=str,
)
def test_recipe_that_moved_on(fresh: tuple[Lock, Rendered, Path], changed: dict[str, object]) -> None:
    """Every field that leads to another file, the macOS floor in virtual-packages.yml included."""
    lock, _, folder = fresh
    reasons = stale_reasons(lock, _rendered(**changed), folder)
    assert any("is out of date: the recipe renders to something else now" in reason for reason in reasons)
    assert any("the lock was made from a different" in reason for reason in reasons)


def test_files_rendered_again_but_not_locked(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, _, folder = fresh
    rendered = _rendered(dependencies=("numpy", "scipy"))
    for file, text in rendered.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    assert stale_reasons(lock, rendered, folder) == ("the lock was made from a different environment.yml",)


def test_file_that_is_gone(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, rendered, folder = fresh
    (folder / "virtual-packages.yml").unlink()
    assert stale_reasons(lock, rendered, folder) == ("virtual-packages.yml is missing",)


def test_group_that_is_new(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, _, folder = fresh
    reasons = stale_reasons(lock, _rendered(groups={"dev": {"dependencies": ("pytest",)}}), folder)
    assert "environment.dev.yml is missing" in reasons
    assert "the lock was made from a different environment.dev.yml" in reasons


def test_other_platforms(fresh: tuple[Lock, Rendered, Path]) -> None:
    lock, rendered, folder = fresh
    reasons = stale_reasons(replace(lock, platforms=lock.platforms[:1]), rendered, folder)
    assert any(reason.startswith("the lock is for other platforms") for reason in reasons)
