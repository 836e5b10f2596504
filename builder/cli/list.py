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
    from builder.hanging import aligned
    from builder.operations.listing import list_recipes

    recipes = list_recipes(session.workspace()).recipes
    return Output(
        result={"recipes": [_json(recipe) for recipe in recipes]}, text="\n".join(aligned(list(map(_row, recipes))))
    )


def _row(recipe: ListedRecipe) -> tuple[str, ...]:
    if recipe.error is not None:
        return (recipe.name, "broken", "", recipe.error)
    marks = ("locked" if recipe.lock else "", "built" if recipe.environment else "")
    return (recipe.name, *marks, f"{recipe.description} ({', '.join(recipe.platforms)})")


def _environments(session: Session) -> Output:
    from builder.hanging import aligned
    from builder.operations.listing import list_environments

    found = list_environments(session.workspace())
    rows = [("environment", "kind", "size", "lock", "proof", "prefix")]
    for one in found:
        proof = (one.proof.value if one.proof is not None else "none") if one.step is not None else ""
        step = one.step.value if one.step is not None else ""
        rows.append((one.name, one.kind, bytes_told(one.bytes), step, proof, str(one.prefix)))
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
    return Output(
        result={"environments": entries}, text="\n".join(aligned(rows)) if found else "there is no environment yet"
    )


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
