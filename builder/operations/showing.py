"""Show what a recipe leads to: every version with its reason, before anything is locked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.operations.preparing import PackageOptions, prepare_with_channels
from builder.operations.warnings import Warnings

if TYPE_CHECKING:
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
    wanted = request.platforms
    plans = tuple(plan for subdir, plan in prepared.plans.items() if not wanted or subdir in wanted)
    return ShowResult(plans=plans, warnings=warn.given)
