"""List the recipes that can be named, with their locks and environments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.environment.stamp import read_stamp
from builder.errors import RecipeError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ListedRecipe:
    """A recipe; `error` says why it cannot be read, and then platforms and description are empty."""

    name: str
    file: Path
    lock: Path | None
    environment: Path | None
    """The environment of this name, where envbuild has built one."""
    platforms: tuple[str, ...] = ()
    description: str = ""
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class ListResult:
    """All recipes by name, the project's own before shipped ones of the same name."""

    recipes: tuple[ListedRecipe, ...]


def list_recipes(workspace: Workspace) -> ListResult:
    """Every known recipe. One that is broken is listed with its error."""
    return ListResult(
        recipes=tuple(_listed(workspace, name, file) for name, file in workspace.project.recipe_files().items())
    )


def _listed(workspace: Workspace, name: str, file: Path) -> ListedRecipe:
    prefix = _prefix(workspace, name)
    listed = ListedRecipe(
        name=name,
        file=file,
        lock=workspace.project.committed_lock(name),
        environment=prefix if prefix and read_stamp(prefix) else None,
    )
    try:
        recipe = workspace.project.recipe(name)
    except RecipeError as error:
        return replace(listed, error=error.message)
    return replace(listed, platforms=tuple(recipe.platforms), description=recipe.description)


def _prefix(workspace: Workspace, name: str) -> Path | None:
    """Where the environment of this name is; None for a recipe whose name no environment may have (`base`)."""
    try:
        return workspace.store.prefix_for(name)
    except UsageError:
        return None
