"""Update a lock: named packages, or all, are taken anew; what was not named stays as far as it can."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from builder.errors import UsageError
from builder.lock.moves import names_in
from builder.lock.read import read_lock
from builder.operations.locking import LockRequest, lock
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from builder.lock.model import Lock
    from builder.operations.fetching import Solvers
    from builder.operations.locking import LockResult
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class UpdateRequest:
    """Whose lock to update, and which of its packages: their names (conda's or PyPI's), or `everything`."""

    recipe: str
    packages: tuple[str, ...] = ()
    everything: bool = False
    exclude_newer: datetime | None = None
    """Leave out packages published after this moment (with a time zone)."""
    dry_run: bool = False
    """Write nothing: only say what would move."""


@dataclass(frozen=True, kw_only=True)
class UpdateResult:
    """The new lock with what moved, and which of the named packages did not."""

    locked: LockResult
    stayed: Mapping[str, str]
    """What was named, and the versions that it is still at (`1.26.4`, or several where platforms differ)."""
    written: bool


def update(workspace: Workspace, request: UpdateRequest, *, solvers: Solvers | None = None) -> UpdateResult:
    """Solve again with the named packages free to move, within the recipe and the facts.

    Others move only where a named one needs it, or the recipe has changed. Raises UsageError where there is no lock to
    update, nothing is named, or something that is not in the lock; and all that `lock` raises.
    """
    if request.everything == bool(request.packages):
        raise UsageError(
            "name the packages to update, or all of them with --all, not both"
            if request.everything
            else f"which packages of {request.recipe} should be updated?",
            hint=f"`envbuild update {request.recipe} numpy`, or `envbuild update {request.recipe} --all`",
        )
    workspace.project.recipe_file(request.recipe)
    file = workspace.project.environment(request.recipe) / LOCK_NAME
    if not os.path.lexists(file):
        raise UsageError(
            f"{request.recipe} has no lock to update in {file.parent}", hint=f"run `envbuild lock {request.recipe}`"
        )
    # A lock that cannot be read is refused here: `lock` would take everything anew, which nobody asked for.
    old = read_lock(file)
    moving = {name: _names(old, name, file) for name in request.packages}
    locked = lock(
        workspace,
        LockRequest(
            recipe=request.recipe,
            previous=old,
            moving=frozenset().union(*moving.values()),
            everything=request.everything,
            exclude_newer=request.exclude_newer,
            dry_run=request.dry_run,
        ),
        solvers=solvers,
    )
    moved = {canonicalize_name(move.name) for move in locked.moves}
    stayed = {name: _versions(locked.lock, names) for name, names in moving.items() if not names & moved}
    return UpdateResult(locked=locked, stayed=stayed, written=not request.dry_run)


def _names(old: Lock, name: str, file: Path) -> frozenset[str]:
    found = names_in(old, name)
    if not found:
        import difflib

        there = sorted({package.name for package in old.packages})
        close = difflib.get_close_matches(name, there, n=1)
        raise UsageError(
            f"there is no package {name!r} in {file}",
            hint=f"did you mean {close[0]}?" if close else "add it to the recipe first, then run `envbuild lock`",
        )
    return found


def _versions(lock: Lock, names: frozenset[str]) -> str:
    """The versions of these packages on all platforms, each once."""
    there = {package.version: None for package in lock.packages if canonicalize_name(package.name) in names}
    return ", ".join(there)
