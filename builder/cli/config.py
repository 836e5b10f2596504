"""`envbuild config`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("config")
@click.argument("what", type=click.Choice(["show"]), expose_value=False)
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
    from rich.table import Table
    from rich.text import Text

    from builder.operations.configuring import show_config

    settings = show_config(session.workspace(mirrors=mirrors))
    table = Table(box=None, pad_edge=False)
    for title in ("", "setting", "value", "from"):
        table.add_column(title, overflow="fold")
    area = ""
    for one in settings:
        shown = one.area if one.area != area else ""
        area = one.area
        table.add_row(Text(shown, style="bold"), Text(one.name), Text(one.value), Text(one.source, style="dim"))
    return Output(
        result={
            "settings": [
                {"area": one.area, "name": one.name, "value": one.value, "source": one.source} for one in settings
            ]
        },
        text=table,
    )
