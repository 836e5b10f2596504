"""What continuous integration has to build: every environment on every platform, or what changed since a revision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from builder.errors import ChecksFailedError, EnvbuildError, LockfileError, StaleLockError
from builder.git import Git
from builder.lock.proof import packages_digest
from builder.lock.read import parse_lock, read_lock
from builder.project import LOCK_NAME
from builder.recipe.load import ancestry
from builder.wording import listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.lock.model import Lock
    from builder.platforms import Subdir
    from builder.workspace import Workspace

#: As much of a digest as tells locks apart in the name of a cache.
_SHORT: Final = 20


@dataclass(frozen=True, kw_only=True)
class MatrixRequest:
    """Which recipes (none: all that are locked), on which platforms (none: all), and since when."""

    recipes: tuple[str, ...] = ()
    platforms: tuple[Subdir, ...] = ()
    since: str | None = None
    """Only what has changed since this git revision."""
    runners: Mapping[Subdir, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """The runners of a platform, each by its labels. A platform that is not named is left to whoever draws."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One environment to build on one platform."""

    environment: str
    platform: Subdir
    runners: tuple[tuple[str, ...], ...]
    digest: str
    """SHA-256 of the packages of this platform: the same for the same packages, whatever else of the lock changes."""
    why: str

    @property
    def cache(self) -> str:
        """A name for a cache of the packages."""
        return f"envbuild-{self.platform}-{self.digest[:_SHORT]}"


@dataclass(frozen=True, kw_only=True)
class MatrixResult:
    """The jobs, by the name of the environment and in the lock's order of platforms. None where nothing has changed."""

    jobs: tuple[Job, ...]


def matrix(workspace: Workspace, request: MatrixRequest) -> MatrixResult:
    """Say what has to be built; nothing is solved, and nobody is asked.

    An environment has changed where its recipe, or one that it builds on, is another than at the revision, and on a
    platform whose packages in the lock are others. Raises ChecksFailedError where nothing is locked, StaleLockError for
    a named recipe without a lock, LockfileError, UsageError.
    """
    git = Git(folder=workspace.project.root, environ=workspace.environ)
    commit = git.commit(request.since) if request.since is not None else None
    jobs: list[Job] = []
    names = request.recipes or _locked(workspace)
    for name in dict.fromkeys(names):
        file = workspace.project.committed_lock(name)
        if file is None:
            workspace.project.recipe_file(name)
            raise StaleLockError(f"{name} has no lock", hint=f"run `envbuild lock {name}` and commit what it writes")
        lock = read_lock(file)
        why = dict.fromkeys(lock.platforms, "it is locked")
        if commit is not None and request.since is not None:
            why = dict(_changed(workspace, git, name, lock, commit=commit, since=request.since))
        jobs += [
            Job(
                environment=name,
                platform=subdir,
                runners=request.runners.get(subdir, ()),
                digest=packages_digest(lock.on(subdir)),
                why=why[subdir],
            )
            for subdir in lock.platforms
            if subdir in why and (not request.platforms or subdir in request.platforms)
        ]
    return MatrixResult(jobs=tuple(jobs))


def _locked(workspace: Workspace) -> tuple[str, ...]:
    """The project's recipes that have a lock; those that have none are said."""
    project = workspace.project
    names = project.own_names()
    locked = tuple(name for name in names if (project.environment(name) / LOCK_NAME).is_file())
    unlocked = [name for name in names if name not in locked]
    if locked and len(unlocked) == 1:
        [name] = unlocked
        workspace.progress.warn(f"{name} has no lock, and is left out; `envbuild lock {name}` makes one")
    elif locked and unlocked:
        workspace.progress.warn(
            f"{plural(len(unlocked), 'recipe')} have no lock, and are left out: {listing(unlocked)}; "
            "`envbuild lock --all` makes them"
        )
    if not locked:
        raise ChecksFailedError(
            f"there are no locks in {project.root / 'environments'}",
            hint=project.towards_locks,
        )
    return locked


def _changed(
    workspace: Workspace, git: Git, name: str, lock: Lock, *, commit: str, since: str
) -> Iterator[tuple[Subdir, str]]:
    """The platforms on which an environment is another one than at a commit, and why."""
    path = f"environments/{name}/{LOCK_NAME}"
    content = git.file_at(commit, path)
    try:
        before = parse_lock(content, place=f"{since}:{path}") if content is not None else None
    except LockfileError:
        before = None
    recipe = next(_changed_recipes(workspace, git, name, commit), None)
    for subdir in lock.platforms:
        if before is None or subdir not in before.platforms:
            yield subdir, f"it is new since {since}"
        elif recipe is not None:
            yield subdir, f"{recipe} has changed since {since}"
        elif packages_digest(before.on(subdir)) != packages_digest(lock.on(subdir)):
            yield subdir, f"its packages have changed since {since}"


def _changed_recipes(workspace: Workspace, git: Git, name: str, commit: str) -> Iterator[str]:
    """Files of the project, of those that a recipe is made of, that are others than at a commit."""
    files = workspace.project.recipe_files()
    if name not in files:
        return
    try:
        chain = (name, *ancestry(files[name], find=files.get))
    except EnvbuildError:
        chain = (name,)  # `check` says what is wrong with it
    for each in chain:
        file = files.get(each)
        if file is not None and file.parent == workspace.project.recipes:
            path = f"recipes/{file.name}"
            if git.file_at(commit, path) != file.read_bytes():
                yield path
