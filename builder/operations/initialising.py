"""Begin a recipe of one's own, and what a repository may have beside it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.errors import RecipeError, UsageError
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
    """The new recipe's name, the recipe it builds on, and what else is wanted in the repository."""

    recipe: str
    extends: str = "ml-m1"
    attributes: bool = False
    """Lines of `.gitattributes` that give the merging of locks to envbuild."""
    workflow: bool = False
    """A GitHub workflow that checks, builds and proves the environment."""
    pre_commit: bool = False
    """A `.pre-commit-config.yaml` whose hook checks the locks."""


@dataclass(frozen=True, kw_only=True)
class InitResult:
    """The recipe's file, to be edited; all that was written, and in a sentence each what was left as it is."""

    file: Path
    written: tuple[Path, ...]
    left: tuple[str, ...] = ()


def init(workspace: Workspace, request: InitRequest) -> InitResult:
    """Write `recipes/NAME.yaml`, the schema that editors complete it by, and what else is asked for.

    A file that is there is never overwritten: the recipe stays where other files are asked for beside it,
    `.gitattributes` is added to, and of the others it is said what to add. Raises UsageError.
    """
    from builder.recipe.model import NAME_PATTERN
    from builder.recipe.schema import SCHEMA_FILE

    name, base = request.recipe, request.extends
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"{name!r} is not a name for a recipe", hint="use lower-case letters, digits, '.', '_', '-'")
    if request.workflow or request.pre_commit:
        _require_top(workspace)
    file = workspace.project.root / "recipes" / f"{name}.yaml"
    written: list[Path] = []
    left: list[str] = []
    if file.is_file() and (request.attributes or request.workflow or request.pre_commit):
        left.append(f"{file} is there already")
    else:
        files = workspace.project.recipe_files()
        if name in (base, *ancestry(workspace.project.recipe_file(base), find=files.get)):
            reason = "itself" if name == base else f"{base}, which builds on {name}"
            raise UsageError(
                f"{name} cannot build on {reason}",
                hint="choose another name, or another recipe with --extends",
            )
        text = _RECIPE.format(name=name, base=base, schema=SCHEMA_FILE)
        written.append(write_recipe(workspace, name, text))
    _beside(workspace, request, written, left)
    return InitResult(file=file, written=tuple(written), left=tuple(left))


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
    if not dry_run and os.path.lexists(file):
        raise UsageError(f"{file} exists already", hint="edit it, or choose another name")
    with scratch("envbuild-recipe-") as place:
        (place / file.name).write_text(text, encoding="utf-8")
        try:
            load_recipe(place / file.name, find=workspace.project.recipe_files().get, rules=objections)
        except RecipeError as problem:
            # The place would be one of a file that nobody has seen.
            raise RecipeError(f"this would be no recipe: {problem.plain}", hint=problem.hint) from None
    if not dry_run:
        frameworks = [name for entry in all_frameworks() for name in (entry.name, *entry.aliases)]
        write_atomically(folder / SCHEMA_FILE, schema_text(frameworks))
        write_atomically(file, text)
    return file


def _beside(workspace: Workspace, request: InitRequest, written: list[Path], left: list[str]) -> None:
    from builder.files import write_atomically
    from builder.operations.merge_driver import write_attributes
    from builder.operations.repository_files import (
        PRE_COMMIT_FILE,
        WORKFLOW_FILE,
        pre_commit,
        pre_commit_hook,
        workflow,
    )

    root = workspace.project.root
    if request.attributes:
        file, added = write_attributes(root)
        if added:
            written.append(file)
        else:
            left.append(f"{file} says so already")
    if request.workflow:
        file = root / WORKFLOW_FILE
        if os.path.lexists(file):
            left.append(f"{file} is there already; delete it to have it written anew")
        else:
            write_atomically(file, workflow(workspace.project.recipe(request.recipe)))
            written.append(file)
    if request.pre_commit:
        file = root / PRE_COMMIT_FILE
        if os.path.lexists(file):
            left.append(f"{file} is there already; add under its `repos:`\n{pre_commit_hook().rstrip()}")
        else:
            write_atomically(file, pre_commit())
            written.append(file)


def _require_top(workspace: Workspace) -> None:
    """GitHub and pre-commit read their files at the top of a repository only. Raises UsageError elsewhere in one."""
    from builder.git import Git

    root = workspace.project.root
    try:
        top = Git(folder=root, environ=workspace.environ).top()
    except UsageError:
        return  # no repository yet
    if top.resolve() != root.resolve():
        raise UsageError(
            f"a workflow and a pre-commit hook are read at the top of the repository only, which is {top}",
            hint=f"put recipes/ there and use --project {top}, or leave the two options out",
        )
