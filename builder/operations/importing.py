"""Import: another tool's file, or a live environment, as a recipe, and a list of what could not be carried over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.environment.environment import Environment
from builder.errors import UsageError
from builder.importing.compose import compose
from builder.importing.model import Collector
from builder.importing.prefix import read as read_prefix
from builder.importing.read import read_file
from builder.recipe.model import NAME_PATTERN

if TYPE_CHECKING:
    from pathlib import Path

    from builder.importing.model import Draft, NotCarried
    from builder.platforms import Subdir
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What to import: a file, the path of an environment, or the name of one."""

    source: str
    name: str | None = None
    """The recipe's name; None: the file's or the environment's own."""
    platforms: tuple[Subdir, ...] = ()
    """Instead of those that the file names."""
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """The recipe, written to `file` unless it was a dry run, and what it does not say."""

    name: str
    file: Path
    text: str
    written: bool
    dependencies: int
    left: tuple[NotCarried, ...]
    assumed: tuple[str, ...]


def import_recipe(workspace: Workspace, request: ImportRequest) -> ImportResult:
    """Write `recipes/NAME.yaml`, which envbuild reads back before it is written. Nothing is solved, and nobody asked.

    Raises UsageError for what cannot be read, and for a recipe that is there already; RecipeError where what was
    found contradicts itself.
    """
    from builder.operations.initialising import write_recipe

    draft, called = _draft(workspace, request.source)
    name = request.name or _name(draft.name or called)
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(
            f"{name!r} is not a name for a recipe",
            hint="name it with --name: lower-case letters, digits, '.', '_', '-'",
        )
    composed = compose(draft, name=name, source=called, platforms=request.platforms)
    file = write_recipe(workspace, name, composed.text, dry_run=request.dry_run)
    return ImportResult(
        name=name,
        file=file,
        text=composed.text,
        written=not request.dry_run,
        dependencies=composed.dependencies,
        left=composed.left,
        assumed=composed.assumed,
    )


def _draft(workspace: Workspace, source: str) -> tuple[Draft, str]:
    """What was read, and how its source is called."""
    path = workspace.path(source)
    if path.exists() and not path.is_dir():
        return read_file(path), path.name
    if not path.exists() and ("/" in source or "." in source):
        raise UsageError(f"{source}: no such file or folder", hint="name a file, an environment's folder, or its name")
    environment = Environment(workspace.store.find(source))
    into = Collector(file=environment.path.name, folder=environment.path)
    read_prefix(environment, into)
    return into.draft(), environment.path.name


def _name(text: str) -> str:
    """A name of a file or project as one of a recipe: `My Project` is `my-project`."""
    stem = re.sub(r"\.(ya?ml|toml|txt|lock)$", "", text.lower())
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:64]
