"""`envbuild init`"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from builder.cli.session import Outcome, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from builder.cli.session import Session

_RECIPE: Final = """\
# yaml-language-server: $schema={schema}
name: {name}
description: What this environment is for.
extends: {base}
dependencies: []
"""


@verb("init")
@click.argument("name", metavar="RECIPE")
@click.option("--extends", "base", default="ml-m1", show_default=True, help="The recipe to build on.")
def command(session: Session, name: str, base: str) -> Outcome:
    """Begin a recipe of your own: recipes/RECIPE.yaml, and the schema that editors complete it by.

    \b
    Examples:
      envbuild init our-models
      envbuild init our-gpu --extends ml-m1-metal
    """
    from builder.files import write_atomically
    from builder.frameworks.registry import all_frameworks
    from builder.recipe.model import NAME_PATTERN
    from builder.recipe.schema import SCHEMA_FILE, schema_text

    project = session.project
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"{name!r} is not a name for a recipe", hint="use lower-case letters, digits, '.', '_', '-'")
    project.recipe_file(base)
    folder = project.root / "recipes"
    file = folder / f"{name}.yaml"
    if file.exists():
        raise UsageError(f"{file} exists already", hint="edit it, or choose another name")
    frameworks = [name for entry in all_frameworks() for name in (entry.name, *entry.aliases)]
    write_atomically(folder / SCHEMA_FILE, schema_text(frameworks))
    write_atomically(file, _RECIPE.format(name=name, base=base, schema=SCHEMA_FILE))
    text = f"wrote {file}\nadd what you need under `dependencies:`, then run `envbuild create {name}`"
    return Outcome(result={"name": name, "file": str(file)}, text=text)
