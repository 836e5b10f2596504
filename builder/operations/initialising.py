"""Begin a recipe of one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.recipe.load import ancestry

if TYPE_CHECKING:
    from pathlib import Path

    from builder.workspace import Workspace

_RECIPE: Final = """\
# yaml-language-server: $schema={schema}
name: {name}
description: What this environment is for.
extends: {base}
dependencies: []
"""


@dataclass(frozen=True, kw_only=True)
class InitRequest:
    """The new recipe's name, and the recipe it builds on."""

    recipe: str
    extends: str = "ml-m1"


@dataclass(frozen=True, kw_only=True)
class InitResult:
    """The file that was written, to be edited."""

    file: Path


def init(workspace: Workspace, request: InitRequest) -> InitResult:
    """Write `recipes/NAME.yaml` and, beside it, the schema that editors complete it by. Raises UsageError."""
    from builder.recipe.model import NAME_PATTERN
    from builder.recipe.schema import SCHEMA_FILE

    name, base = request.recipe, request.extends
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"{name!r} is not a name for a recipe", hint="use lower-case letters, digits, '.', '_', '-'")
    files = workspace.project.recipe_files()
    if name in (base, *ancestry(workspace.project.recipe_file(base), find=files.get)):
        reason = "itself" if name == base else f"{base}, which builds on {name}"
        raise UsageError(
            f"{name} cannot build on {reason}",
            hint="choose another name, or another recipe with --extends",
        )
    return InitResult(file=write_recipe(workspace, name, _RECIPE.format(name=name, base=base, schema=SCHEMA_FILE)))


def write_recipe(workspace: Workspace, name: str, text: str, *, dry_run: bool = False) -> Path:
    """Write `recipes/NAME.yaml` and, beside it, the schema; it is read first as every recipe is.

    Raises UsageError for one that is there already, RecipeError for a text that is no recipe.
    """
    from builder.files import write_atomically
    from builder.frameworks.registry import all_frameworks
    from builder.frameworks.rules import objections
    from builder.recipe.load import load_recipe
    from builder.recipe.schema import SCHEMA_FILE, schema_text
    from builder.scratch import scratch

    folder = workspace.project.root / "recipes"
    file = folder / f"{name}.yaml"
    if not dry_run and (file.exists() or file.is_symlink()):
        raise UsageError(f"{file} exists already", hint="edit it, or choose another name")
    with scratch("envbuild-recipe-") as place:
        (place / file.name).write_text(text, encoding="utf-8")
        load_recipe(place / file.name, find=workspace.project.recipe_files().get, rules=objections)
    if not dry_run:
        frameworks = [name for entry in all_frameworks() for name in (entry.name, *entry.aliases)]
        write_atomically(folder / SCHEMA_FILE, schema_text(frameworks))
        write_atomically(file, text)
    return file
