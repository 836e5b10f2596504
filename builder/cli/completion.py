"""`envbuild completion`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(_session: Session, shell: str) -> Output:
    """Print the completion script of a shell.

    \b
    Examples:
      envbuild completion zsh > ~/.zfunc/_envbuild
      eval "$(envbuild completion bash)"
    """
    from click.shell_completion import get_completion_class

    from builder.cli import cli

    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(cli, {}, "envbuild", "_ENVBUILD_COMPLETE").source()
    return Output(result={"shell": shell, "script": script}, text=script, verbatim=True)
