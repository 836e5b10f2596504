"""Lock all recipes of a project: what is wrong with one does not keep the others from being locked."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from builder.errors import ChecksFailedError, UsageError
from builder.operations.lock_worker import Locked, Locker, Workers
from builder.operations.locking import LockRequest
from builder.operations.preparing import BUILT_IN_SOLVER, PackageOptions
from builder.plan.terms import Source

if TYPE_CHECKING:
    from builder.errors import EnvbuildError
    from builder.workspace import Workspace

_TASK: Final = "lock"
#: A process is worth its start, in which it reads the channels' metadata, for as many locks as this.
_WORTH: Final = 4
#: More of them share a disk and a memory that hold the metadata once for each.
_MOST: Final = 8


@dataclass(frozen=True, kw_only=True)
class LockAllRequest:
    """How to lock all recipes of the project, and by how many processes; 0: as many as are worth it here."""

    options: PackageOptions = field(default_factory=PackageOptions)
    solver: str = BUILT_IN_SOLVER
    prove: bool = False
    jobs: int = 0


@dataclass(frozen=True, kw_only=True)
class LockAllResult:
    """All recipes in the order of their names."""

    locks: tuple[Locked, ...]

    @property
    def problems(self) -> tuple[EnvbuildError, ...]:
        return tuple(entry.problem for entry in self.locks if entry.problem is not None)


def lock_all(workspace: Workspace, request: LockAllRequest) -> LockAllResult:
    """Lock every recipe of the project, as `lock` does one.

    Raises ChecksFailedError where there is none, UsageError; what is wrong with one recipe is its `problem`.
    """
    if request.options.source is not Source.CONDA_FORGE:
        raise UsageError("--source pypi makes locks for this machine, one at a time; name the recipe")
    if request.jobs < 0:
        raise UsageError("--jobs takes a number of processes, 1 or more")
    names = list(workspace.project.own_names())
    if not names:
        raise ChecksFailedError(
            f"nothing to lock: there are no recipes of your own in {workspace.project.root}",
            hint="go to your project or name it with --project DIR, or name a recipe: `envbuild lock ml-m1`",
        )
    each = LockRequest(recipe="", options=request.options, solver=request.solver, prove=request.prove)
    jobs = min(request.jobs or _worth(len(names)), len(names))
    done: dict[str, Locked] = {}
    telling = threading.Lock()

    def tell(entry: Locked) -> None:
        with telling:
            done[entry.name] = entry
            for warning in entry.warnings:
                workspace.progress.warn(f"{entry.name}: {warning}")
            workspace.progress.update(
                _TASK, f"locking ({len(done)}/{len(names)}): {entry.name}", completed=len(done), total=len(names)
            )

    workspace.progress.update(_TASK, f"locking {len(names)} recipes", completed=0, total=len(names))
    if jobs == 1:
        locker = Locker(workspace, each)
        for name in names:
            tell(locker.lock(name))
    else:
        with Workers(workspace, each, jobs=jobs) as workers:
            workers.lock(names, tell)
    locked = sum(entry.problem is None for entry in done.values())
    workspace.progress.done(_TASK, f"locked {locked} of {len(names)} recipes")
    return LockAllResult(locks=tuple(done[name] for name in names))


def _worth(recipes: int) -> int:
    return max(1, min(os.cpu_count() or 1, _MOST, recipes // _WORTH))
