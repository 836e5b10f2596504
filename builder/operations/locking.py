"""Lock a recipe: choose, render, solve, audit, and write the lock with the files it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from builder.errors import ChecksFailedError, EnvbuildError, LockfileError, UnsatisfiableError
from builder.operations.outputs import require_own_folder
from builder.operations.preparing import BUILT_IN_SOLVER, PackageOptions
from builder.operations.warnings import Warnings
from builder.plan.terms import Source
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from builder.lock.catalogue import ChannelCatalogue
    from builder.lock.make import Made
    from builder.lock.model import Lock
    from builder.lock.moves import Move, Previous
    from builder.lock.rattler_solver import RattlerSolver
    from builder.lock.solver import Solver
    from builder.operations.answers import Answers
    from builder.operations.fetching import Solvers
    from builder.operations.preparing import Prepared
    from builder.operations.recipe_files import RecipeFiles
    from builder.plan.catalogue import Catalogue
    from builder.recipe.model import Recipe
    from builder.render.model import Rendered
    from builder.workspace import Workspace

#: The kind of the answers kept of this operation.
_KIND: Final = "lock"


@dataclass(frozen=True, kw_only=True)
class LockRequest:
    """Which recipe to lock, and with what."""

    recipe: str
    options: PackageOptions = field(default_factory=PackageOptions)
    solver: str = BUILT_IN_SOLVER
    """`rattler`, or the user's own conda, mamba or micromamba (a name or a path)."""
    folder: Path | None = None
    """Where to write; default: the project's `environments/NAME`, or envbuild's own for locks bound to this machine."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Kept in the lock's free metadata."""
    previous: Lock | None = None
    """Whose versions to stay at; default: those of the lock that is there."""
    moving: frozenset[str] = frozenset()
    """Packages to take anew; all others stay at what the lock there was has, as far as they can."""
    everything: bool = False
    """Take all packages anew."""
    exclude_newer: datetime | None = None
    """Leave out packages published after this moment (with a time zone)."""
    dry_run: bool = False
    """Write nothing: only say what the lock would be."""
    prove: bool = False
    """Write nothing unless every platform is proven; the proof is then written with the lock."""


@dataclass(frozen=True, kw_only=True)
class LockResult:
    """The lock, where it was (or would be) written, and the prepared recipe it was made from."""

    lock: Lock
    file: Path
    prepared: Prepared | None
    """None where the lock was right already, so that nothing had to be prepared."""
    warnings: tuple[str, ...]
    moves: tuple[Move, ...] = ()
    """What it changes against the lock there was; empty where there was none."""
    written: bool = True


def lock(workspace: Workspace, request: LockRequest, *, solvers: Solvers | None = None) -> LockResult:
    """Choose versions, solve all platforms, audit, and write the rendered files and the lock, the lock last.

    A lock that is sound and still its recipe's is left as it is, and nobody is asked for anything. Nothing is written
    unless all of it is sound. `solvers` are those of earlier locks, which have the channels' metadata at hand.
    Raises RecipeError, UnsatisfiableError, SourceUnreachableError, LockfileError, UsageError; with `prove` also
    ChecksFailedError, and what reading packages raises.
    """
    if (there := _unchanged(workspace, request)) is not None:
        return there
    from builder.operations.fetching import naming_pypi

    recipe = workspace.project.recipe(request.recipe)
    with naming_pypi(recipe.name, here=workspace.host in recipe.subdirs):
        return _made_anew(workspace, recipe, request, solvers)


