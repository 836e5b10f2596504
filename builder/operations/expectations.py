"""What verification shall expect of an environment, from its recipe and plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.environment.stamp import Expectations
from builder.errors import EnvbuildError
from builder.frameworks import registry

if TYPE_CHECKING:
    from builder.environment.stamp import Stamp
    from builder.plan.model import Plan
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe
    from builder.workspace import Workspace


def expectations(recipe: Recipe, plan: Plan | None) -> Expectations:
    """The expectations that `create` stamps into the prefix; `plan` is None where the recipe is for other ones."""
    framework = registry.framework(recipe.framework.name)
    osx = plan is not None and plan.subdir.is_osx
    return Expectations(
        framework=framework.name if framework.main else None,
        provider=plan.provider if plan else None,
        gpu=plan.gpu if plan else False,
        blas=recipe.blas if osx else None,
        macos=recipe.macos if osx else None,
        mandatory=plan.mandatory_checks if plan else (),
        **_asked(recipe, plan.subdir if plan else None),
    )


def asks_for_the_same(recipe: Recipe, stamp: Stamp) -> bool:
    """Whether the recipe's `verify:` is still what the environment with this stamp was built to pass."""
    asked = _asked(recipe, stamp.subdir)
    return all(getattr(stamp.expectations, name) == value for name, value in asked.items())


def asks_for_others(workspace: Workspace, stamp: Stamp) -> bool:
    """Whether the project's recipe asks for other checks by now than the environment with this stamp was built to pass.

    Of a recipe that is not there, or broken, that is not known.
    """
    if stamp.recipe not in workspace.project.recipe_files():
        return False
    try:
        recipe = workspace.project.recipe(stamp.recipe)
    except EnvbuildError:
        # What is wrong with the recipe is nothing that the environment's proof is about.
        return False
    return not asks_for_the_same(recipe, stamp)


def _asked(recipe: Recipe, subdir: Subdir | None) -> dict[str, Any]:
    """The recipe's own checks. A GPU is a Mac's: elsewhere no device is demanded of a recipe that wants one."""
    on_mac = subdir is not None and subdir.is_osx
    return {
        "imports": recipe.verify.imports,
        "snippets": recipe.verify.snippets,
        "devices": dict(recipe.verify.devices.items()) if on_mac or not recipe.framework.gpu else {},
        "tolerances": dict(recipe.verify.tolerances.items()),
    }
