"""`envbuild sync`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.environments import drift_json, drift_lines, environment_argument
from builder.cli.session import Output, verb
from builder.wording import plural

if TYPE_CHECKING:
    from rich.console import RenderableType

    from builder.cli.session import Session
    from builder.operations.syncing import SyncResult


@verb("sync", left="the environment is changed whole or not at all; `envbuild status` says how it stands")
@environment_argument()
@click.option("--prune", is_flag=True, help="Also remove packages and code that the lock does not know.")
@options.mirror_option
@click.option("--verify/--no-verify", "prove", default=True, help="Prove that it works afterwards (default: yes).")
def command(session: Session, *, environment: str, prune: bool, mirrors: tuple[str, ...], prove: bool) -> Output:
    """Bring an environment to its lock: repair exactly what differs, and verify it.

    Files that are missing or changed are restored, other versions are replaced; the rest stays as it is. What the
    lock does not know is named, and removed with --prune only. If anything fails, the environment is as it was.

    \b
    Examples:
      envbuild sync ml-m1
      envbuild sync ml-m1 --prune
      envbuild sync ./prefix --no-verify
    """
    from builder.operations.syncing import SyncRequest, sync

    request = SyncRequest(environment=environment, prune=prune, prove=prove)
    synced = sync(session.workspace(mirrors=mirrors), request)
    return Output(
        result={
            "name": synced.name,
            "prefix": str(synced.prefix),
            "lock": str(synced.lock) if synced.lock is not None else None,
            "changed": synced.changed,
            "ending": synced.ending.value,
            "found": drift_json(synced.found),
            "left": drift_json(synced.left),
            "verification": synced.report.to_json() if synced.report is not None else None,
        },
        text=_text(synced, details=session.verbose, quiet=session.quiet),
        told=synced.problem is None,
        errors=(synced.problem,) if synced.problem is not None else (),
    )


def _text(synced: SyncResult, *, details: bool, quiet: bool) -> str | RenderableType:
    found = list(drift_lines(synced.found, details=details))
    if synced.changed:
        count = len(synced.found.differences)
        what = f"{plural(count, 'package')} differed" if count else "what the lock does not know is gone"
        lines = [f"synced {synced.name}: {what}", *(f"  {line}" for line in found)]
    elif not found:
        lines = [f"{synced.name} is as its lock says; nothing to repair"]
    else:
        lines = [f"{synced.name} was left as it was", *(f"  {line}" for line in found)]
    if synced.report is None:
        return "\n".join(lines)
    from builder.report.text import brief, followed

    return brief(synced.report) if quiet else followed(synced.report, lines)
