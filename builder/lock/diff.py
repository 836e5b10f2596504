"""What differs between two locks, between two platforms of one, or between a lock and what is installed: for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from packaging.version import Version as PypiVersion

from builder.frameworks.keras import OVER_FRAMEWORKS
from builder.frameworks.registry import all_frameworks
from builder.lock.parity import subject
from builder.names import pypi_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir

#: BLAS and OpenMP as conda-forge names them (its packages `blas-feedstock`, `openmp-feedstock`), and MKL's and PyPI's.
_BLAS: Final = frozenset({"libblas", "libcblas", "liblapack", "libopenblas", "openblas", "blas", "mkl", "blis"})
_OPENMP: Final = frozenset({"llvm-openmp", "libgomp", "intel-openmp", "_openmp_mutex"})


class Kind(StrEnum):
    """How one package differs."""

    ADDED = "added"
    REMOVED = "removed"
    UP = "up"
    DOWN = "down"
    CHANGED = "changed"
    """Another version, of which it cannot be said which is newer."""
    REBUILT = "rebuilt"
    """The same version in another build, or from another file."""


class Rank(StrEnum):
    """What a reader wants to see first; in this order."""

    PYTHON = "python"
    FRAMEWORK = "framework"
    KERAS = OVER_FRAMEWORKS
    BLAS = "blas"
    OPENMP = "openmp"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One package that differs; None: it is not there. From conda before and PyPI after, it is one change."""

    before: LockedPackage | None
    after: LockedPackage | None

    @property
    def package(self) -> LockedPackage:
        """The package as it is after, or else as it was."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def name(self) -> str:
        return self.package.name

    @property
    def kind(self) -> Kind:
        if self.before is None:
            return Kind.ADDED
        if self.after is None:
            return Kind.REMOVED
        if self.before.version == self.after.version:
            return Kind.REBUILT
        older, newer = (_comparable(package, both=self) for package in (self.before, self.after))
        if older is None or newer is None or older == newer:
            return Kind.CHANGED
        return Kind.UP if older < newer else Kind.DOWN

    @property
    def rank(self) -> Rank:
        name, project = canonicalize_name(self.name), subject(self.package)
        if self.name == "python":
            return Rank.PYTHON
        if project == OVER_FRAMEWORKS:
            return Rank.KERAS
        if project in _framework_projects():
            return Rank.FRAMEWORK
        if name in _BLAS:
            return Rank.BLAS
        # Not canonical: `_openmp_mutex`.
        return Rank.OPENMP if self.name in _OPENMP else Rank.OTHER


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A change that several platforms agree on: as it is on the first of them."""

    change: Change
    subdirs: tuple[Subdir, ...]


@dataclass(frozen=True, kw_only=True)
class LockDiff:
    """What differs on each platform that either lock has, in the order of prominence and name."""

    changes: dict[Subdir, tuple[Change, ...]]
    added: tuple[Subdir, ...] = ()
    """Platforms that only the second lock has."""
    removed: tuple[Subdir, ...] = ()

    @property
    def same(self) -> bool:
        return not (any(self.changes.values()) or self.added or self.removed)

    def folded(self) -> tuple[Folded, ...]:
        """The changes, each once for all platforms that agree on it."""
        found: dict[tuple[object, ...], list[tuple[Change, Subdir]]] = {}
        for subdir, changes in self.changes.items():
            for change in changes:
                found.setdefault(_fold_key(change), []).append((change, subdir))
        folded = [Folded(change=same[0][0], subdirs=tuple(subdir for _, subdir in same)) for same in found.values()]
        return tuple(sorted(folded, key=lambda one: _order(one.change)))


def diff(before: Lock | None, after: Lock | None) -> LockDiff:
    """What `after` changes against `before`; None is a lock that is not there."""
    old = before.platforms if before is not None else ()
    new = after.platforms if after is not None else ()
    changes = {
        subdir: compare(before.on(subdir) if before else (), after.on(subdir) if after else ())
        for subdir in dict.fromkeys((*new, *old))
    }
    return LockDiff(
        changes=changes,
        added=tuple(subdir for subdir in new if subdir not in old),
        removed=tuple(subdir for subdir in old if subdir not in new),
    )


def compare(
    before: Iterable[LockedPackage], after: Iterable[LockedPackage], *, builds: bool = True
) -> tuple[Change, ...]:
    """What differs between two sets of packages, in the order of prominence and name.

    Without `builds` only versions count: two platforms always have other builds. A hash or URL that is not known on
    either side is no difference.
    """
    old = {(package.manager, canonicalize_name(package.name)): package for package in before}
    new = {(package.manager, canonicalize_name(package.name)): package for package in after}
    changes = [
        Change(before=old[key], after=new[key])
        for key in old.keys() & new.keys()
        if old[key].version != new[key].version or (builds and _rebuilt(old[key], new[key]))
    ]
    changes += _one_sided(
        [old[key] for key in sorted(old.keys() - new.keys())], [new[key] for key in sorted(new.keys() - old.keys())]
    )
    return tuple(sorted(changes, key=_order))


def _one_sided(gone: Sequence[LockedPackage], come: Sequence[LockedPackage]) -> Iterable[Change]:
    """What is on one side only; a project that went from conda to PyPI, or back, is one change."""
    left = list(come)
    for package in gone:
        moved = next(
            (
                other
                for other in left
                if other.manager != package.manager and _distribution(other) == _distribution(package)
            ),
            None,
        )
        if moved is not None:
            left.remove(moved)
        yield Change(before=package, after=moved)
    yield from (Change(before=None, after=package) for package in left)


def _distribution(package: LockedPackage) -> str:
    return pypi_name(package.name) if package.manager == "conda" else canonicalize_name(package.name)


def _rebuilt(one: LockedPackage, other: LockedPackage) -> bool:
    if one.build != other.build:
        return True
    return None not in (one.sha256, other.sha256) and one.sha256 != other.sha256


def _fold_key(change: Change) -> tuple[object, ...]:
    sides = [side and (side.manager, side.version) for side in (change.before, change.after)]
    key = (change.name, change.kind, *sides)
    if change.rank is Rank.OTHER:
        # Builds carry a hash of the platform's own variant, and would keep platforms apart that agree.
        return key
    return (*key, *(side and side.build for side in (change.before, change.after)))


def _order(change: Change) -> tuple[int, str, str]:
    return list(Rank).index(change.rank), canonicalize_name(change.name), change.package.manager


def _comparable(package: LockedPackage, *, both: Change) -> Any:
    """The version as one that can be compared; by PyPI's order where both sides are wheels, else by conda's."""
    if both.before is not None and both.after is not None and both.before.manager == both.after.manager == "pip":
        try:
            return PypiVersion(package.version)
        except InvalidVersion:
            return None
    import rattler
    from rattler.exceptions import InvalidVersionError

    try:
        return rattler.Version(package.version)
    except InvalidVersionError:
        return None


@cache
def _framework_projects() -> frozenset[str]:
    found: set[str] = set()
    for framework in all_frameworks():
        found |= {framework.main, framework.version_of, *framework.distributions, *framework.partners}
        if framework.plugin is not None:
            found.add(framework.plugin.name)
    return frozenset(filter(None, found))
