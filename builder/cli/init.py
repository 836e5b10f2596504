"""`envbuild init`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("init")
@click.argument("name", metavar="RECIPE")
@click.option("--extends", "base", default="ml-m1", show_default=True, help="The recipe to build on.")
def command(session: Session, *, name: str, base: str) -> Output:
    """Begin a recipe of your own: recipes/RECIPE.yaml, and the schema that editors complete it by.

    \b
    Examples:
      envbuild init our-models
      envbuild init our-gpu --extends ml-m1-metal
    """
    from builder.operations.initialising import InitRequest, init

    file = init(session.workspace(), InitRequest(recipe=name, extends=base)).file
    text = f"wrote {file}\nadd what you need under `dependencies:`, then run `envbuild create {name}`"
    return Output(result={"name": name, "file": str(file)}, text=text, told=True)
