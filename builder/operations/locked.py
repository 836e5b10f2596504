"""The lock of an environment that is there: found again from its stamp, and compared with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from builder.credentials import without_credentials
from builder.environment.stamp import NewerStampError, require_stamp, upgrade
from builder.errors import LockfileError, UsageError
from builder.lock.digest import lock_digest
from builder.lock.model import LockedPackage
from builder.lock.read import read_lock
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.environment.stamp import Stamp, StampedPackage
    from builder.lock.model import Lock
    from builder.workspace import Workspace


class Step(StrEnum):
    """Whether an environment is of its lock as that is now."""

    IN_STEP = "in step"
    CHANGED = "changed"
    """The lock is another one than the environment was built from."""
    NONE = "no lock"
    """There is none to be found from here; the stamp says what was in it."""


@dataclass(frozen=True, kw_only=True)
class LockOfEnvironment:
    """The lock file that belongs to an environment, if there is one, and how the two stand to each other."""

    step: Step
    file: Path | None = None


def stamp_of(prefix: Path, *, hint: str) -> Stamp:
    """The stamp of an environment. Raises UsageError for one that envbuild did not make, or that says nothing."""
    try:
        stamp = require_stamp(prefix)
    except NewerStampError as error:
        raise UsageError(f"{prefix}: {error}", hint=upgrade()) from None
    except ValueError as error:
        raise UsageError(f"{prefix}: its stamp cannot be understood: {error}", hint=hint) from None
    if stamp is None:
        raise UsageError(f"{prefix} was not made by envbuild, so there is no lock to compare it with", hint=hint)
    return stamp


def find_lock(workspace: Workspace, stamp: Stamp) -> LockOfEnvironment:
    """The lock that the environment with this stamp was built from, or its successor: one of the same channels.

    A lock that cannot be read is passed over here: whoever needs it will say so.
    """
    candidates = list(_candidates(workspace, stamp.recipe or stamp.name))
    for file in candidates:
        if lock_digest(file) == stamp.lock_sha256:
            return LockOfEnvironment(step=Step.IN_STEP, file=file)
    for file in candidates:
        if _is_of_the_same_channels(file, stamp):
            return LockOfEnvironment(step=Step.CHANGED, file=file)
    return LockOfEnvironment(step=Step.NONE)


def _candidates(workspace: Workspace, recipe: str) -> Iterator[Path]:
    project = workspace.project
    committed = project.committed_lock(recipe)
    if committed is not None:
        yield committed
    kept = project.state / "environments"
    yield from sorted(file for file in kept.glob(f"*/{recipe}/{LOCK_NAME}") if file.is_file())


def _is_of_the_same_channels(file: Path, stamp: Stamp) -> bool:
    try:
        lock = read_lock(file)
    except LockfileError:
        # Of a committed one it is to be said; which it is does not depend on what it holds.
        return file.parent.parent.name == "environments" and not _is_local(stamp)
    return stamp.subdir in lock.platforms and tuple(map(without_credentials, lock.channels)) == stamp.channels


def _is_local(stamp: Stamp) -> bool:
    return any(channel.startswith("file:") for channel in stamp.channels)


def packages_in(lock: Lock, stamp: Stamp) -> tuple[LockedPackage, ...]:
    """The packages of a lock for an environment of this stamp: of its platform and groups."""
    return tuple(package for package in lock.on(stamp.subdir) if set(package.groups) & set(stamp.groups))


def packages_of_stamp(stamp: Stamp) -> tuple[LockedPackage, ...]:
    """The packages that an environment was built from, as far as its stamp tells. Raises UsageError for an old one."""
    if any(not package.url for package in stamp.packages):
        raise UsageError(
            f"{stamp.name} was built by an older envbuild, which did not note where its packages are from",
            hint=f"build it anew: {shlex.join((*stamp.create_words, '--force'))}",
        )
    return tuple(
        LockedPackage(
            manager=package.manager,
            name=package.name,
            version=package.version,
            subdir=stamp.subdir,
            url=package.url,
            sha256=package.sha256,
            groups=stamp.groups,
        )
        for package in stamp.packages
    )


@dataclass(frozen=True, kw_only=True, order=True)
class Moved:
    """A package that the lock has in another version, build or archive than the environment was built from.

    None: it was, or is, not there.
    """

    name: str
    before: str | None
    after: str | None


def moved(stamp: Stamp, packages: tuple[LockedPackage, ...]) -> tuple[Moved, ...]:
    """What building from `packages` would change, by name."""
    before = {(one.manager, one.name): one for one in stamp.packages}
    after = {(one.manager, one.name): one for one in packages}
    found = []
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old is None or new is None or _identity(old) != _identity(new):
            found.append(Moved(name=key[1], before=_told(old), after=_told(new)))
    return tuple(sorted(found, key=lambda one: one.name))


def _identity(package: StampedPackage | LockedPackage) -> tuple[str, str, str | None]:
    return package.version, package.build, package.sha256


def _told(package: StampedPackage | LockedPackage | None) -> str | None:
    return f"{package.version} {package.build}".strip() if package is not None else None
