"""An environment brought to its packages in place, inside the transaction: what differs, and nothing else."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from builder.environment.environment import Environment
from builder.environment.recorded import note_digests
from builder.errors import BuildError
from builder.install import transaction
from builder.install.drift import drift
from builder.install.repair import repair, work_for
from builder.install.twin import make_twin, shared_files
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from builder.environment.place import Place
    from builder.environment.stamp import Stamp, StampedPackage
    from builder.install.create import CreateRequest, Surroundings
    from builder.install.drift import Drift
    from builder.lock.model import LockedPackage

_TASK: Final = "compare"


def compare(
    environment: Environment,
    wanted: Sequence[StampedPackage],
    around: Surroundings,
    *,
    before: Sequence[StampedPackage] = (),
    rewritten: Collection[str] = (),
) -> Drift:
    """`drift`, with progress: reading every file of a large environment takes seconds."""
    around.progress.update(_TASK, f"comparing {environment.path} with its lock")
    found = drift(environment, wanted, before=before, rewritten=rewritten)
    around.progress.done(_TASK, f"compared {found.packages:,} packages and {found.files:,} files with the lock")
    return found


def with_records(stamp: Stamp, environment: Environment, *, previous: Stamp, left: Drift) -> Stamp:
    """The stamp with what is noted of the files of its packages by now. Of what was not restored, it stays as it was:
    nothing gets true by being there when something else is repaired.
    """
    unrestored = {f"{one.manager}:{one.name}" for one in left.differences}
    kept = {key: digest for key, digest in previous.records.items() if key in unrestored}
    return replace(
        stamp, records=note_digests(environment.conda_records, environment.distributions, stamp.packages) | kept
    )


@contextmanager
def updating(
    place: Place,
    environment: Environment,
    found: Drift,
    rewritten: Collection[str],
    packages: Sequence[LockedPackage],
    wanted: Sequence[StampedPackage],
    request: CreateRequest,
    around: Surroundings,
    *,
    prune: bool,
    exact: bool = False,
    only: frozenset[str] | None = None,
) -> Iterator[Drift]:
    """Put `found` right; inside, the environment is as `packages` say, and what is given is what it still differs in.

    `wanted` are the same packages as stamped, `rewritten` those whose notes of their files cannot be believed. On any
    exception, one raised inside too, the environment is what it was before. `exact`: what no package brought does not
    stay, as in an environment that is built as a whole. Raises BuildError where something is not as locked afterwards,
    SourceUnreachableError.
    """
    prefix = place.prefix
    asked = found if only is None else found.only(only)
    work = work_for(environment, asked, packages, prune=prune)
    # By now everything of it has been read: from here on another one stands in its place.
    shared = shared_files(environment.owners.files)
    linked = {file for record in environment.conda_records for file in record.files}
    known = shared | linked if exact else None

    def copy(source: Path, target: Path) -> None:
        make_twin(source, target, shared=shared, known=known, progress=around.progress)

    with transaction.replacing(place, copy=copy, progress=around.progress):
        with transaction.writing(prefix):
            repair(work, environment, packages, request, around, held=place.held)
        anew = {f"conda:{name}" for name in work.conda} | {f"pip:{name}" for name in work.wheels}
        left = compare(Environment(prefix), wanted, around, rewritten=set(rewritten) - anew)
        unrestored = left if only is None else left.only(only)
        if not unrestored.restored:
            names = listing([one.name for one in unrestored.differences] or ["conda-meta"])
            raise BuildError(
                f"{prefix} could not be put right: {names} still differ from the lock",
                hint=f"build it anew as a whole: {shlex.join((*stamp.create_command(prefix), '--force'))}"
                if (stamp := environment.stamp) is not None
                else None,
            )
        yield left
