"""`envbuild check`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("check")
@click.argument("names", metavar="[RECIPE]...", nargs=-1)
def command(session: Session, *, names: tuple[str, ...]) -> Output:
    """Say whether locks are sound and still match their recipes. Solves nothing and needs no network.

    Without a name: every recipe and every lock of the project. Exit code 1 when a lock is out of date or missing, or
    when there is nothing to check; 2 when a lock or a recipe is unsound.

    \b
    Examples:
      envbuild check
      envbuild check ml-m1
    """
    from builder.operations.checking import CheckRequest, check

    checked = check(session.workspace(), CheckRequest(recipes=names))
    entries = [
        {
            "name": entry.name,
            "ok": entry.problem is None,
            "state": entry.state,
            "message": entry.problem.message if entry.problem else None,
        }
        for entry in checked.locks
    ]
    lines = [f"{entry.name}: {entry.state}" for entry in checked.locks]
    return Output(
        result={"locks": entries},
        text="\n".join(lines) or None,
        exit_code=max((problem.exit_code for problem in checked.problems), default=0),
        errors=checked.problems,
    )
