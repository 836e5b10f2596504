"""Diff: what differs between two states of a lock, two platforms of it, or an environment and its lock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from builder.environment.environment import Environment
from builder.errors import SourceUnreachableError, UsageError
from builder.git import Git
from builder.lock.diff import LockDiff, compare
from builder.lock.diff import diff as differences
from builder.lock.model import LockedPackage
from builder.lock.read import parse_lock, read_lock
from builder.operations.locked import packages_in
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.lock.diff import Change
    from builder.lock.model import Lock
    from builder.platforms import Subdir
    from builder.workspace import Workspace

_HEAD: Final = "HEAD"


@dataclass(frozen=True, kw_only=True)
class DiffRequest:
    """What to compare. Without a name and without files: all locks of the project.

    `operands` are, in this order: the name of a recipe that has a lock (may be left out), and up to two states of the
    lock: files, or git revisions. One state is compared with the lock as it is now; none is `HEAD`.
    """

    operands: tuple[str, ...] = ()
    platforms: tuple[Subdir, Subdir] | None = None
    """Compare these two platforms of one state instead."""
    environment: str | None = None
    """Compare what is installed in this environment (a name or a path) with one state instead."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """What has to be fetched to follow a diff on one platform: bytes as far as they are known."""

    size: int
    """Of the packages whose size is known, in bytes."""
    packages: int
    unknown: int
    """How many packages have no known size."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One comparison: what its two sides are called, what differs, and what would be downloaded."""

    name: str
    before: str
    after: str
    diff: LockDiff
    downloads: Mapping[Subdir, Download] = field(default_factory=dict)
    """Of the platforms that need any; empty where two platforms are compared, which nobody downloads."""
    between_platforms: bool = False


@dataclass(frozen=True, kw_only=True)
class DiffResult:
    """All comparisons that were asked for, by name."""

    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, kw_only=True)
class _State:
    """A lock as it is, or was, somewhere; None where there is none."""

    label: str
    lock: Lock | None


def diff(workspace: Workspace, request: DiffRequest) -> DiffResult:
    """Compare two states of locks; nothing is solved, written or asked of the network.

    Raises UsageError for a name, file, revision or environment that is not there, LockfileError.
    """
    name, states = _operands(workspace, request.operands)
    if request.platforms is not None and request.environment is not None:
        raise UsageError("--platforms and --prefix compare different things; give one of them")
    if request.platforms is not None or request.environment is not None:
        if len(states) > 1:
            raise UsageError(f"only one state of a lock is compared here, and two were given: {' and '.join(states)}")
        state = _one_state(workspace, name, states)
        if request.platforms is not None:
            return DiffResult(comparisons=(_between_platforms(name, state, request.platforms),))
        assert request.environment is not None
        return DiffResult(comparisons=(_with_environment(workspace, name, state, request.environment),))
    names = (name,) if name is not None else _all_names(workspace, states)
    return DiffResult(comparisons=tuple(_between_states(workspace, one, states) for one in names))


