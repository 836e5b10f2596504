"""`envbuild run`"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from builder.cli.environments import complete_program, environment_argument
from builder.cli.session import Output, verb
from builder.errors import CommandNotFoundError

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("run", options_first=True)
@environment_argument()
@click.argument(
    "command_line",
    metavar="[--] COMMAND...",
    nargs=-1,
    type=click.UNPROCESSED,
    shell_complete=complete_program,
)
def command(session: Session, *, environment: str, command_line: tuple[str, ...]) -> Output:
    """Run a command in an environment, as if that were activated.

    The command takes the place of envbuild: it gets its signals, and its exit code is the one you see; 127 where there
    is no such program. Options of envbuild go before the environment. With --json nothing is run; what would be is
    said.

    \b
    Examples:
      envbuild run ml-m1 python train.py --epochs 3
      envbuild run ml-m1 -- jupyter lab
      envbuild run ./prefix python -c "import keras"
    """
    from builder.operations.running import RunRequest, run

    # Whoever writes `NAME -- COMMAND` means COMMAND: click takes away only what ends its own options.
    words = command_line[1:] if command_line[:1] == ("--",) else command_line
    launch = run(session.workspace(), RunRequest(environment=environment, command=words))
    if not session.json:
        session.close()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        try:
            os.execvpe(launch.arguments[0], list(launch.arguments), dict(launch.environ))  # noqa: S606
        except OSError as error:
            raise CommandNotFoundError(f"{words[0]} cannot be run: {error.strerror}") from None
    return Output(result={"prefix": str(launch.prefix), "arguments": list(launch.arguments)})
