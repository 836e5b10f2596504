"""`envbuild list`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from builder.cli.session import Output, verb
from builder.wording import bytes_told

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.operations.listing import ListedRecipe


@verb("list")
@click.option("--environments", is_flag=True, help="All environments of yours, whoever made them, instead of recipes.")
def command(session: Session, *, environments: bool) -> Output:
    """Show the recipes that can be named, whether they are locked, and which environments exist by their names.

    \b
    Examples:
      envbuild list
      envbuild list --json
      envbuild list --environments
    """
    if environments:
        return _environments(session)
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


def _environments(session: Session) -> Output:
    from rich.table import Table
    from rich.text import Text

    from builder.operations.listing import list_environments

    found = list_environments(session.workspace())
    table = Table(box=None, pad_edge=False)
    for title in ("environment", "kind", "size", "lock", "proof", "prefix"):
        table.add_column(title, justify="right" if title == "size" else "left")
    for one in found:
        proof = (one.proof.value if one.proof is not None else "none") if one.step is not None else ""
        step = one.step.value if one.step is not None else ""
        table.add_row(
            *(Text(text) for text in (one.name, one.kind, bytes_told(one.bytes), step, proof, str(one.prefix)))
        )
    entries = [
        {
            "name": one.name,
            "prefix": str(one.prefix),
            "kind": one.kind,
            "bytes": one.bytes,
            "lock": one.step.value if one.step is not None else None,
            "proof": one.proof.value if one.proof is not None else None,
            "proof_level": one.proof_level,
        }
        for one in found
    ]
    return Output(result={"environments": entries}, text=table if found else "there is no environment yet")


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
