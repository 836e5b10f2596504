"""`envbuild activate`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli.environments import environment_argument
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("activate")
@environment_argument()
@click.option(
    "--shell",
    type=click.Choice(["bash", "zsh", "fish", "powershell", "xonsh"]),
    help="The shell that the code is for (default: yours, by $SHELL).",
)
def command(session: Session, *, environment: str, shell: str | None) -> Output:
    """Print the code that activates an environment in a shell, activation scripts of its packages included.

    \b
    Examples:
      eval "$(envbuild activate ml-m1)"
      envbuild activate ml-m1 --shell fish | source
      envbuild activate ml-m1 --shell powershell | Out-String | iex
    """
    from builder.operations.running import ActivateRequest, activate

    activated = activate(session.workspace(), ActivateRequest(environment=environment, shell=shell))
    return Output(
        result={"prefix": str(activated.prefix), "shell": activated.shell, "script": activated.script},
        text=activated.script,
        verbatim=True,
    )
