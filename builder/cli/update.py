"""`envbuild update`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from builder.cli.session import Session
    from builder.operations.updating import UpdateResult


@verb("update", left="nothing was written, and the lock stays as it was")
@options.recipe_argument
@click.argument("packages", nargs=-1, metavar="[PACKAGE]...", shell_complete=options.complete_locked_package)
@click.option("--all", "everything", is_flag=True, help="Take every package anew.")
@options.exclude_newer_option
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing: only say what would move.")
@options.offline_option
@options.mirror_option
def command(
    session: Session,
    *,
    name: str,
    packages: tuple[str, ...],
    everything: bool,
    exclude_newer: datetime | None,
    dry_run: bool,
    mirrors: tuple[str, ...],
) -> Output:
    """Take newer versions of the named packages into a lock, within what the recipe and the facts allow.

    Everything else stays where it is, unless a named package needs it to move; what moved is listed with the reason.

    \b
    Examples:
      envbuild update ml-m1 pandas
      envbuild update ml-m1 torch --dry-run
      envbuild update ml-m1 --all --exclude-newer 2026-01-31
    """
    from builder.cli.moves import moves_json
    from builder.operations.fetching import Solvers
    from builder.operations.updating import UpdateRequest, update

    request = UpdateRequest(
        recipe=name, packages=packages, everything=everything, exclude_newer=exclude_newer, dry_run=dry_run
    )
    workspace = session.workspace(mirrors=mirrors)
    done = update(workspace, request, solvers=session.leave(Solvers(workspace)))
    return Output(
        result={
            "name": name,
            "file": str(done.locked.file),
            "written": done.written,
            "moves": moves_json(done.locked.moves),
            "stayed": [{"name": asked, "version": version} for asked, version in done.stayed.items()],
        },
        text="\n".join(_lines(done)),
        told=not dry_run,
    )


def _lines(done: UpdateResult) -> Iterator[str]:
    from builder.lock.moves import told

    yield from told(done.locked.moves)
    for name, version in done.stayed.items():
        yield f"{name} stays at {version}, the best that fits the recipe and the rest"
    if not done.locked.moves and not done.stayed:
        yield "everything is at the newest versions that fit"
    yield f"wrote {done.locked.file}" if done.written else f"dry run: {done.locked.file} is unchanged"
