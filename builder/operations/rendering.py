"""Render a recipe: its environment.yml for all platforms, or a plain one for a single platform."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.errors import UsageError
from builder.operations.locking import write_files
from builder.operations.outputs import require_own_folder
from builder.operations.preparing import PackageOptions, prepare_with_channels
from builder.operations.warnings import Warnings
from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from pathlib import Path

    from builder.platforms import Subdir
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RenderRequest:
    """Which recipe to render into its folder."""

    recipe: str
    options: PackageOptions = field(default_factory=PackageOptions)


@dataclass(frozen=True, kw_only=True)
class RenderPlainRequest:
    """Which recipe to render for one platform, with which optional groups."""

    recipe: str
    platform: Subdir
    groups: tuple[str, ...] = ()
    options: PackageOptions = field(default_factory=PackageOptions)


@dataclass(frozen=True, kw_only=True)
class RenderResult:
    """The rendered text by file name, and the files that were written (none of a plain rendering)."""

    texts: dict[str, str]
    written: tuple[Path, ...]
    warnings: tuple[str, ...]


def render(workspace: Workspace, request: RenderRequest) -> RenderResult:
    """Write `environment.yml` (one a group) and `virtual-packages.yml`, which `lock` and conda-lock begin from.

    Raises RecipeError, UnsatisfiableError, TemplateError, UsageError.
    """
    warn = Warnings(workspace.progress)
    prepared = prepare_with_channels(workspace, workspace.project.recipe(request.recipe), request.options)
    warn(*prepared.warnings)
    texts = dict(prepared.rendered.files)
    require_own_folder(prepared.folder)
    write_files(prepared.folder, texts)
    written = tuple(prepared.folder / name for name in texts)
    return RenderResult(texts=texts, written=written, warnings=warn.given)


def render_plain(workspace: Workspace, request: RenderPlainRequest) -> RenderResult:
    """One environment.yml for one platform, as `conda env create -f` takes it; nothing is written.

    Raises RecipeError, UnsatisfiableError, TemplateError; UsageError for a platform or group that the recipe lacks.
    """
    from builder.render.environment import render_plain as plain
    from builder.render.model import ENVIRONMENT_FILE

    warn = Warnings(workspace.progress)
    recipe = workspace.project.recipe(request.recipe)
    prepared = prepare_with_channels(workspace, recipe, request.options, platforms=(request.platform,))
    if unknown := sorted(set(request.groups) - set(recipe.groups)):
        known = ", ".join(sorted(recipe.groups)) or "none"
        raise UsageError(f"{recipe.name} has no group {', '.join(unknown)}", hint=f"its groups are: {known}")
    warn(*prepared.warnings)
    text = plain(prepared.plans[request.platform], groups=(MAIN_GROUP, *request.groups))
    return RenderResult(texts={ENVIRONMENT_FILE: text}, written=(), warnings=warn.given)
