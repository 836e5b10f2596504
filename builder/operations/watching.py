"""Status: does an environment still match its lock, file by file, and is it proven?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.environment.environment import Environment
from builder.environment.place import Place
from builder.environment.recorded import rewritten
from builder.environment.stamp import Verdict, read_stamp
from builder.errors import UsageError
from builder.install.drift import drift
from builder.lock.read import read_lock
from builder.operations.expectations import asks_for_others
from builder.operations.locked import Moved, Step, find_lock, moved, packages_in, stamp_of

if TYPE_CHECKING:
    from pathlib import Path

    from builder.environment.stamp import Stamp
    from builder.install.drift import Drift
    from builder.workspace import Workspace

_TASK = "status"


@dataclass(frozen=True, kw_only=True)
class StatusRequest:
    """Which environment (a name or a path); None for all that envbuild made."""

    environment: str | None = None


@dataclass(frozen=True, kw_only=True)
class EnvironmentStatus:
    """How one environment stands to the lock that it was built from, and to that lock as it is now."""

    name: str
    prefix: Path
    recipe: str
    platform: str
    lock: Path | None
    step: Step
    moved: tuple[Moved, ...]
    """What has changed in the lock since it was built."""
    drift: Drift
    """What has changed in the environment since it was built."""
    proof: Verdict | None
    """What its last proof said; None where it is not proven."""
    proof_level: str | None
    create_command: tuple[str, ...]
    """What builds and proves it as it was meant to be."""
    proof_outdated: bool
    """Whether there is a proof, of other expectations than the present ones."""
    unfinished: bool
    """Whether an envbuild is at work on it, or was killed at it."""

    @property
    def ok(self) -> bool:
        """Whether it is as its lock says; that nothing was proven yet does not speak against it."""
        return (
            self.drift.clean
            and self.step is not Step.CHANGED
            and self.proof is not Verdict.FAILED
            and not self.proof_outdated
            and not self.unfinished
        )


@dataclass(frozen=True, kw_only=True)
class StatusResult:
    environments: tuple[EnvironmentStatus, ...]

    @property
    def ok(self) -> bool:
        return all(one.ok for one in self.environments)


def status(workspace: Workspace, request: StatusRequest) -> StatusResult:
    """Compare environments with their locks: packages, versions, builds, hashes, and the content of every file.

    Raises UsageError where there is no such environment, or envbuild did not make it; LockfileError.
    """
    if request.environment is None:
        return StatusResult(
            environments=tuple(
                _status(workspace, known.path, stamp)
                for known in workspace.store.list()
                if known.is_ours and (stamp := read_stamp(known.path)) is not None
            )
        )
    prefix = workspace.store.find(request.environment)
    if read_stamp(prefix) is None and Place(prefix).is_building:
        raise UsageError(
            f"{prefix} is unfinished: an envbuild is at work on it, or was killed",
            hint="wait for it, or run `envbuild create` again, which puts it right",
        )
    hint = f"`envbuild verify {request.environment}` checks it all the same"
    return StatusResult(environments=(_status(workspace, prefix, stamp_of(prefix, hint=hint)),))


def _status(workspace: Workspace, prefix: Path, stamp: Stamp) -> EnvironmentStatus:
    lock = find_lock(workspace, stamp)
    changes: tuple[Moved, ...] = ()
    if lock.step is Step.CHANGED and lock.file is not None:
        changes = moved(stamp, packages_in(read_lock(lock.file), stamp))
    workspace.progress.update(_TASK, f"comparing {prefix} with its lock")
    environment = Environment(prefix)
    found = drift(environment, stamp.packages, rewritten=rewritten(environment, stamp))
    workspace.progress.done(_TASK, f"compared {prefix} with its lock")
    proof = stamp.proof
    place = Place(prefix)
    outdated = proof is not None and (stamp.verdict is None or asks_for_others(workspace, stamp))
    return EnvironmentStatus(
        name=stamp.name,
        prefix=prefix,
        recipe=stamp.recipe,
        platform=stamp.subdir.value,
        lock=lock.file,
        step=lock.step,
        moved=changes,
        drift=found,
        proof=None if outdated else stamp.verdict,
        proof_level=proof.level if proof is not None else None,
        create_command=stamp.create_command(prefix),
        proof_outdated=outdated,
        unfinished=place.is_building or place.old.exists(),
    )
