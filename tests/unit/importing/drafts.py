"""Drafts of what a test writes down, and what to ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from builder.importing.compose import compose
from builder.importing.read import read_file
from builder.recipe.load import load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from builder.importing.model import Draft

SECRET = "pl4nted-T0K3N"


def read(folder: Path, name: str, text: str) -> Draft:
    (folder / name).write_text(text)
    return read_file(folder / name)


def recipe_of(draft: Draft, folder: Path) -> dict[str, Any]:
    """The recipe as data, after envbuild has read it."""
    text = compose(draft, name="made", source="test", platforms=()).text
    (folder / "made.yaml").write_text(text)
    load_recipe(folder / "made.yaml")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def left_of(draft: Draft) -> dict[str, str]:
    """Place → what was left there; of several the first."""
    found: dict[str, str] = {}
    for one in draft.left:
        found.setdefault(one.place, f"{one.what}: {one.reason}")
    return found
