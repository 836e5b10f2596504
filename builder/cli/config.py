"""`envbuild config`"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from builder.cli.session import Session
    from builder.operations.configuring import Setting


@verb("config")
@click.argument("what", metavar="[show]", type=click.Choice(["show"]), default="show", expose_value=False)
@options.mirror_option
@options.offline_option
def command(session: Session, *, mirrors: tuple[str, ...]) -> Output:
    """Show every setting that counts here, and where it is from: a file with its line, a variable, or the default.

    Of uv's settings those that say where packages come from; of credentials who has them for which hosts. Passwords and
    tokens are masked.

    \b
    Examples:
      envbuild config show
      envbuild config show --json
    """
    from builder.operations.configuring import show_config

    settings = show_config(session.workspace(mirrors=mirrors))
    return Output(
        result={
            "settings": [
                {"area": one.area, "name": one.name, "value": one.value, "source": one.source} for one in settings
            ]
        },
        text=_drawn(settings),
    )


def _drawn(settings: Sequence[Setting]) -> RenderableType:
    """A line a setting, under the name of its area."""
    from rich.console import Group
    from rich.text import Text

    from builder.hanging import Hanging

    width = max(len(one.name) for one in settings)
    lines: list[Text] = []
    for area, group in groupby(settings, key=lambda one: one.area):
        lines.append(Text(area, style="bold"))
        lines += [
            Text.assemble(f"  {one.name.ljust(width)}  {one.value} ", (f"[{one.source}]", "dim")) for one in group
        ]
    return Group(*map(Hanging, lines))
