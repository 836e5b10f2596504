"""Which lock an environment is created from: the committed one, or one kept for this machine, made when needed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from builder import __version__
from builder.errors import LockfileError
from builder.plan.terms import Source
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.lock.model import Lock
    from builder.operations.preparing import PackageOptions, Prepared
    from builder.project import Project
    from builder.recipe.model import Recipe
    from builder.workspace import Workspace

#: Key in conda-lock's free metadata of locks that are not committed: what they were made from.
_MADE_FROM: Final = "envbuild_made_from"


@dataclass(frozen=True, kw_only=True)
class UsableLock:
    """A lock file to create from; `prepared` where the recipe had to be prepared on the way."""

    file: Path
    follows_recipe: bool
    """Whether it was made from the recipe as it is now. Of a committed lock that is not known: it is the team's."""
    prepared: Prepared | None = None
    warnings: tuple[str, ...] = ()


def find_or_make(workspace: Workspace, recipe: Recipe, options: PackageOptions, *, solver: str) -> UsableLock:
    """The lock file to create from, made now where there is none.

    A committed lock is used as it is. Locks for other sources or channels, and for shipped recipes outside any
    project, live in envbuild's state folder and are made again when what they were made from has changed.
    """
    project = workspace.project
    usual = options.source is Source.CONDA_FORGE and not options.channels
    committed = project.committed_lock(recipe.name) if usual else None
    if committed is not None:
        return UsableLock(file=committed, follows_recipe=False)
    if usual and project.found:
        return _made(workspace, recipe, options, solver=solver)
    made_from = _digest(recipe, options)
    label = f"channels-{made_from[:12]}" if options.channels else options.source.value
    folder = project.local_environment(recipe.name, source=label)
    if _is_usable(folder / LOCK_NAME, made_from):
        return UsableLock(file=folder / LOCK_NAME, follows_recipe=True)
    return _made(workspace, recipe, options, solver=solver, folder=folder, notes={_MADE_FROM: made_from})


def kept_lock(project: Project, name: str, *, source: Source) -> Path | None:
    """The lock that is kept of a recipe that has no committed one for this source; None where there is none."""
    if project.found and source is Source.CONDA_FORGE:
        return None
    file = project.local_environment(name, source=source.value) / LOCK_NAME
    return file if file.is_file() else None


def _made(
    workspace: Workspace,
    recipe: Recipe,
    options: PackageOptions,
    *,
    solver: str,
    folder: Path | None = None,
    notes: Mapping[str, str] | None = None,
) -> UsableLock:
    from builder.operations.locking import LockRequest, lock

    request = LockRequest(recipe=recipe.name, options=options, solver=solver, folder=folder, notes=notes or {})
    made = lock(workspace, request)
    return UsableLock(file=made.file, follows_recipe=True, prepared=made.prepared, warnings=made.warnings)


def _digest(recipe: Recipe, options: PackageOptions) -> str:
    text = f"{__version__}\0{json.dumps(recipe.written())}\0{options}"
    return hashlib.sha256(text.encode()).hexdigest()


def _is_usable(file: Path, made_from: str) -> bool:
    """Whether a lock in the state folder is still the one wanted, and its local packages are still there."""
    from builder.lock.read import read_lock

    if not file.is_file():
        return False
    try:
        found = read_lock(file)
    except LockfileError:
        # It is ours to make again.
        return False
    return found.notes.get(_MADE_FROM) == made_from and has_local_packages(found)


def has_local_packages(lock: Lock) -> bool:
    """Whether the packages of a lock that lie on this machine, as this machine's Python does, are still there."""
    local = [package.url for package in lock.packages if package.url.startswith("file://")]
    return all(Path(unquote(urlsplit(url).path)).is_file() for url in local)
