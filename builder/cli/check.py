"""`envbuild check`"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.operations.checking import CheckedLock


@verb("check")
@click.argument("names", metavar="[RECIPE]...", nargs=-1, shell_complete=options.complete_recipe)
@click.option("--require-proof", is_flag=True, help="End with 1 where a platform is not proven, or its proof is stale.")
def command(session: Session, *, names: tuple[str, ...], require_proof: bool) -> Output:
    """Say whether locks are sound and still match their recipes. Solves nothing and needs no network.

    Without a name: every recipe and every lock of the project. Exit code 1 when a lock is out of date or missing, or
    when there is nothing to check; 2 when a lock or a recipe is unsound.

    \b
    Examples:
      envbuild check
      envbuild check ml-m1
      envbuild check --require-proof
    """
    from builder.operations.checking import CheckRequest, check

    checked = check(session.workspace(), CheckRequest(recipes=names, require_proof=require_proof))
    entries = [
        {
            "name": entry.name,
            "ok": entry.problem is None,
            "state": entry.state,
            "message": entry.problem.message if entry.problem else None,
            "notes": list(entry.notes),
            "proofs": {subdir: asdict(proof) for subdir, proof in entry.proofs.items()},
        }
        for entry in checked.locks
    ]
    lines = [line for entry in checked.locks for line in (f"{entry.name}: {entry.state}", *_told(entry))]
    return Output(
        result={"locks": entries},
        text="\n".join(lines) or None,
        errors=checked.problems,
    )


def _told(entry: CheckedLock) -> list[str]:
    """What is proven of each platform."""
    return [
        f"  {proof.state} on {subdir}" + (f", {proof.phrase}" if proof.phrase else "")
        for subdir, proof in entry.proofs.items()
    ]
