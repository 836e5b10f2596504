"""`envbuild clean`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from builder.cli.session import Output, verb
from builder.errors import BuildError
from builder.wording import bytes_told

if TYPE_CHECKING:
    from builder.cli.session import Session

_KINDS: Final = {
    "packages": "PACKAGES",
    "uv": "WHEELS",
    "archives": "ARCHIVES",
    "trash": "TRASH",
    "channels": "CHANNELS",
}


@verb("clean", left="what was not deleted, the next `envbuild clean` deletes")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@click.option("--only", multiple=True, type=click.Choice(list(_KINDS)), help="Only this kind (repeatable).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def command(session: Session, *, dry_run: bool, only: tuple[str, ...], yes: bool) -> Output:
    """Delete what can be fetched or made again: package caches, and what killed runs have left.

    The cache of conda packages (shared with pixi), uv's cache, what `pack` has fetched, trash beside environments, and
    Pythons packaged for --source pypi that nothing names any more. Environments, recipes and locks stay, and work on.

    \b
    Examples:
      envbuild clean --dry-run
      envbuild clean --only trash --yes
    """
    from builder.operations.cleaning import CleanPlan, CleanRequest, What, clean, cleanable

    workspace = session.workspace()
    plan = cleanable(workspace, CleanRequest(only=tuple(What[_KINDS[kind]] for kind in only)))
    listed = [f"  {item.what:<15} {bytes_told(item.size.freed):>9}  {item.path}" for item in plan.items]
    done = CleanPlan(items=(), kept=plan.kept)
    if plan.items and not dry_run:
        session.confirm("\n".join(("delete?", *listed, f"{bytes_told(plan.freed)} would be freed")), yes=yes)
        done = clean(workspace, plan)
    lines = [f"left alone: {reason}" for reason in done.kept]
    if dry_run:
        lines = [*listed, f"{bytes_told(plan.freed)} would be freed", *lines]
    elif plan.items:
        lines = [f"freed {bytes_told(done.freed)}", *lines]
    else:
        lines = ["there is nothing to clean", *lines]
    failed = len(done.kept) > len(plan.kept)
    return Output(
        result={
            "dry_run": dry_run,
            "items": [
                {"kind": item.what.value, "path": str(item.path), "bytes": item.size.taken, "freed": item.size.freed}
                for item in (plan if dry_run else done).items
            ],
            "freed": plan.freed if dry_run else done.freed,
            "kept": list(done.kept),
        },
        text="\n".join(lines),
        told=not dry_run,
        errors=(BuildError("something could not be deleted", hint="see what is said of it above"),) if failed else (),
    )