def _made_anew(workspace: Workspace, recipe: Recipe, request: LockRequest, solvers: Solvers | None) -> LockResult:
    from builder.interrupts import uninterrupted
    from builder.lock.write import dumps
    from builder.operations.for_nvidia import unasked
    from builder.operations.preparing import kept_in, newer_on_index, preparations
    from builder.plan.attempts import WouldNotLoadError, first_that_works

    warn = Warnings(workspace.progress)
    require_own_folder(request.folder or workspace.project.environment(recipe.name))
    built_in = _built_in(workspace, recipe, request, solvers)
    catalogue = _catalogue(built_in, recipe, request)
    previous = _previous(workspace, recipe, request, warn)
    kept = None
    if previous is not None and not request.everything:
        kept = kept_in(previous.lock, workspace.facts, moving=request.moving)
    wanted = preparations(workspace, recipe, request.options, catalogue=catalogue, kept=kept)
    explain = _explain(workspace, recipe, request, built_in, catalogue)
    unproven: list[ChecksFailedError] = []

    def attempt(prepared: Prepared) -> tuple[Prepared, Rendered, Made, dict[str, str]]:
        found = _locked(workspace, prepared, request, built_in=built_in, previous=previous)
        if not request.prove:
            return *found, {}
        try:
            return *found, _proof(workspace, recipe, found[-1].lock)
        except ChecksFailedError as error:
            # What does not load is as good as what cannot be solved: the next best combination is tried.
            unproven.append(error)
            first_failure = error.plain.splitlines()[:2][-1].strip()
            raise WouldNotLoadError(first_failure, hint=error.hint) from None

    try:
        prepared, rendered, made, proof = first_that_works(
            wanted,
            attempt,
            facts=workspace.facts,
            progress=workspace.progress,
            explain=lambda candidate, error: error if unproven else explain(candidate, error),
        )
    except UnsatisfiableError:
        if unproven:
            raise unproven[0] from None
        raise
    warn(*prepared.warnings, *prepared.age_of_facts(workspace), *newer_on_index(workspace, prepared), *made.warnings)
    _tell_what_stayed(workspace, recipe, prepared)
    if (gpu := unasked(made.lock, prepared, source=request.options.source)) is not None:
        workspace.progress.note(gpu)
    folder = request.folder or prepared.folder
    if not request.dry_run:
        text = dumps(made.lock, name=rendered.name)
        with uninterrupted():  # a lock beside other files than its own would be out of date
            write_files(folder, {**rendered.files, **proof, LOCK_NAME: text})
    return LockResult(
        lock=made.lock,
        file=folder / LOCK_NAME,
        prepared=prepared,
        warnings=warn.given,
        moves=made.moves,
        written=not request.dry_run,
    )


def _proof(workspace: Workspace, recipe: Recipe, lock: Lock) -> dict[str, str]:
    """The proof by its file's name. Raises ChecksFailedError where there is none."""
    from builder.lock.proof import PROOF_NAME
    from builder.operations.proving_locks import require_proven

    return {PROOF_NAME: require_proven(workspace, recipe, lock)}


def _unchanged(workspace: Workspace, request: LockRequest) -> LockResult | None:
    """The lock that is there, where it is sound and its recipe's, and nothing else is asked for; else None."""
    file = workspace.project.environment(request.recipe) / LOCK_NAME
    if not file.is_file():
        return None
    from builder.lock.read import read_lock
    from builder.operations.answers import Answers
    from builder.operations.recipe_files import RecipeFiles

    files = RecipeFiles(workspace=workspace, name=request.recipe, recipes=workspace.project.recipe_files())
    if request != LockRequest(recipe=request.recipe) or files.lock != file:
        return None
    answers = Answers(workspace)
    said = answers.recall(_KIND, files.name, files.place)
    try:
        if not isinstance(said, list):
            said = _warnings_of(workspace, files, answers)
        there = read_lock(file)
    except EnvbuildError:
        # What is wrong with either is put right, or said, by locking.
        return None
    warn = Warnings(workspace.progress)
    warn(*map(str, said))
    return LockResult(lock=there, file=file, prepared=None, warnings=warn.given, written=False)


def _warnings_of(workspace: Workspace, files: RecipeFiles, answers: Answers) -> list[str]:
    """What there is to warn of in a lock that is up to date. Raises EnvbuildError for any other."""
    from builder.compat.together import LockedSetJudge
    from builder.lock.parity import compared, differences
    from builder.operations.checking import current

    basis = files.basis()
    lock, prepared = current(workspace, files, basis)
    judge, found = LockedSetJudge(facts=workspace.facts), [*prepared.warnings]
    there = {subdir: lock.on(subdir) for subdir in lock.platforms}
    found += differences(there, compared(prepared.rendered.platforms))
    for subdir in lock.platforms:
        found += judge(subdir, {(one.manager, one.name): one.version for one in lock.on(subdir)})
    answers.keep(_KIND, files.name, basis, found)
    answers.save()
    return found


def _explain(
    workspace: Workspace, recipe: Recipe, request: LockRequest, solver: RattlerSolver, catalogue: Catalogue | None
) -> Callable[[Prepared, UnsatisfiableError], UnsatisfiableError]:
    """How a refusal is explained: here, for its time, since hardly any lock needs it."""

    def explain(prepared: Prepared, error: UnsatisfiableError) -> UnsatisfiableError:
        from builder.operations.clashes import Clashes

        asked = Clashes(workspace=workspace, recipe=recipe, options=request.options, solver=solver, catalogue=catalogue)
        return asked.explained(prepared, error)

    return explain


