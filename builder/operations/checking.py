"""Check locks: are they sound, and still those of their recipes? Answered from files, without solving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.errors import EnvbuildError, LockfileError, StaleLockError, UnsatisfiableError
from builder.operations.preparing import PackageOptions, prepare
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """Recipes whose locks to check; empty: all of the project that have one."""

    recipes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckedLock:
    """One lock; `problem` says what is wrong with it."""

    name: str
    problem: EnvbuildError | None

    @property
    def state(self) -> str:
        if self.problem is None:
            return "up to date"
        return "NOT up to date" if self.problem.exit_code == StaleLockError.exit_code else "NOT sound"


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """All locks that were looked at."""

    locks: tuple[CheckedLock, ...]

    @property
    def problems(self) -> tuple[EnvbuildError, ...]:
        return tuple(entry.problem for entry in self.locks if entry.problem is not None)


def check(workspace: Workspace, request: CheckRequest) -> CheckResult:
    """Judge the locks. Raises UsageError for a name that is no recipe."""
    project = workspace.project
    chosen = request.recipes or tuple(
        name for name in project.recipe_files() if (project.environment(name) / LOCK_NAME).is_file()
    )
    return CheckResult(locks=tuple(CheckedLock(name=name, problem=_problem(workspace, name)) for name in chosen))


def _problem(workspace: Workspace, name: str) -> EnvbuildError | None:
    from builder.lock.audit import require_sound
    from builder.lock.catalogue import LockedCatalogue
    from builder.lock.freshness import stale_reasons
    from builder.lock.read import read_lock

    project = workspace.project
    file = project.committed_lock(name)
    if file is None:
        project.recipe_file(name)
        return StaleLockError(f"{name} has no lock", hint=f"run `envbuild lock {name}`")
    try:
        lock = read_lock(file)
        require_sound(lock, file)
    except LockfileError as error:
        return error
    # A lock made with --channel declares other channels than the recipe; the rest must still match.
    # What the lock holds is all that exists here: so its recipe leads to the same choice again, without any channel.
    try:
        prepared = prepare(
            workspace,
            project.recipe(name),
            PackageOptions(channels=lock.channels),
            catalogue=LockedCatalogue(lock),
        )
    except UnsatisfiableError as error:
        return StaleLockError(
            f"what the lock holds is not what the recipe asks for: {error.plain}",
            file=file,
            hint=f"run `envbuild lock {name}` and commit the result",
        )
    reasons = stale_reasons(lock, prepared.rendered, file.parent)
    if reasons:
        return StaleLockError("; ".join(reasons), file=file, hint=f"run `envbuild lock {name}` and commit the result")
    return None
