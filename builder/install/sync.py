"""`sync`: an environment that is there brought to its lock again, by repairing exactly what differs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.environment.environment import Environment
from builder.environment.recorded import rewritten
from builder.environment.register import remember
from builder.errors import BuildError, UsageError
from builder.install import transaction
from builder.install.create import NotProvenError, Result, accepted, adopted, proven, stamped
from builder.install.repair import needs_whole
from builder.install.update import compare, updating, with_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from builder.install.create import CreateRequest, Proof, Surroundings
    from builder.install.drift import Drift
    from builder.lock.model import LockedPackage


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What a `sync` found, how it ended, and what it left as it was."""

    result: Result
    found: Drift
    left: Drift
    """What differs still: packages and files that the lock does not know, and what was not asked for."""


def sync(
    packages: Sequence[LockedPackage],
    request: CreateRequest,
    around: Surroundings,
    *,
    waiting: Callable[[], None],
    prune: bool = False,
    only: frozenset[str] | None = None,
    proof: Callable[[Path], Proof] | None = None,
) -> Synced:
    """Bring the environment at the request's prefix to `packages`, and prove it again.

    Packages and code that the lock does not know are removed with `prune` only, except where they lie in the place of
    what is restored. `only` limits the repair to packages and files of these names. Where the lock is the one the
    environment was built from, a repair stays although the proof fails; where it is another one, the environment as it
    was is put back. Raises BuildError, SourceUnreachableError, UsageError; then the environment is as it was.
    """
    prefix = request.prefix
    with transaction.exclusive(prefix, waiting=waiting) as place:
        previous = transaction.current(place)
        if previous is None:
            raise UsageError(
                f"{prefix}: there is no environment here", hint=f"`envbuild create {request.recipe}` builds it"
            )
        stamp = replace(
            previous,
            lock_sha256=request.lock_sha256 if only is None else previous.lock_sha256,
            packages=tuple(stamped(package) for package in packages),
            expectations=request.expectations,
            prefix=str(prefix),
        )
        environment = Environment(prefix, subdir=request.subdir)
        doubted = rewritten(environment, previous)
        found = compare(environment, stamp.packages, around, before=previous.packages, rewritten=doubted)
        asked = found if only is None else found.only(only)
        if asked.restored and not (prune and (asked.unknown or asked.strays)):
            result = adopted(place, previous, stamp, request, proof=proof)
            return Synced(result=result, found=found, left=found)
        reason = needs_whole(environment, packages)
        if reason is not None:
            raise BuildError(
                f"{prefix} cannot be synced: {reason}",
                hint=f"build it anew as a whole: {shlex.join((*previous.create_command(prefix), '--force'))}",
            )
        changed = previous.lock_sha256 != stamp.lock_sha256
        try:
            with updating(
                place, environment, found, doubted, packages, stamp.packages, request, around, prune=prune, only=only
            ) as left:
                stamp = with_records(stamp, Environment(prefix), previous=previous, left=left)
                remember(prefix, stamp)
                transaction.write_stamp(place, replace(stamp, proof=None))
                if changed and proof is not None:
                    return Synced(result=accepted(place, stamp, proof, Result.UPDATED), found=found, left=left)
        except NotProvenError:
            return Synced(result=Result.RESTORED, found=found, left=found)
        result = Result.UPDATED
        if proof is not None and not proven(place, stamp, proof).passed:
            result = Result.UNPROVEN
        return Synced(result=result, found=found, left=left)
