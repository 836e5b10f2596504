"""`envbuild diff`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import draw_diff, options
from builder.cli.environments import complete_environment
from builder.cli.session import Output, verb
from builder.platforms import Subdir

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("diff")
@click.argument("operands", nargs=-1, metavar="[RECIPE] [REV|FILE] [REV|FILE]", shell_complete=options.complete_diff)
@click.option("--markdown", is_flag=True, help="As a table for a pull request.")
@click.option("--platforms", nargs=2, type=options.SUBDIR, metavar="A B", help="Compare two platforms of one lock.")
@click.option(
    "--prefix",
    "environment",
    metavar="NAME|PREFIX",
    shell_complete=complete_environment,
    help="Compare what is installed there with the lock.",
)
@options.mirror_option
def command(
    session: Session,
    *,
    operands: tuple[str, ...],
    markdown: bool,
    platforms: tuple[str, str] | None,
    environment: str | None,
    mirrors: tuple[str, ...],
) -> Output:
    """Show what differs between two states of a lock: files, or git revisions.

    With one state: between it and the lock as it is now; with none: since HEAD. Without a recipe: all locks of the
    project. Python, the framework, Keras, BLAS and OpenMP come first. Nothing is solved and nobody is asked.

    \b
    Examples:
      envbuild diff
      envbuild diff ml-m1 HEAD~3
      envbuild diff ml-m1 main HEAD --markdown
      envbuild diff ml-m1 --platforms osx-arm64 linux-64
      envbuild diff ml-m1 --prefix ~/envs/old
      envbuild diff old.yml new.yml
    """
    from builder.operations.diffing import DiffRequest, diff

    request = DiffRequest(
        operands=operands,
        platforms=(Subdir(platforms[0]), Subdir(platforms[1])) if platforms else None,
        environment=environment,
    )
    found = diff(session.workspace(mirrors=mirrors), request).comparisons
    draw = draw_diff.markdown if markdown else draw_diff.text
    return Output(
        result={"comparisons": [draw_diff.as_json(one) for one in found]},
        text="\n\n".join(draw(one) for one in found),
        verbatim=markdown,
    )
