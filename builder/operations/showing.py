"""Show what a recipe leads to: every version with its reason, before anything is locked."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.errors import LockfileError
from builder.operations.preparing import PackageOptions, prepare_with_channels
from builder.operations.warnings import Warnings
from builder.plan.terms import Source
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from builder.operations.preparing import Prepared
    from builder.plan.model import Plan
    from builder.platforms import Subdir
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ShowRequest:
    """Which recipe to explain; `platforms` empty means all of the recipe's."""

    recipe: str
    platforms: tuple[Subdir, ...] = ()
    options: PackageOptions = field(default_factory=PackageOptions)


@dataclass(frozen=True, kw_only=True)
class ShowResult:
    """One plan a platform, in the recipe's order."""

    plans: tuple[Plan, ...]
    warnings: tuple[str, ...]


def show(workspace: Workspace, request: ShowRequest) -> ShowResult:
    """The plans of a recipe. Raises RecipeError, UnsatisfiableError, UsageError."""
    warn = Warnings(workspace.progress)
    recipe = workspace.project.recipe(request.recipe)
    prepared = prepare_with_channels(workspace, recipe, request.options, platforms=request.platforms)
    warn(*prepared.warnings, *prepared.age_of_facts(workspace))
    _tell_what_is_for_nvidia(workspace, request, prepared)
    wanted = request.platforms
    plans = tuple(plan for subdir, plan in prepared.plans.items() if not wanted or subdir in wanted)
    return ShowResult(plans=plans, warnings=warn.given)


def _tell_what_is_for_nvidia(workspace: Workspace, request: ShowRequest, prepared: Prepared) -> None:
    """What the lock that is there brings; without one it is not known yet."""
    from builder.lock.read import read_lock
    from builder.operations.for_nvidia import unasked

    file = workspace.project.environment(request.recipe) / LOCK_NAME
    if request.options.source is not Source.CONDA_FORGE or not file.is_file():
        return
    with contextlib.suppress(LockfileError):  # which is not what was asked
        told = unasked(read_lock(file), prepared, source=request.options.source)
        if told is not None:
            workspace.progress.note(told)
