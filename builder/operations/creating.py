"""Create an environment: from a recipe's name to a prefix that is built from its lock, whole and proven."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from builder.errors import LockfileError, StaleLockError, UnsatisfiableError, UsageError
from builder.operations.created import CreateResult, finished_with, identity, interrupted, present
from builder.operations.preparing import BUILT_IN_SOLVER, PackageOptions, kept_in, prepare
from builder.operations.warnings import Warnings
from builder.plan.terms import MAIN_GROUP, Source

if TYPE_CHECKING:
    from pathlib import Path

    from builder.install.create import CreateRequest as Build
    from builder.operations.locks import UsableLock
    from builder.operations.preparing import Prepared
    from builder.operations.standing import Standing
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """Which recipe to build, and where."""

    recipe: str
    name: str | None = None
    """The environment's name; default: the recipe's."""
    prefix: Path | None = None
    """Build it here instead of under its name."""
    platform: Subdir | None = None
    """Lay out another platform's environment, of which nothing is run; default: this machine's."""
    groups: tuple[str, ...] = ()
    options: PackageOptions = field(default_factory=PackageOptions)
    solver: str = BUILT_IN_SOLVER
    """Only used where there is no lock yet."""
    force: bool = False
    """Build it again although it matches its lock."""
    prove: bool = True
    """Verify it afterwards."""
    locked: bool = False
    """Refuse a lock that is out of date, and do not make one that is missing."""
    register: tuple[str, ...] = ()
    """Programs to make it known to afterwards: `jupyter`, `vscode`, `jetbrains`."""
    folder: Path | None = None
    """The folder that VS Code opens, for `register`."""


def create(workspace: Workspace, request: CreateRequest) -> CreateResult:
    """Build an environment from its lock, exactly and as a whole, and verify it.

    Where there is no lock it is made first; the lock is audited, and that it is not its recipe's any more is a warning.
    If anything fails, an environment that was there before is put back. One that already matches its lock, and that
    passed its proof of what the recipe expects now, is left alone. Raises RecipeError, UsageError, LockfileError,
    UnsatisfiableError, StaleLockError, SourceUnreachableError, BuildError.
    """
    from builder.install.create import Result

    if not request.register:
        return _create(workspace, request)
    from builder.doctor.register import Target
    from builder.operations.doctoring import RegisterRequest, register

    targets = tuple(Target(name) for name in request.register)
    if Target.VSCODE in targets and request.folder is None:
        raise UsageError(
            "VS Code keeps the interpreter with a folder, and none was given",
            hint="add --project DIR, the folder that VS Code opens",
        )
    created = _create(workspace, request)
    if created.ending is Result.RESTORED or not created.runs_here:
        return created
    asked = RegisterRequest(environment=str(created.prefix), targets=targets, project=request.folder)
    try:
        done = register(workspace, asked).done
    except UsageError as error:
        # The environment is built all the same.
        workspace.progress.warn(f"it was not registered: {error.message}")
        return replace(created, warnings=(*created.warnings, error.message))
    return replace(created, registered=tuple(item.message for item in done))


def _create(workspace: Workspace, request: CreateRequest) -> CreateResult:
    standing = _standing(workspace, request)
    if standing is not None and (planned := _as_planned(workspace, request, standing)) is not None:
        return planned
    from builder.install.create import is_built, is_current
    from builder.install.transaction import finished
    from builder.operations.expectations import expectations
    from builder.operations.fetching import naming_pypi
    from builder.operations.locks import find_or_make
    from builder.operations.proving_locks import told_by
    from builder.operations.staleness import stale
    from builder.operations.standing import Asked

    warn = Warnings(workspace.progress)
    basis = standing.begin() if standing is not None else None
    find = standing.files.finder(basis) if standing is not None and basis is not None else None
    recipe = workspace.project.recipe(request.recipe, find=find)
    target = _target(workspace, request, recipe)
    name, prefix = _place(workspace, request)
    if request.locked:
        _require_committed(workspace, request)
    lock = find_or_make(workspace, recipe, request.options, solver=request.solver)
    build = _build_of(workspace, request, name=name, prefix=prefix, target=target, lock=lock.file)
    nothing_to_do = is_current if request.prove else is_built
    there = finished(prefix)
    if lock.follows_recipe and lock.prepared is None and there is not None:
        # A lock of ours that was not made anew: neither the recipe nor what it expects has changed since.
        build = replace(build, expectations=there.expectations)
        if nothing_to_do(build, there):
            return present(workspace, build, there, lock=lock, warn=warn, proof=told_by(lock.file, target))
    prepared = lock.prepared or prepare(workspace, recipe, request.options)
    reasons = () if lock.follows_recipe else stale(lock.file, prepared)
    if reasons:
        prepared, reasons = _as_locked(workspace, recipe, request, lock.file, prepared, reasons)
    warn(*prepared.warnings)
    plan = prepared.plans.get(target)
    build = replace(
        build,
        expectations=expectations(recipe, plan),
        requested=tuple(f"{spec.name} {spec.spec}".strip() for spec in plan.specs if spec.manager == "conda")
        if plan
        else (),
    )
    if reasons:
        # A committed lock is what the team agreed on, so it is used; that its recipe has moved on is said.
        out_of_date = f"the lock of {recipe.name} is out of date ({'; '.join(reasons)})"
        if request.locked:
            raise StaleLockError(out_of_date, hint=f"run `envbuild lock {recipe.name}` and commit what it writes")
        warn(f"{out_of_date}; building what it says all the same. To renew it, run `envbuild lock {recipe.name}`")
    elif standing is not None and basis is not None:
        asked = Asked(
            channels=recipe.channels,
            groups=tuple(recipe.groups),
            expectations=build.expectations,
            requested=build.requested,
            warnings=prepared.warnings,
            proof=told_by(lock.file, target),
        )
        standing.keep(basis, asked)
    # Before anything slow is imported or read: the usual second run has nothing to do.
    if nothing_to_do(build, there):
        return present(workspace, build, there, lock=lock, warn=warn, proof=told_by(lock.file, target))
    channels = request.options.channels or recipe.channels
    with naming_pypi(recipe.name, here=workspace.host in recipe.subdirs):
        return _build(workspace, build, lock=lock, channels=channels, prove=request.prove, warn=warn)


def _standing(workspace: Workspace, request: CreateRequest) -> Standing | None:
    """What earlier runs have found of the recipe; None where no lock of it alone says what is asked for."""
    from builder.operations.standing import Standing

    target = request.platform or workspace.host
    if target is None or request.options != PackageOptions(source=request.options.source):
        return None
    standing = Standing(workspace, request.recipe, target, source=request.options.source)
    if request.locked and not standing.is_committed:
        return None
    return standing if standing.lock is not None else None


def _as_planned(workspace: Workspace, request: CreateRequest, standing: Standing) -> CreateResult | None:
    """Build what an earlier run has planned, if it is not there; None where it must be planned (again)."""
    from builder.install.create import is_built, is_current
    from builder.install.transaction import finished
    from builder.operations.locks import UsableLock, has_local_packages

    asked = standing.recall()
    target, lock = request.platform or workspace.host, standing.lock
    both = request.name is not None and request.prefix is not None
    if asked is None or target is None or lock is None or both:
        return None
    if set(request.groups) - {MAIN_GROUP, *asked.groups}:
        return None
    name, prefix = _place(workspace, request)
    build = _build_of(workspace, request, name=name, prefix=prefix, target=target, lock=lock)
    build = replace(build, expectations=asked.expectations, requested=asked.requested)
    there = finished(prefix)
    warn = Warnings(workspace.progress)
    usable = UsableLock(file=lock, follows_recipe=not standing.is_committed)
    if (is_current if request.prove else is_built)(build, there):
        warn(*asked.warnings)
        return present(workspace, build, there, lock=usable, warn=warn, proof=asked.proof)
    if not standing.is_committed:
        from builder.lock.read import read_lock

        if not has_local_packages(read_lock(lock)):
            return None
    from builder.operations.fetching import naming_pypi

    warn(*asked.warnings)
    with naming_pypi(request.recipe, here=target is workspace.host):
        return _build(workspace, build, lock=usable, channels=asked.channels, prove=request.prove, warn=warn)


def _place(workspace: Workspace, request: CreateRequest) -> tuple[str, Path]:
    """The environment's name and prefix. Raises UsageError for a prefix that must not be replaced."""
    from builder.environment.stamp import read_stamp
    from builder.install.transaction import require_replaceable

    name = request.name or request.recipe
    prefix = workspace.store.prefix_for(name) if request.prefix is None else workspace.path(request.prefix)
    require_replaceable(prefix)
    if request.prefix is not None and (stamp := read_stamp(prefix)) is not None:
        # Rebuilt where it is, as a remedy says it: the environment keeps the name that it was created by.
        name = stamp.name
    return name, prefix