def _tell_what_stayed(workspace: Workspace, recipe: Recipe, prepared: Prepared) -> None:
    """That a newer framework fits as well, and how to get it."""
    from builder.frameworks import registry

    for instead in dict.fromkeys(plan.instead for plan in prepared.plans.values()):
        if instead is not None:
            name = registry.framework(recipe.framework.name).versioned
            take = f"`envbuild update {recipe.name} {name}` takes it"
            workspace.progress.note(f"{instead} fits as well; the lock stays at what it has: {take}")


def _locked(
    workspace: Workspace,
    prepared: Prepared,
    request: LockRequest,
    *,
    built_in: RattlerSolver,
    previous: Previous | None,
) -> tuple[Prepared, Rendered, Made]:
    """One preparation rendered, read back as whoever begins from the files would, and locked."""
    from builder.render.read import read_rendered
    from builder.scratch import scratch

    with scratch("envbuild-lock-") as staged:
        write_files(staged, prepared.rendered.files)
        parity = tuple(dict.fromkeys(name for specs in prepared.rendered.platforms for name in specs.parity))
        rendered = read_rendered(staged, groups=prepared.rendered.groups[1:], parity=parity)
    solver = built_in if request.solver == BUILT_IN_SOLVER else _own_solver(workspace, request.solver, rendered)
    made = lock_rendered(
        workspace,
        rendered,
        solver=solver,
        notes=request.notes,
        previous=previous,
        exclude_newer=request.exclude_newer,
    )
    return prepared, rendered, made


def _catalogue(solver: RattlerSolver, recipe: Recipe, request: LockRequest) -> ChannelCatalogue | None:
    """What the recipe's channels have; None for a lock of wheels alone."""
    if request.options.source is not Source.CONDA_FORGE:
        return None
    from builder.lock.catalogue import ChannelCatalogue

    return ChannelCatalogue(solver, request.options.channels or recipe.channels, exclude_newer=request.exclude_newer)


def _previous(workspace: Workspace, recipe: Recipe, request: LockRequest, warn: Warnings) -> Previous | None:
    """The lock there is, whose versions the new one stays at; None where there is none that can be read."""
    from builder.lock.moves import Previous
    from builder.lock.read import read_lock

    project, source = workspace.project, request.options.source
    local = source is not Source.CONDA_FORGE
    usual = project.local_environment(recipe.name, source=source) if local else project.environment(recipe.name)
    file = (request.folder or usual) / LOCK_NAME
    if request.previous is None and not file.exists():
        return None
    try:
        there = request.previous or read_lock(file)
        return Previous(lock=there, moving=request.moving, everything=request.everything)
    except LockfileError as error:
        warn(f"the lock there was cannot be read, so every package is taken anew: {error.message}")
        return None


def lock_rendered(
    workspace: Workspace,
    rendered: Rendered,
    *,
    solver: Solver,
    notes: Mapping[str, str],
    previous: Previous | None = None,
    exclude_newer: datetime | None = None,
) -> Made:
    """The lock of rendered files, audited; writes nothing. `rendered` may come from any folder (`read_rendered`).

    With a `previous` lock, only what must move moves. The whole set is judged by facts. Raises UnsatisfiableError,
    LockfileError, SourceUnreachableError.
    """
    import asyncio

    from builder.compat.together import LockedSetJudge
    from builder.lock.audit import audit, describe
    from builder.lock.make import make_lock

    made = asyncio.run(
        make_lock(
            rendered,
            solver=solver,
            uv=workspace.uv,
            notes=notes,
            progress=workspace.progress,
            previous=previous,
            judge=LockedSetJudge(facts=workspace.facts),
            exclude_newer=exclude_newer,
        )
    )
    defects = audit(made.lock)
    if defects:
        raise LockfileError(
            f"the channels led to a lock that cannot be trusted: {describe(defects[0])}",
            hint="their metadata is damaged or incomplete; try another channel or mirror",
        )
    return made


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files in their order, each as a whole."""
    from builder.files import write_atomically

    for name, text in files.items():
        write_atomically(folder / name, text)


def _built_in(workspace: Workspace, recipe: Recipe, request: LockRequest, solvers: Solvers | None) -> RattlerSolver:
    """py-rattler, which also says what the channels have; where these are known it begins to fetch their metadata."""
    from builder.operations.fetching import Solvers

    channels = request.options.channels or recipe.channels
    solver = (solvers or Solvers(workspace)).solver(channels)
    if request.options.source is Source.CONDA_FORGE:
        solver.prefetch(channels, recipe.subdirs)
    return solver


def _own_solver(workspace: Workspace, executable: str, rendered: Rendered) -> Solver:
    from builder.lock.condalock import CondaLockSolver

    mirrors = workspace.mirrors_for(rendered.channels, named_by=rendered.channels)
    return CondaLockSolver(executable, rendered=rendered, mirrors=mirrors)
