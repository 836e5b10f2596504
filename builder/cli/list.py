"""`envbuild list`"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.cli.session import Outcome, verb
from builder.errors import RecipeError

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("list")
def command(session: Session) -> Outcome:
    """Show the recipes that can be named, where they come from, and whether they are locked.

    \b
    Examples:
      envbuild list
      envbuild list --json
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("recipe", "platforms", "lock", "description"):
        table.add_column(title)
    entries = []
    for name, file in session.project.recipe_files().items():
        lock = session.project.committed_lock(name)
        entry: dict[str, object] = {"name": name, "file": str(file), "lock": str(lock) if lock else None}
        try:
            recipe = session.project.recipe(name)
            entry |= {"platforms": list(recipe.platforms), "description": recipe.description, "error": None}
            table.add_row(name, " ".join(recipe.platforms), "yes" if lock else "–", Text(recipe.description))
        except RecipeError as error:
            entry |= {"platforms": [], "description": "", "error": error.message}
            table.add_row(name, "", "", Text(f"broken: {error.message}", style="red"))
        entries.append(entry)
    return Outcome(result={"recipes": entries}, text=table)
