"""A lock → a prefix: what to install, the no-op when it is there already, and the build inside the transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from builder import __version__
from builder.environment.stamp import Expectations, Stamp, StampedPackage
from builder.errors import LockfileError, UsageError
from builder.install import transaction
from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from builder.lock.channels import Mirrors
    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir
    from builder.progress import Progress


class Result(Enum):
    """How a `create` that raised nothing ended."""

    PRESENT = "present"
    """The environment of this lock was there already; nothing was done."""
    BUILT = "built"
    UNPROVEN = "unproven"
    """Built, but verification failed; it is kept so that it can be looked at."""
    RESTORED = "restored"
    """Verification failed, and the environment that was there before is back."""


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """What to build and where. `lock_sha256` is that of the lock file's bytes: it identifies the environment."""

    name: str
    recipe: str
    prefix: Path
    subdir: Subdir
    host: Subdir | None
    lock_sha256: str
    groups: tuple[str, ...] = ("main",)
    expectations: Expectations = field(default_factory=Expectations)
    requested: tuple[str, ...] = ()
    """Conda specs that were asked for, for conda-meta."""
    force: bool = False
    """Build also what is there already: its files may have been damaged since."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The machine around a `create`: caches, mirrors, environment variables, and where progress goes."""

    cache: Path
    environ: Mapping[str, str]
    mirrors: Mirrors
    progress: Progress = field(default_factory=NoProgress)


def is_current(request: CreateRequest, stamp: Stamp | None) -> bool:
    """Whether the environment with this stamp is the one asked for, so that nothing has to be done."""
    if request.force:
        return False
    return stamp is not None and (stamp.lock_sha256, stamp.subdir, stamp.groups) == (
        request.lock_sha256,
        request.subdir,
        request.groups,
    )


def packages_of(lock: Lock, request: CreateRequest) -> tuple[LockedPackage, ...]:
    """The packages of the lock for the request's platform and groups. Raises LockfileError, UsageError."""
    if request.subdir not in lock.platforms:
        raise LockfileError(
            f"the lock of {request.name} is for {', '.join(lock.platforms)}, not for {request.subdir}",
            hint=f"add {request.subdir} to the recipe's platforms and run `envbuild lock {request.name}`",
        )
    packages = lock.on(request.subdir)
    known = {group for package in packages for group in package.groups}
    unknown = [group for group in request.groups if group not in known | {"main"}]
    if unknown:
        raise UsageError(
            f"{request.name} has no group {', '.join(unknown)}",
            hint=f"its groups are: {', '.join(sorted(known - {'main'})) or 'none'}",
        )
    return tuple(package for package in packages if set(package.groups) & set(request.groups))


def create(
    lock: Lock,
    request: CreateRequest,
    around: Surroundings,
    *,
    waiting: Callable[[], None],
    proof: Callable[[Path], bool] | None = None,
) -> Result:
    """Build the environment of `lock` at the request's prefix, unless it is there already.

    `waiting` is called when another process is building there. `proof` verifies the finished environment: when
    it says no, an environment that was there before is put back, and a new one is kept to be looked at. Raises
    BuildError, SourceUnreachableError, LockfileError, UsageError; then the prefix is as it was before.
    """
    packages = packages_of(lock, request)
    with transaction.exclusive(request.prefix, waiting=waiting) as place:
        previous = transaction.current(place)
        if is_current(request, previous):
            return Result.PRESENT
        proven = True
        try:
            with transaction.replacing(place):
                with transaction.writing(request.prefix):
                    _build(packages, request, around, held=place.held)
                transaction.write_stamp(place, _stamp(packages, request))
                proven = proof is None or proof(request.prefix)
                if not proven and previous is not None:
                    raise _NotProvenError
        except _NotProvenError:
            return Result.RESTORED
    return Result.BUILT if proven else Result.UNPROVEN


class _NotProvenError(Exception):
    """Leaves the transaction the way a failure does, so that the previous environment comes back."""


def _build(packages: tuple[LockedPackage, ...], request: CreateRequest, around: Surroundings, *, held: int) -> None:
    from builder.environment.register import remember_subdir
    from builder.install.conda import install_conda
    from builder.install.pypi import install_pypi

    conda = [package for package in packages if package.manager == "conda"]
    install_conda(
        conda,
        request.prefix,
        subdir=request.subdir,
        host=request.host,
        mirrors=around.mirrors,
        requested=request.requested,
        cache=around.cache,
        progress=around.progress,
    )
    pypi = [package for package in packages if package.manager == "pip"]
    if pypi:
        around.progress.update("pypi", f"installing {len(pypi)} PyPI packages with uv")
        with around.progress.handed_over() as draw:
            install_pypi(
                pypi,
                request.prefix,
                python=next(package.version for package in conda if package.name == "python"),
                subdir=request.subdir,
                runnable=request.subdir is request.host,
                macos=request.expectations.macos,
                environ=around.environ,
                draw=draw,
                held=held,
            )
        around.progress.done("pypi", f"installed {len(pypi)} PyPI packages")
    remember_subdir(request.prefix, request.subdir)


def _stamp(packages: tuple[LockedPackage, ...], request: CreateRequest) -> Stamp:
    return Stamp(
        name=request.name,
        recipe=request.recipe,
        subdir=request.subdir,
        lock_sha256=request.lock_sha256,
        envbuild_version=__version__,
        packages=tuple(
            StampedPackage(name=package.name, version=package.version, manager=package.manager, build=package.build)
            for package in packages
        ),
        expectations=request.expectations,
        groups=request.groups,
    )
