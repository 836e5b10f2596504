"""A lock → a prefix: what to install, the no-op when it is there already, and the build inside the transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from builder import __version__
from builder.credentials import without_credentials
from builder.environment.moved import is_same_place
from builder.environment.register import remember
from builder.environment.stamp import Expectations, Stamp, StampedPackage, Verdict
from builder.errors import BuildError, LockfileError, UsageError
from builder.install import transaction
from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from builder.environment.distributions import Distribution
    from builder.environment.place import Place
    from builder.lock.channels import Mirrors
    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir
    from builder.progress import Progress
    from builder.uv import Uv


class Result(Enum):
    """How a `create` that raised nothing ended."""

    PRESENT = "present"
    """The environment of this lock was there already, and has passed its proof or was not to be proven."""
    PROVEN = "proven"
    """It was there already, and has passed its proof only now."""
    FAILING = "failing"
    """It was there already, and its proof failed (again)."""
    BUILT = "built"
    UPDATED = "updated"
    """It was there with other packages or damaged, and what differed was put right in it."""
    UNPROVEN = "unproven"
    """Built, but its proof failed; it is kept so that it can be looked at."""
    RESTORED = "restored"
    """The proof of what was built failed, and the environment that was there before is back."""


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a verification said about an environment."""

    level: str
    """How thorough it was: `quick`, `default` or `full`."""
    passed: bool
    blameless: bool = False
    """Whether the environment itself is sound, and all that failed lies in the user's own settings around it. It is
    then not taken back."""

    @property
    def verdict(self) -> Verdict:
        return Verdict.PASSED if self.passed else Verdict.FAILED


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
    """The machine around a `create`: the cache of conda packages, uv, mirrors, and where progress goes."""

    cache: Path
    uv: Uv
    mirrors: Mirrors
    progress: Progress = field(default_factory=NoProgress)


def is_built(request: CreateRequest, stamp: Stamp | None) -> bool:
    """Whether the environment with this stamp has the packages that are asked for."""
    return (
        not request.force
        and stamp is not None
        # One that was moved runs the interpreter of its old place: it is built anew.
        and is_same_place(stamp.prefix or request.prefix, request.prefix)
        and (stamp.lock_sha256, stamp.subdir, stamp.groups) == (request.lock_sha256, request.subdir, request.groups)
    )


def is_current(request: CreateRequest, stamp: Stamp | None) -> bool:
    """Whether it has moreover passed its proof of what is expected of it now, so that nothing has to be done."""
    return (
        stamp is not None
        and is_built(request, stamp)
        and stamp.expecting(request.expectations).verdict is Verdict.PASSED
    )


def packages_of(lock: Lock, request: CreateRequest) -> tuple[LockedPackage, ...]:
    """The packages of the lock for the request's platform and groups. Raises LockfileError, UsageError."""
    # Here, for its time: an environment that is right already needs none of it.
    from builder.render.model import environment_file

    if request.subdir not in lock.platforms:
        raise LockfileError(
            f"the lock of {request.name} is for {', '.join(lock.platforms)}, not for {request.subdir}",
            hint=f"add {request.subdir} to the recipe's platforms and run `envbuild lock {request.name}`",
        )
    packages = lock.on(request.subdir)
    # A group whose packages are all in `main` as well has none of its own; its file is a source of the lock.
    known = {group for package in packages for group in package.groups}
    known |= {group for group in request.groups if environment_file(group) in lock.sources}
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
    proof: Callable[[Path], Proof] | None = None,
) -> Result:
    """Build the environment of `lock` at the request's prefix, unless it is there already.

    Where an environment of other packages is there, only what differs is replaced, if that can be done safely: then
    every file of it was compared with what its package recorded, before and after. What the lock does not know goes.
    `waiting` is called when another process is building there. `proof` verifies the finished environment, also one that
    was there and has not passed yet; the stamp keeps what it said. When it says no, an environment that was there
    before is put back, and a new one is kept to be looked at. Without it, the environment stays unproven. Raises
    BuildError, SourceUnreachableError, LockfileError, UsageError; then the prefix is as it was before.
    """
    packages = packages_of(lock, request)
    with transaction.exclusive(request.prefix, waiting=waiting) as place:
        previous = transaction.current(place)
        if previous is not None and is_built(request, previous):
            return present(place, previous, request, proof=proof)
        stamp = stamp_of(packages, request, channels=lock.channels)
        try:
            if previous is not None and not request.force and previous.subdir is request.subdir:
                updated = _updated(place, previous, stamp, packages, request, around, proof=proof)
                if updated is not None:
                    return updated
            with transaction.replacing(place, progress=around.progress):
                with transaction.writing(request.prefix):
                    dists = _build(packages, request, around, held=place.held)
                    remember(request.prefix, stamp)
                stamp = _noted(stamp, dists)
                transaction.write_stamp(place, stamp)
                if previous is not None and proof is not None:
                    # Whoever is killed here gets the previous environment back.
                    return accepted(place, stamp, proof, Result.BUILT)
        except NotProvenError:
            return Result.RESTORED
        if proof is None:
            return Result.BUILT
        # A new environment is whole by now. Whoever is killed here finds it unproven, and the next `create` proves it.
        return Result.BUILT if proven(place, stamp, proof).passed else Result.UNPROVEN


