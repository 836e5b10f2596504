"""Sync: an environment brought to its lock by repairing exactly what differs, and proven again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.environment.environment import Environment
from builder.environment.place import Place
from builder.errors import ChecksFailedError
from builder.install.create import CreateRequest, Result, Surroundings
from builder.install.sync import sync as bring
from builder.install.transaction import exclusive
from builder.lock.audit import require_sound
from builder.lock.digest import lock_digest
from builder.lock.read import read_lock
from builder.operations.fetching import mirrors_of
from builder.operations.judging import require_fit
from builder.operations.locked import LockOfEnvironment, Step, find_lock, packages_in, packages_of_stamp, stamp_of
from builder.operations.proving import Prover
from builder.operations.warnings import Warnings
from builder.wording import listing

if TYPE_CHECKING:
    from pathlib import Path

    from builder.environment.stamp import Stamp
    from builder.finding import Report
    from builder.install.drift import Drift
    from builder.lock.model import Lock, LockedPackage
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class SyncRequest:
    """Which environment (a name or a path) to bring to its lock, and how far."""

    environment: str
    prune: bool = False
    """Remove what the lock does not know."""
    prove: bool = True
    only: frozenset[str] | None = None
    """Repair only these packages and files (relative to the prefix), as they were when the environment was built."""


@dataclass(frozen=True, kw_only=True)
class SyncResult:
    """How a `sync` ended that raised nothing. `problem` says that the proof failed, and what was done then."""

    name: str
    prefix: Path
    lock: Path | None
    step: Step
    """How the environment stood to its lock before."""
    ending: Result
    found: Drift
    """What differed from the lock."""
    left: Drift
    """What differs still."""
    report: Report | None
    problem: ChecksFailedError | None
    warnings: tuple[str, ...]

    @property
    def changed(self) -> bool:
        return self.ending in (Result.UPDATED, Result.UNPROVEN)


def sync(workspace: Workspace, request: SyncRequest) -> SyncResult:
    """Repair what differs between an environment and its lock, without building the rest anew, and prove it again.

    Where the lock cannot be found from here, the environment is brought to what its stamp says it was built from. If
    anything fails, it is as it was before. Raises UsageError, LockfileError, SourceUnreachableError, BuildError.
    """
    warn = Warnings(workspace.progress)
    _recover(workspace, request.environment)
    prefix = workspace.store.find(request.environment)
    stamp = stamp_of(
        prefix, hint="only environments that envbuild made can be synced; `envbuild create NAME` makes one"
    )
    lock = find_lock(workspace, stamp) if request.only is None else LockOfEnvironment(step=Step.NONE)
    locked = _read(workspace, lock)
    packages, digest = _packages(workspace, stamp, lock, locked, whole=request.only is None)
    environment = Environment(prefix)
    build = CreateRequest(
        name=stamp.name,
        recipe=stamp.recipe,
        prefix=prefix,
        subdir=stamp.subdir,
        host=workspace.host,
        lock_sha256=digest,
        groups=stamp.groups,
        expectations=stamp.expectations,
        requested=tuple(spec for record in environment.conda_records for spec in record.requested[:1]),
    )
    prover = Prover(workspace)
    synced = bring(
        packages,
        build,
        Surroundings(
            cache=workspace.package_cache,
            uv=workspace.uv,
            mirrors=mirrors_of(
                workspace, None if locked is None else locked.channels, recipes=[stamp.recipe or stamp.name]
            ),
            progress=workspace.progress,
        ),
        waiting=lambda: _tell_of_waiting(workspace, prefix),
        prune=request.prune,
        only=request.only,
        proof=prover if request.prove else None,
    )
    if request.only is None:
        warn(*_left(synced.left))
    return SyncResult(
        name=stamp.name,
        prefix=prefix,
        lock=lock.file,
        step=lock.step,
        ending=synced.result,
        found=synced.found,
        left=synced.left,
        report=prover.report,
        problem=_problem(prefix, synced.result, prover),
        warnings=warn.given,
    )


def _recover(workspace: Workspace, environment: str) -> None:
    """Put right what a killed run left: until then an environment may lie beside its place, or be half a one."""
    prefix = workspace.path(environment) if "/" in environment else workspace.store.places.target / environment
    place = Place(prefix)
    if prefix.name and (place.is_building or place.old.exists()):
        with exclusive(prefix, waiting=lambda: _tell_of_waiting(workspace, prefix)):
            pass


def _tell_of_waiting(workspace: Workspace, prefix: Path) -> None:
    workspace.progress.note(f"another envbuild is at work on {prefix}; waiting for it")


def _read(workspace: Workspace, lock: LockOfEnvironment) -> Lock | None:
    """The lock that there is, if it is sound. Raises LockfileError."""
    if lock.file is None:
        return None
    locked = read_lock(lock.file)
    require_sound(locked, lock.file)
    require_fit(locked, lock.file, workspace.facts)
    return locked


def _packages(
    workspace: Workspace, stamp: Stamp, lock: LockOfEnvironment, locked: Lock | None, *, whole: bool
) -> tuple[tuple[LockedPackage, ...], str]:
    """The packages that the environment should hold, and the digest of the lock that they are from."""
    if lock.file is not None and locked is not None:
        return packages_in(locked, stamp), lock_digest(lock.file)
    if whole:
        workspace.progress.note(
            f"the lock that {stamp.name} was built from is not here; it is brought to what it was built from"
        )
    return packages_of_stamp(stamp), stamp.lock_sha256


def _left(left: Drift) -> list[str]:
    unknown = [f"{one.name} {one.version} ({one.manager})" for one in left.unknown]
    messages = []
    if unknown:
        messages.append(f"the lock does not know {_several(unknown)}; --prune removes what it does not know")
    if left.strays:
        messages.append(f"no package brought {_several(list(left.strays))}; --prune removes such files")
    return messages


def _several(names: list[str]) -> str:
    return listing(names, most=6)


def _problem(prefix: Path, ending: Result, prover: Prover) -> ChecksFailedError | None:
    hint = "each failed check above names its remedy"
    if ending is Result.RESTORED:
        return ChecksFailedError(f"verification failed; the environment as it was is back at {prefix}", hint=hint)
    if ending not in (Result.UNPROVEN, Result.FAILING):
        return None
    if prover.is_blameless:
        return ChecksFailedError(
            f"{prefix} is as its lock says; what failed lies in your own settings around it", hint=hint
        )
    return ChecksFailedError(f"{prefix} is as its lock says, but its verification failed", hint=hint)
