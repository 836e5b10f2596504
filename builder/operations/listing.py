"""List the recipes that can be named, with their locks and environments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.environment.environment import Environment
from builder.environment.sizes import size_of
from builder.environment.stamp import read_stamp
from builder.errors import RecipeError, UsageError
from builder.operations.locked import find_lock

if TYPE_CHECKING:
    from pathlib import Path

    from builder.environment.stamp import Verdict
    from builder.operations.locked import Step
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


@dataclass(frozen=True, kw_only=True)
class ListedEnvironment:
    """An environment of the user's, whoever made it."""

    name: str
    prefix: Path
    kind: str
    """Who made it: `envbuild`, `conda`, `pixi`, `venv`, …"""
    bytes: int
    """On the disk; hard links to a package cache count as its own."""
    step: Step | None
    """Whether it is of its lock as that is now; None where envbuild did not make it."""
    proof: Verdict | None
    proof_level: str | None


def list_environments(workspace: Workspace) -> tuple[ListedEnvironment, ...]:
    """Every environment that can be found, by name. What is in them is `status`'s to say: no file of them is read."""
    found = []
    for known in workspace.store.list():
        workspace.progress.update("list", f"measuring {known.path}")
        stamp = read_stamp(known.path) if known.is_ours else None
        proof = stamp.proof if stamp is not None else None
        found.append(
            ListedEnvironment(
                name=known.name,
                prefix=known.path,
                kind="base" if known.is_base else Environment(known.path).kind.value,
                bytes=size_of(known.path).taken,
                step=find_lock(workspace, stamp).step if stamp is not None else None,
                proof=stamp.verdict if stamp is not None else None,
                proof_level=proof.level if proof is not None else None,
            )
        )
    return tuple(found)


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