def _updated(
    place: Place,
    previous: Stamp,
    stamp: Stamp,
    packages: tuple[LockedPackage, ...],
    request: CreateRequest,
    around: Surroundings,
    *,
    proof: Callable[[Path], Proof] | None,
) -> Result | None:
    """Replace only what differs; None where the environment has to be built anew as a whole. Raises NotProvenError."""
    from builder.environment.environment import Environment
    from builder.environment.recorded import rewritten
    from builder.install.repair import needs_whole
    from builder.install.update import compare, updating, with_records

    environment = Environment(place.prefix, subdir=request.subdir)
    reason = needs_whole(environment, packages)
    if reason is not None:
        around.progress.note(f"{reason}, so the environment is built anew as a whole")
        return None
    doubted = rewritten(environment, previous)
    found = compare(environment, stamp.packages, around, before=previous.packages, rewritten=doubted)
    if found.clean:
        return adopted(place, previous, stamp, request, proof=proof)
    try:
        with updating(
            place, environment, found, doubted, packages, stamp.packages, request, around, prune=True, exact=True
        ) as left:
            stamp = with_records(stamp, Environment(place.prefix), previous=previous, left=left)
            remember(place.prefix, stamp)
            transaction.write_stamp(place, stamp)
            return Result.UPDATED if proof is None else accepted(place, stamp, proof, Result.UPDATED)
    except BuildError as error:
        around.progress.note(f"only what differs could not be replaced ({error.message}); building it anew as a whole")
        return None


def adopted(
    place: Place,
    previous: Stamp,
    stamp: Stamp,
    request: CreateRequest,
    *,
    proof: Callable[[Path], Proof] | None,
) -> Result:
    """The environment is that of another lock as it is, and gets the new stamp. Of the same packages a proof stays."""
    same = set(stamp.packages) == set(previous.packages)
    kept = replace(stamp, proof=previous.proof if same else None, records=previous.records)
    if kept != previous:
        transaction.write_stamp(place, kept)
    return present(place, kept, request, proof=proof)


def present(
    place: Place,
    previous: Stamp,
    request: CreateRequest,
    *,
    proof: Callable[[Path], Proof] | None,
) -> Result:
    """Nothing has to be built. What has not passed its proof is proven now: no verdict gets better by asking again."""
    stamp = previous.expecting(request.expectations)
    if stamp.verdict is Verdict.PASSED or proof is None:
        if stamp != previous:
            transaction.write_stamp(place, stamp)
        return Result.PRESENT
    return Result.PROVEN if proven(place, stamp, proof).passed else Result.FAILING


def proven(place: Place, stamp: Stamp, proof: Callable[[Path], Proof]) -> Proof:
    """Prove what is there, and have the stamp say what came of it."""
    # While it is at work, what a former proof said no longer counts.
    transaction.write_stamp(place, replace(stamp, proof=None))
    told = proof(place.prefix)
    transaction.write_stamp(place, stamp.proven(level=told.level, verdict=told.verdict))
    return told


def accepted(place: Place, stamp: Stamp, proof: Callable[[Path], Proof], built: Result) -> Result:
    """Prove what took the place of another environment. Raises NotProvenError where that one is to come back."""
    told = proven(place, stamp, proof)
    if not told.passed and not told.blameless:
        raise NotProvenError
    return built if told.passed else Result.UNPROVEN


class NotProvenError(Exception):
    """Leaves the transaction the way a failure does, so that the previous environment comes back."""


def _build(
    packages: tuple[LockedPackage, ...], request: CreateRequest, around: Surroundings, *, held: int
) -> tuple[Distribution, ...]:
    """Link and install; gives the distributions that are there then, as far as wheels were installed."""
    from builder.install.conda import install_conda

    install_conda(
        [package for package in packages if package.manager == "conda"],
        request.prefix,
        subdir=request.subdir,
        host=request.host,
        mirrors=around.mirrors,
        requested=request.requested,
        cache=around.cache,
        progress=around.progress,
    )
    wheels = [package for package in packages if package.manager == "pip"]
    if not wheels:
        return ()
    from builder.install.pypi import install_wheels

    return install_wheels(wheels, packages, request, around, held=held)


def _noted(stamp: Stamp, dists: tuple[Distribution, ...]) -> Stamp:
    """The stamp of what was just built, with what the installers noted of its files."""
    from builder.environment.condameta import read_records
    from builder.environment.reading import Reader
    from builder.environment.recorded import note_digests

    records = read_records(Path(stamp.prefix) / "conda-meta", Reader())
    return replace(stamp, records=note_digests(records, dists, stamp.packages))


def stamp_of(packages: Sequence[LockedPackage], request: CreateRequest, *, channels: Iterable[str]) -> Stamp:
    """The stamp of an environment of these packages; nothing is proven of it yet."""
    return Stamp(
        name=request.name,
        recipe=request.recipe,
        subdir=request.subdir,
        lock_sha256=request.lock_sha256,
        envbuild_version=__version__,
        packages=tuple(stamped(package) for package in packages),
        expectations=request.expectations,
        groups=request.groups,
        channels=tuple(without_credentials(channel) for channel in channels),
        prefix=str(request.prefix),
    )


def stamped(package: LockedPackage) -> StampedPackage:
    """A package of a lock as a stamp names it."""
    return StampedPackage(
        name=package.name,
        version=package.version,
        manager=package.manager,
        build=package.build,
        sha256=package.sha256,
        url=without_credentials(package.url),
    )
