"""Check locks: are they sound, and still those of their recipes? Answered from files, without solving."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.errors import (
    ChecksFailedError,
    EnvbuildError,
    LockfileError,
    RecipeError,
    StaleLockError,
    UnsatisfiableError,
)
from builder.lock.proof import ProofState
from builder.operations.answers import Answers
from builder.operations.recipe_files import RecipeFiles
from builder.operations.warnings import Warnings
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from builder.lock.model import Lock
    from builder.operations.answers import Basis
    from builder.operations.preparing import Prepared
    from builder.recipe.model import Recipe
    from builder.workspace import Workspace

#: The kind of the answers kept of this operation.
_KIND = "check"


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
    notes: tuple[str, ...] = ()
    """What does not make the lock out of date: that its environment here is to be verified anew."""


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

    What was found sound before, and is the same to the byte, is not looked at again (`operations.answers`).
    """
    warn = Warnings(workspace.progress)
    names = request.recipes or workspace.project.own_names()
    answers = Answers(workspace)
    recipes = workspace.project.recipe_files()
    locks = tuple(
        _judged(workspace, RecipeFiles(workspace=workspace, name=name, recipes=recipes), answers, request, warn)
        for name in dict.fromkeys(names)
    )
    answers.save(only=None if request.recipes else frozenset(names))
    if not request.recipes:
        locks += _misnamed(workspace)
    nothing = None
    if not locks:
        nothing = ChecksFailedError(
            f"nothing to check: there are no recipes or locks of your own in {workspace.project.root}",
            hint="go to your project or name it with --project DIR, or name a recipe: `envbuild check ml-m1`",
        )
    return CheckResult(locks=locks, nothing=nothing, warnings=warn.given)


def _misnamed(workspace: Workspace) -> tuple[CheckedLock, ...]:
    """Files that look like recipes and are not read as any, so that nobody takes silence for success."""
    return tuple(
        CheckedLock(
            name=file.stem,
            state="recipe refused",
            problem=RecipeError(
                "is not read: the name of a recipe's file ends in .yaml",
                file=file,
                hint=shlex.join(["mv", str(file), str(file.with_suffix(".yaml"))]),
            ),
        )
        for file in sorted(workspace.project.recipes.glob("*.yml"))
    )


def _judged(
    workspace: Workspace, files: RecipeFiles, answers: Answers, request: CheckRequest, warn: Warnings
) -> CheckedLock:
    found = _known(answers.recall(_KIND, files.name, files.place))
    if found is None:
        try:
            found = _looked_at(workspace, files, answers)
        except StaleLockError as problem:
            return CheckedLock(name=files.name, state="NOT up to date", problem=problem)
        except LockfileError as problem:
            return CheckedLock(name=files.name, state="NOT sound", problem=problem)
        except EnvbuildError as problem:
            return CheckedLock(name=files.name, state="recipe refused", problem=problem)
    warn(*found.warnings)
    unproven = _unproven(files.name, found.proofs) if request.require_proof else None
    return CheckedLock(name=files.name, state="up to date", problem=unproven, proofs=found.proofs, notes=found.warnings)


@dataclass(frozen=True, kw_only=True)
class _Sound:
    """What there is to say about a lock that is sound and up to date."""

    proofs: Mapping[str, ProvenPlatform]
    warnings: tuple[str, ...]

    def answer(self) -> dict[str, Any]:
        proofs = {subdir: [proof.state.value, proof.phrase] for subdir, proof in self.proofs.items()}
        return {"proofs": proofs, "warnings": self.warnings}


def _known(answer: Any) -> _Sound | None:
    """An answer of an earlier run; None where there is none, or it is no such answer."""
    try:
        return _Sound(
            proofs={
                str(subdir): ProvenPlatform(state=ProofState(state), phrase=None if phrase is None else str(phrase))
                for subdir, (state, phrase) in answer["proofs"].items()
            },
            warnings=tuple(map(str, answer["warnings"])),
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _looked_at(workspace: Workspace, files: RecipeFiles, answers: Answers) -> _Sound:
    """The lock of a recipe, read and compared with it. Raises what is wrong with either."""
    basis = files.basis("proof", "stamp")
    lock, prepared = current(workspace, files, basis)
    recipe = prepared.recipe
    sound = _Sound(
        proofs=_proofs(recipe, lock, files.place("proof")), warnings=_environment_behind(recipe, files.place("stamp"))
    )
    answers.keep(_KIND, files.name, basis, sound.answer())
    return sound


def _proofs(recipe: Recipe, lock: Lock, file: Path | None) -> dict[str, ProvenPlatform]:
    """What the proof beside the lock says of each platform, by hashes alone. Raises LockfileError for a damaged one."""
    from builder.lock.proof import read_proofs, state_of

    proofs = read_proofs(file) if file is not None else {}
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


def current(workspace: Workspace, files: RecipeFiles, basis: Basis) -> tuple[Lock, Prepared]:
    """The lock of a recipe that is sound and up to date, and the recipe prepared with what it holds; nothing is said.

    Raises StaleLockError, LockfileError, or what is wrong with the recipe.
    """
    return _require_current(workspace, _recipe(workspace, files, basis), files.lock)


def _recipe(workspace: Workspace, files: RecipeFiles, basis: Basis) -> Recipe:
    lock = workspace.project.environment(files.name) / LOCK_NAME
    if files.name not in files.recipes and lock.exists():
        raise StaleLockError(
            f"its recipe {workspace.project.root / 'recipes' / files.name}.yaml is gone",
            file=lock,
            hint=f"bring the recipe back, or remove the lock with its folder: rm -r {lock.parent}",
        )
    return workspace.project.recipe(files.name, find=files.finder(basis), recipes=files.recipes)


def _require_current(workspace: Workspace, recipe: Recipe, file: Path | None) -> tuple[Lock, Prepared]:
    """The lock in `file`, and the recipe prepared with it. Raises StaleLockError or LockfileError."""
    from builder.lock.audit import require_sound
    from builder.lock.catalogue import LockedCatalogue
    from builder.lock.freshness import stale_reasons
    from builder.lock.read import read_lock
    from builder.operations.judging import require_fit
    from builder.operations.preparing import PackageOptions, kept_in, prepare

    name = recipe.name
    if file is None:
        raise StaleLockError(f"{name} has no lock", hint=f"run `envbuild lock {name}`")
    lock = read_lock(file)
    require_sound(lock, file)
    require_fit(lock, file, workspace.facts)
    # What the lock holds is all that exists here: so its recipe leads to the same choice again, without any channel.
    try:
        kept = kept_in(lock, workspace.facts)
        prepared = prepare(workspace, recipe, PackageOptions(), catalogue=LockedCatalogue(lock), kept=kept)
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
            f"not up to date with its recipe: {'; '.join(reasons)}",
            file=file,
            hint=f"run `envbuild lock {name}` and commit the result",
        )
    return lock, prepared


def _environment_behind(recipe: Recipe, stamp_file: Path | None) -> tuple[str, ...]:
    """That the recipe asks its environment on this machine for other checks than those that it was built to pass."""
    from builder.environment.stamp import read_stamp
    from builder.operations.expectations import asks_for_the_same

    if stamp_file is None:
        return ()
    prefix = stamp_file.parent.parent
    stamp = read_stamp(prefix)
    if stamp is None or stamp.recipe != recipe.name or asks_for_the_same(recipe, stamp):
        return ()
    again = f"run `envbuild create {recipe.name}` to prove it again"
    return (f"`verify:` of {recipe.name} has changed since {prefix} was built; {again}",)
