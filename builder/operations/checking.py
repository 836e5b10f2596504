"""Check locks: are they sound, and still those of their recipes? Answered from files, without solving."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.environment.stamp import read_stamp
from builder.errors import (
    ChecksFailedError,
    EnvbuildError,
    LockfileError,
    RecipeError,
    StaleLockError,
    UnsatisfiableError,
    UsageError,
)
from builder.lock.proof import PROOF_NAME, ProofState, read_proofs, state_of
from builder.operations.expectations import asks_for_the_same
from builder.operations.preparing import PackageOptions, prepare
from builder.operations.warnings import Warnings
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.lock.model import Lock
    from builder.recipe.model import Recipe
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """Recipes whose locks to check; empty: all of the project."""

    recipes: tuple[str, ...] = ()
    require_proof: bool = False
    """Whether a platform that is not proven, or whose proof is stale, is a problem."""


@dataclass(frozen=True, kw_only=True)
class ProvenPlatform:
    """How the committed proof stands to the lock on one platform; `phrase` is the system that it holds for."""

    state: ProofState
    phrase: str | None = None


@dataclass(frozen=True, kw_only=True)
class CheckedLock:
    """One lock in a word; `problem` says what is wrong, None where it is up to date."""

    name: str
    state: str
    problem: EnvbuildError | None = None
    proofs: Mapping[str, ProvenPlatform] = field(default_factory=dict)
    """By platform; empty where the lock itself is not up to date."""


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """All locks that were looked at, whatever was wrong with one of them; where there is none, `nothing` says so."""

    locks: tuple[CheckedLock, ...]
    nothing: ChecksFailedError | None
    warnings: tuple[str, ...]

    @property
    def problems(self) -> tuple[EnvbuildError, ...]:
        found = tuple(entry.problem for entry in self.locks if entry.problem is not None)
        return found if self.nothing is None else (*found, self.nothing)


def check(workspace: Workspace, request: CheckRequest) -> CheckResult:
    """Judge the locks of the named recipes, or of all the project's own: one that lacks its lock, or a lock that lacks
    its recipe, is a problem as well. Raises nothing: what is wrong with one does not keep the others from being judged.
    """
    warn = Warnings(workspace.progress)
    names = request.recipes or _of_the_project(workspace)
    locks = tuple(_checked(workspace, name, request, warn) for name in dict.fromkeys(names))
    if not request.recipes:
        locks += _misnamed(workspace)
    nothing = None
    if not locks:
        nothing = ChecksFailedError(
            f"nothing to check: there are no recipes or locks of your own in {workspace.project.root}",
            hint="go to your project or name it with --project DIR, or name a recipe: `envbuild check ml-m1`",
        )
    return CheckResult(locks=locks, nothing=nothing, warnings=warn.given)


def _of_the_project(workspace: Workspace) -> tuple[str, ...]:
    """The project's own recipes, and every lock in it. A shipped recipe is the team's once they have locked it."""
    project = workspace.project
    locked = {file.parent.name for file in (project.root / "environments").glob(f"*/{LOCK_NAME}")}
    return tuple(sorted({*project.own_recipe_files(), *locked}))


def _misnamed(workspace: Workspace) -> tuple[CheckedLock, ...]:
    """Files that look like recipes and are not read as any, so that nobody takes silence for success."""
    return tuple(
        CheckedLock(
            name=file.stem,
            state="recipe refused",
            problem=RecipeError(
                "is not read: the name of a recipe's file ends in .yaml", file=file, hint=f"mv {file} {file.stem}.yaml"
            ),
        )
        for file in sorted(workspace.project.recipes.glob("*.yml"))
    )


def _checked(workspace: Workspace, name: str, request: CheckRequest, warn: Warnings) -> CheckedLock:
    try:
        recipe = _recipe(workspace, name)
        lock = _require_current(workspace, recipe)
        proofs = _proofs(workspace, recipe, lock)
    except StaleLockError as problem:
        return CheckedLock(name=name, state="NOT up to date", problem=problem)
    except LockfileError as problem:
        return CheckedLock(name=name, state="NOT sound", problem=problem)
    except EnvbuildError as problem:
        return CheckedLock(name=name, state="recipe refused", problem=problem)
    warn(*_environment_behind(workspace, recipe))
    unproven = _unproven(name, proofs) if request.require_proof else None
    return CheckedLock(name=name, state="up to date", problem=unproven, proofs=proofs)


def _proofs(workspace: Workspace, recipe: Recipe, lock: Lock) -> dict[str, ProvenPlatform]:
    """What the proof beside the lock says of each platform, by hashes alone. Raises LockfileError for a damaged one."""
    file = workspace.project.committed_lock(recipe.name)
    proofs = read_proofs(file.parent / PROOF_NAME) if file is not None else {}
    found = {}
    for subdir in lock.platforms:
        proof = proofs.get(subdir.value)
        state = state_of(proof, lock.on(subdir), macos=recipe.macos)
        phrase = proof.phrase if proof is not None and state is ProofState.PROVEN else None
        found[subdir.value] = ProvenPlatform(state=state, phrase=phrase)
    return found


def _unproven(name: str, proofs: Mapping[str, ProvenPlatform]) -> ChecksFailedError | None:
    lacking = [f"{subdir} ({one.state})" for subdir, one in proofs.items() if one.state is not ProofState.PROVEN]
    if not lacking:
        return None
    return ChecksFailedError(
        f"the lock of {name} is not proven on {', '.join(lacking)}",
        hint=f"run `envbuild prove {name}` and commit proof.json",
    )


def _recipe(workspace: Workspace, name: str) -> Recipe:
    project = workspace.project
    folder = project.environment(name)
    if name not in project.recipe_files() and (folder / LOCK_NAME).exists():
        raise StaleLockError(
            f"its recipe {project.root / 'recipes' / name}.yaml is gone",
            file=folder / LOCK_NAME,
            hint=f"bring the recipe back, or remove the lock with its folder: rm -r {folder}",
        )
    return project.recipe(name)


def _require_current(workspace: Workspace, recipe: Recipe) -> Lock:
    """The lock. Raises StaleLockError or LockfileError."""
    from builder.lock.audit import require_sound
    from builder.lock.catalogue import LockedCatalogue
    from builder.lock.freshness import stale_reasons
    from builder.lock.read import read_lock

    name = recipe.name
    file = workspace.project.committed_lock(name)
    if file is None:
        raise StaleLockError(f"{name} has no lock", hint=f"run `envbuild lock {name}`")
    lock = read_lock(file)
    require_sound(lock, file)
    # What the lock holds is all that exists here: so its recipe leads to the same choice again, without any channel.
    try:
        prepared = prepare(workspace, recipe, PackageOptions(), catalogue=LockedCatalogue(lock))
    except UnsatisfiableError as error:
        prepare(workspace, recipe, PackageOptions())  # a recipe that nothing can satisfy is refused as such
        raise StaleLockError(
            f"the lock is out of date: it does not hold what the recipe asks for: {error.plain}",
            file=file,
            hint=f"run `envbuild lock {name}` and commit the result",
        ) from None
    reasons = stale_reasons(lock, prepared.rendered, file.parent)
    if tuple(lock.channels) != recipe.channels:
        ours, theirs = ", ".join(recipe.channels), ", ".join(lock.channels)
        reasons = (f"it was made from the channels {theirs}, and the recipe names {ours}", *reasons)
    if reasons:
        raise StaleLockError(
            f"the lock is out of date: {'; '.join(reasons)}",
            file=file,
            hint=f"run `envbuild lock {name}` and commit the result",
        )
    return lock


def _environment_behind(workspace: Workspace, recipe: Recipe) -> tuple[str, ...]:
    """That the recipe asks its environment on this machine for other checks than those that it was built to pass."""
    try:
        prefix = workspace.store.prefix_for(recipe.name)
    except UsageError:
        return ()
    stamp = read_stamp(prefix)
    if stamp is None or stamp.recipe != recipe.name or asks_for_the_same(recipe, stamp):
        return ()
    again = f"run `envbuild create {recipe.name}` to prove it again"
    return (f"`verify:` of {recipe.name} has changed since {prefix} was built; {again}",)
