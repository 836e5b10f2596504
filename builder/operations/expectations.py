"""What verification shall expect of an environment, from its recipe and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.environment.stamp import Expectations

if TYPE_CHECKING:
    from builder.plan.model import Plan
    from builder.recipe.model import Recipe


def expectations(recipe: Recipe, plan: Plan | None) -> Expectations:
    """The expectations that `create` stamps into the prefix."""
    provider = plan.provider if plan else None
    framework = recipe.framework
    osx = plan is not None and plan.subdir.is_osx
    return Expectations(
        framework=None if framework.name == "none" else framework.name,
        provider=provider,
        gpu=osx and provider == "metal",
        blas=recipe.blas if osx else None,
        macos=recipe.macos if osx else None,
        imports=recipe.verify.imports,
        snippets=recipe.verify.snippets,
        devices=dict(recipe.verify.devices.items()) if osx or not framework.gpu else {},
        tolerances=dict(recipe.verify.tolerances.items()),
        mandatory=plan.mandatory_checks if plan else (),
    )
