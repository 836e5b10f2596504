"""`envbuild list`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.session import Outcome, verb
from builder.errors import RecipeError

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("list")
def command(session: Session) -> Outcome:
    """Show the recipes that can be named, whether they are locked, and which environments exist by their names.

    \b
    Examples:
      envbuild list
      envbuild list --json
    """
    from rich.table import Table
    from rich.text import Text

    from builder.config import load_config
    from builder.environment.stamp import read_stamp
    from builder.environment.store import store

    table = Table(box=None, pad_edge=False)
    for title in ("recipe", "platforms", "lock", "environment", "description"):
        table.add_column(title)
    envs_dir = load_config(session.environ).envs_dir
    known = store(home=Path.home(), environ=session.environ, cwd=Path.cwd(), envs_dir=envs_dir)
    entries = []
    for name, file in session.project.recipe_files().items():
        lock = session.project.committed_lock(name)
        prefix = known.prefix_for(name)
        built = str(prefix) if read_stamp(prefix) else None
        entry: dict[str, object] = {
            "name": name,
            "file": str(file),
            "lock": str(lock) if lock else None,
            "environment": built,
        }
        try:
            recipe = session.project.recipe(name)
            entry |= {"platforms": list(recipe.platforms), "description": recipe.description, "error": None}
            marks = ["yes" if there else "–" for there in (lock, built)]
            table.add_row(name, " ".join(recipe.platforms), *marks, Text(recipe.description))
        except RecipeError as error:
            entry |= {"platforms": [], "description": "", "error": error.message}
            table.add_row(name, "", "", "", Text(f"broken: {error.message}", style="red"))
        entries.append(entry)
    return Outcome(result={"recipes": entries}, text=table)