def _operands(workspace: Workspace, operands: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The name, if the first operand is one, and the states."""
    name = None
    if operands and _is_name(workspace, operands[0]):
        name, operands = operands[0], operands[1:]
    if len(operands) > 2:
        raise UsageError(
            f"{', '.join(operands)}: at most two states can be compared"
            + ("" if name else f"; {operands[0]!r} is not the name of a recipe"),
            hint="`envbuild list` shows the names",
        )
    return name, operands


def _is_name(workspace: Workspace, text: str) -> bool:
    if "/" in text or text.startswith("."):
        return False
    project = workspace.project
    return text in project.recipe_files() or (project.environment(text) / LOCK_NAME).is_file()


def _all_names(workspace: Workspace, states: tuple[str, ...]) -> tuple[str, ...]:
    if len(states) == 2 and all(workspace.path(state).is_file() for state in states):
        return ("",)
    if any(workspace.path(state).is_file() for state in states):
        raise UsageError(
            "which lock is to be compared with the file?",
            hint="name the recipe first, as in `envbuild diff ml-m1 FILE`",
        )
    files = sorted((workspace.project.root / "environments").glob(f"*/{LOCK_NAME}"))
    if not files:
        raise UsageError(
            f"there are no locks in {workspace.project.root / 'environments'}",
            hint=workspace.project.towards_locks,
        )
    return tuple(file.parent.name for file in files)


def _between_states(workspace: Workspace, name: str, states: tuple[str, ...]) -> Comparison:
    before = _state(workspace, name, states[0] if states else _HEAD)
    after = _state(workspace, name, states[1]) if len(states) > 1 else _present(workspace, name)
    if before.lock is None and after.lock is None:
        raise UsageError(
            f"{name} has no lock, neither {before.label} nor {after.label}", hint=f"run `envbuild lock {name}`"
        )
    found = differences(before.lock, after.lock)
    downloads = _downloads(workspace, after.lock, found) if after.lock is not None else {}
    return Comparison(name=name, before=before.label, after=after.label, diff=found, downloads=downloads)


def _present(workspace: Workspace, name: str) -> _State:
    file = workspace.project.committed_lock(name)
    return _State(label="now", lock=read_lock(file) if file is not None else None)


def _state(workspace: Workspace, name: str, written: str) -> _State:
    """The state that a file or a revision holds; what is both is the file."""
    file = workspace.path(written)
    if file.exists() and not file.is_dir():  # a pipe or a device too: the reader says what it is
        return _State(label=written, lock=read_lock(file))
    if "/" in written and written.endswith((".yml", ".yaml")):
        raise UsageError(f"{written}: no such file")
    git = Git(folder=workspace.project.root, environ=workspace.environ)
    path = f"environments/{name}/{LOCK_NAME}"
    content = git.file_at(git.commit(written), path)
    return _State(label=written, lock=parse_lock(content, place=f"{written}:{path}") if content is not None else None)


def _one_state(workspace: Workspace, name: str | None, states: tuple[str, ...]) -> _State:
    if name is None and not (states and workspace.path(states[0]).is_file()):
        raise UsageError("name the recipe whose lock is meant", hint="`envbuild list` shows the names")
    state = _state(workspace, name or "", states[0]) if states else _present(workspace, name or "")
    if state.lock is None:
        raise UsageError(f"{name} has no lock ({state.label})", hint=f"run `envbuild lock {name}`")
    return state


def _between_platforms(name: str | None, state: _State, platforms: tuple[Subdir, Subdir]) -> Comparison:
    assert state.lock is not None
    one, other = platforms
    for subdir in platforms:
        if subdir not in state.lock.platforms:
            known = ", ".join(state.lock.platforms)
            raise UsageError(f"the lock has no {subdir}; it is for {known}")
    changes = compare(state.lock.on(one), state.lock.on(other), builds=False)
    return Comparison(
        name=name or state.label,
        before=one.value,
        after=other.value,
        diff=LockDiff(changes={other: changes}),
        between_platforms=True,
    )


def _with_environment(workspace: Workspace, name: str | None, state: _State, environment: str) -> Comparison:
    """What building from the lock would change in an environment, whoever made it."""
    assert state.lock is not None
    there = Environment(workspace.store.find(environment))
    subdir = there.subdir
    if subdir is None or subdir not in state.lock.platforms:
        known = ", ".join(state.lock.platforms)
        raise UsageError(f"{there.path} is for {subdir or 'an unknown platform'}; the lock is for {known}")
    stamp = there.stamp
    wanted = state.lock.on(subdir) if stamp is None else packages_in(state.lock, stamp)
    found = LockDiff(changes={subdir: compare(_installed(there, subdir), wanted)})
    return Comparison(
        name=name or state.label,
        before=str(there.path),
        after="its lock" if state.label == "now" else state.label,
        diff=found,
        downloads=_downloads(workspace, state.lock, found),
    )


def _installed(there: Environment, subdir: Subdir) -> Iterator[LockedPackage]:
    """What is installed, in the terms of a lock; of a wheel nothing on the disk tells the archive."""
    for record in there.conda_records:
        # The build comes from the file's name, and an old record may lack the URL.
        url = record.url or f"{record.channel}/{record.subdir}/{record.name}-{record.version}-{record.build}.conda"
        yield LockedPackage(
            manager="conda", name=record.name, version=record.version, subdir=subdir, url=url, sha256=record.sha256
        )
    for dist in there.distributions:
        if there.owners.owner_of_distribution(dist).manager != "conda":
            yield LockedPackage(manager="pip", name=dist.name, version=dist.version, subdir=subdir, url="", sha256=None)


def _downloads(workspace: Workspace, lock: Lock, found: LockDiff) -> dict[Subdir, Download]:
    wanted = {
        subdir: [change.after for change in changes if change.after is not None]
        for subdir, changes in found.changes.items()
    }
    downloads = {}
    for subdir, packages in wanted.items():
        if packages:
            sizes = _sizes(workspace, lock, subdir, [package for package in packages if package.manager == "conda"])
            known = [sizes[package.sha256] for package in packages if package.sha256 in sizes]
            downloads[subdir] = Download(size=sum(known), packages=len(packages), unknown=len(packages) - len(known))
    return downloads


def _sizes(workspace: Workspace, lock: Lock, subdir: Subdir, packages: list[LockedPackage]) -> dict[str | None, int]:
    """SHA-256 → bytes, of the packages that the channels' metadata in the cache knows. Nobody is asked for it."""
    if not packages:
        return {}
    from builder.lock.rattler_solver import RattlerSolver
    from builder.lock.solver import SolveRequest

    request = SolveRequest(subdir=subdir, channels=lock.channels, specs=(), virtual_packages={}, exact={})
    solver = RattlerSolver(mirrors=workspace.mirrors_for(lock.channels), offline=True)
    try:
        records = asyncio.run(solver.records(request, sorted({package.name for package in packages})))
    except (SourceUnreachableError, UsageError):
        return {}
    return {
        record.sha256.hex(): record.size for record in records if record.sha256 is not None and record.size is not None
    }


def changes_of(comparison: Comparison) -> Iterator[tuple[Subdir, Change]]:
    """Every change with its platform."""
    for subdir, changes in comparison.diff.changes.items():
        for change in changes:
            yield subdir, change