def _build_of(
    workspace: Workspace, request: CreateRequest, *, name: str, prefix: Path, target: Subdir, lock: Path
) -> Build:
    """What is asked of the prefix, as far as the lock alone says it."""
    from builder.install.create import CreateRequest as Build
    from builder.lock.digest import lock_digest

    return Build(
        name=name,
        recipe=request.recipe,
        prefix=prefix,
        subdir=target,
        host=workspace.host,
        lock_sha256=lock_digest(lock),
        groups=(MAIN_GROUP, *sorted(set(request.groups) - {MAIN_GROUP})),
        force=request.force,
    )


def _as_locked(
    workspace: Workspace,
    recipe: Recipe,
    request: CreateRequest,
    file: Path,
    prepared: Prepared,
    reasons: tuple[str, ...],
) -> tuple[Prepared, tuple[str, ...]]:
    """The recipe prepared with what the lock holds as all that exists, and why it is not that lock's even so.

    Facts stand in for the channels otherwise, and may know less of them than was there when the lock was made.
    """
    from builder.lock.catalogue import LockedCatalogue
    from builder.lock.read import read_lock
    from builder.operations.staleness import stale

    if request.options.source is not Source.CONDA_FORGE:
        return prepared, reasons
    try:
        lock = read_lock(file)
        kept = kept_in(lock, workspace.facts)
        again = prepare(workspace, recipe, request.options, catalogue=LockedCatalogue(lock), kept=kept)
    except (UnsatisfiableError, LockfileError):
        return prepared, reasons
    # A lock that is not this recipe's does not say what would be chosen for it.
    return (prepared, still) if (still := stale(file, again)) else (again, ())


