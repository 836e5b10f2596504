"""What verification shall expect of an environment, from its recipe and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.environment.stamp import Expectations
from builder.frameworks import registry

if TYPE_CHECKING:
    from builder.plan.model import Plan
    from builder.recipe.model import Recipe


def expectations(recipe: Recipe, plan: Plan | None) -> Expectations:
    """The expectations that `create` stamps into the prefix."""
    framework = registry.framework(recipe.framework.name)
    osx = plan is not None and plan.subdir.is_osx
    return Expectations(
        framework=framework.name if framework.main else None,
        provider=plan.provider if plan else None,
        gpu=plan.gpu if plan else False,
        blas=recipe.blas if osx else None,
        macos=recipe.macos if osx else None,
        imports=recipe.verify.imports,
        snippets=recipe.verify.snippets,
        devices=dict(recipe.verify.devices.items()) if osx or not recipe.framework.gpu else {},
        tolerances=dict(recipe.verify.tolerances.items()),
        mandatory=plan.mandatory_checks if plan else (),
    )
