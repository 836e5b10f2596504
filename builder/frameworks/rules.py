"""What a recipe may not ask of its framework: contradictions that no single field's type can see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.errors import UsageError
from builder.frameworks import registry
from builder.recipe.model import Objection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.recipe.model import Recipe


def objections(recipe: Recipe) -> Iterator[Objection]:
    """Everything that is wrong with `framework:` and its platforms, each with the field and what to write."""
    asked = recipe.framework
    try:
        framework = registry.framework(asked.name)
    except UsageError as error:
        yield Objection(("framework", "name"), error.message, error.hint or "")
        return
    elsewhere = set(recipe.subdirs) - set(framework.platforms)
    if elsewhere:
        exists = ", ".join(framework.platforms)
        yield Objection(("platforms",), f"{framework.title} exists on {exists} only", f"write `platforms: [{exists}]`")
    if asked.provider == "metal" and framework.plugin is None:
        hosts = " or ".join(entry.title for entry in registry.all_frameworks() if entry.plugin is not None)
        yield Objection(
            ("framework", "provider"),
            f"`provider: metal` is Apple's plug-in for {hosts}, not for {asked.name}",
            f"write `provider: conda-forge`{f' ({framework.gpu})' if framework.gpu else ''}",
        )
    elif asked.provider == "metal" and "osx-arm64" not in recipe.platforms:
        yield Objection(
            ("framework", "provider"), "`provider: metal` needs osx-arm64 among the platforms", "add osx-arm64"
        )
    if not framework.main and (asked.version or asked.keras or asked.plugin or asked.gpu):
        first = registry.all_frameworks()[0].name
        yield Objection(
            ("framework",), "a version or GPU is asked for, but no framework", f"add for instance `name: {first}`"
        )