def _target(workspace: Workspace, request: CreateRequest, recipe: Recipe) -> Subdir:
    """The platform to build for. Raises UsageError before anything is locked or installed for another one."""
    target = request.platform or workspace.host
    if target is None:
        raise UsageError("this machine's platform is not supported", hint="name one with --platform")
    if request.options.source is Source.PYPI and target is not workspace.host:
        raise UsageError("--source pypi packages this machine's own Python; leave --platform out")
    if target not in recipe.subdirs:
        raise UsageError(
            f"the recipe {recipe.name} is for {', '.join(recipe.subdirs)}, not for {target}"
            + ("" if request.platform else ", which this machine is"),
            hint=f"add {target} to its `platforms:`; without running it, "
            f"`envbuild create {recipe.name} --platform {recipe.subdirs[0]}` lays it out here",
        )
    unknown = sorted(set(request.groups) - {MAIN_GROUP, *recipe.groups})
    if unknown:
        known = ", ".join(sorted(recipe.groups)) or "none"
        raise UsageError(f"{recipe.name} has no group {', '.join(unknown)}", hint=f"its groups are: {known}")
    if request.locked and (request.options.source is Source.PYPI or request.options.channels):
        raise UsageError(
            "--locked is about the committed lock, which --source pypi and --channel do not use",
            hint="leave one of the two out",
        )
    if request.name is not None and request.prefix is not None:
        raise UsageError("-n and -p both say where to build", hint="give one of the two")
    return target


def _require_committed(workspace: Workspace, request: CreateRequest) -> None:
    if workspace.project.committed_lock(request.recipe) is None:
        raise StaleLockError(
            f"{request.recipe} has no lock, and with --locked none is made",
            hint=f"run `envbuild lock {request.recipe}` and commit what it writes",
        )


def _build(
    workspace: Workspace, build: Build, *, lock: UsableLock, channels: tuple[str, ...], prove: bool, warn: Warnings
) -> CreateResult:
    """Build from the lock; `channels` are the recipe's."""
    from builder.install.create import Surroundings
    from builder.install.create import create as install
    from builder.lock.audit import require_sound
    from builder.lock.read import read_lock
    from builder.operations.judging import require_fit
    from builder.operations.proving_locks import told_by

    locked = read_lock(lock.file)
    require_sound(locked, lock.file)
    require_fit(locked, lock.file, workspace.facts)
    prover = None
    if prove:
        from builder.operations.proving import Prover

        prover = Prover(workspace)
    around = Surroundings(
        cache=workspace.package_cache,
        uv=workspace.uv,
        mirrors=workspace.mirrors_for(locked.channels, named_by=channels),
        progress=workspace.progress,
    )
    before = identity(build.prefix)
    try:
        ending = install(
            locked,
            build,
            around,
            waiting=lambda: workspace.progress.note(f"another envbuild is building {build.prefix}; waiting for it"),
            proof=prover,
        )
    except KeyboardInterrupt:
        raise interrupted(build, before) from None
    proof = told_by(lock.file, build.subdir)
    return finished_with(workspace, build, ending, lock=lock, prover=prover, warn=warn, proof=proof)
