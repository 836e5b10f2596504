"""`envbuild list`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.operations.listing import ListedRecipe


@verb("list")
def command(session: Session) -> Output:
    """Show the recipes that can be named, whether they are locked, and which environments exist by their names.

    \b
    Examples:
      envbuild list
      envbuild list --json
    """
    from rich.table import Table
    from rich.text import Text

    from builder.operations.listing import list_recipes

    recipes = list_recipes(session.workspace()).recipes
    table = Table(box=None, pad_edge=False)
    for title in ("recipe", "platforms", "lock", "environment", "description"):
        table.add_column(title)
    for recipe in recipes:
        if recipe.error is not None:
            table.add_row(recipe.name, "", "", "", Text(f"broken: {recipe.error}", style="red"))
            continue
        marks = ["yes" if there else "–" for there in (recipe.lock, recipe.environment)]
        table.add_row(recipe.name, " ".join(recipe.platforms), *marks, Text(recipe.description))
    return Output(result={"recipes": [_json(recipe) for recipe in recipes]}, text=table)


def _json(recipe: ListedRecipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "file": str(recipe.file),
        "lock": str(recipe.lock) if recipe.lock else None,
        "environment": str(recipe.environment) if recipe.environment else None,
        "platforms": list(recipe.platforms),
        "description": recipe.description,
        "error": recipe.error,
    }
