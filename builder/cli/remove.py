"""`envbuild remove`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli.environments import environment_argument
from builder.cli.session import Output, verb
from builder.wording import bytes_told

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("remove")
@environment_argument()
@click.option("--force", is_flag=True, help="Also an environment that envbuild did not make.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def command(session: Session, *, environment: str, force: bool, yes: bool) -> Output:
    """Delete an environment, and take it off the lists of conda, Jupyter and the project's VS Code settings.

    Never a link, a system folder, your home directory or a conda installation. Recipe and lock stay.

    \b
    Examples:
      envbuild remove ml-m1
      envbuild remove ./prefix --yes
    """
    from builder.operations.removing import RemoveRequest, removable, remove

    workspace = session.workspace()
    request = RemoveRequest(environment=environment, force=force)
    target = removable(workspace, request)
    whose = "" if target.is_ours else ", which envbuild did not make"
    session.confirm(f"delete {target.prefix} ({bytes_told(target.size.taken)}){whose}?", yes=yes)
    removed = remove(workspace, request)
    lines = [f"removed {removed.prefix} ({bytes_told(removed.size.freed)} freed)", *removed.unregistered]
    return Output(
        result={
            "prefix": str(removed.prefix),
            "bytes": removed.size.taken,
            "freed": removed.size.freed,
            "unregistered": list(removed.unregistered),
        },
        text="\n".join(lines),
        told=True,
    )
