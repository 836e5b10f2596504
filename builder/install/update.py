"""An environment brought to its packages in place, inside the transaction: what differs, and nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from builder.environment.environment import Environment
from builder.errors import BuildError
from builder.install import transaction
from builder.install.drift import drift
from builder.install.repair import repair, work_for
from builder.install.twin import make_twin, shared_files
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from builder.environment.place import Place
    from builder.environment.stamp import StampedPackage
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
) -> Drift:
    """`drift`, with progress: reading every file of a large environment takes seconds."""
    around.progress.update(_TASK, f"comparing {environment.path} with its lock")
    found = drift(environment, wanted, before=before)
    around.progress.done(_TASK, f"compared {found.packages:,} packages and {found.files:,} files with the lock")
    return found


@contextmanager
def updating(
    place: Place,
    environment: Environment,
    found: Drift,
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

    `wanted` are the same packages as stamped. On any exception, one raised inside too, the environment is what it was
    before. `exact`: what no package brought does not stay, as in an environment that is built as a whole. Raises
    BuildError where something is not as locked afterwards, SourceUnreachableError.
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

    with transaction.replacing(place, copy=copy, leaving=around.progress.note):
        with transaction.writing(prefix):
            repair(work, environment, packages, request, around, held=place.held)
        left = compare(Environment(prefix), wanted, around)
        unrestored = left if only is None else left.only(only)
        if not unrestored.restored:
            names = listing([one.name for one in unrestored.differences] or ["conda-meta"])
            raise BuildError(
                f"{prefix} could not be put right: {names} still differ from the lock",
                hint=f"build it anew as a whole: envbuild create {request.recipe or request.name} --force",
            )
        yield left
