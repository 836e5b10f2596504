"""The facts, and the questions they answer: what exists, what fits what, and why not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.compat.ranges import in_range
from builder.wheels import marker_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.specifiers import SpecifierSet

    from builder.compat.model import (
        BlasVariant,
        Build,
        Fact,
        GridSpec,
        OpenmpWheel,
        Origin,
        PackageNames,
        PackageTraits,
        Relation,
        Release,
    )
    from builder.platforms import Subdir

#: Better evidence overrules weaker evidence about the same versions.
RANK: Final = {"metadata": 0, "published": 1, "measured": 2}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a combination does not fit: the fact, and its sentence."""

    statement: str
    facts: tuple[Fact, ...]
    remedy: str | None = None
    packages: tuple[str, ...] = ()


def in_order(specifiers: SpecifierSet) -> str:
    """`<2,>=1.26` the way people write it: lower bound first, the same text every time."""
    return ",".join(sorted(map(str, specifiers), key=lambda text: (not text.startswith((">", "=", "~")), text)))


@cache
def _applying(text: str, subdir: Subdir, python: str) -> tuple[str, SpecifierSet] | None:
    """Name and range of a requirement, or None where its marker leaves it out on this target."""
    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate(marker_environment(subdir, python)):
        return None
    return canonicalize_name(requirement.name), requirement.specifier


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All facts, immutable."""

    releases: tuple[Release, ...] = ()
    relations: tuple[Relation, ...] = ()
    blas: tuple[BlasVariant, ...] = ()
    openmp: tuple[OpenmpWheel, ...] = ()
    names: tuple[PackageNames, ...] = ()
    traits: tuple[PackageTraits, ...] = ()
    grids: tuple[GridSpec, ...] = ()
    asked: frozenset[str] = frozenset()
    """Packages whose conda-forge releases are those that the channel itself names, so that there are no others."""
    as_of: str = ""
    """The day that counts as the newest one, where facts of others were added."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Fact id -> `file:line`."""

    @cached_property
    def _by_package(self) -> dict[tuple[str, Origin], tuple[Release, ...]]:
        index: dict[tuple[str, Origin], list[Release]] = {}
        for release in self.releases:
            index.setdefault((release.package, release.origin), []).append(release)
        return {
            key: tuple(sorted(found, key=lambda release: Version(release.version), reverse=True))
            for key, found in index.items()
        }

    def with_more(self, other: Facts) -> Facts:
        """These facts and others; of two with the same id the other's counts."""
        replaced = other.places.keys()
        return Facts(
            releases=(*(fact for fact in self.releases if fact.id not in replaced), *other.releases),
            relations=(*(fact for fact in self.relations if fact.id not in replaced), *other.relations),
            blas=(*(fact for fact in self.blas if fact.id not in replaced), *other.blas),
            openmp=(*(fact for fact in self.openmp if fact.id not in replaced), *other.openmp),
            names=(*self.names, *other.names),
            traits=(*self.traits, *other.traits),
            grids=(*self.grids, *other.grids),
            as_of=self.newest_date,
            places={**self.places, **other.places},
        )

    def with_releases(self, package: str, origin: Origin, releases: tuple[Release, ...]) -> Facts:
        """These facts with all the releases that a package has at an origin, in the place of those they know.

        For the same releases they are the same object, with the answers that it has given.
        """
        key = (package, origin, releases)
        if key not in self._variants:
            self._variants[key] = self._with_releases(package, origin, releases)
        return self._variants[key]

    @cached_property
    def _variants(self) -> dict[tuple[str, Origin, tuple[Release, ...]], Facts]:
        return {}

    def _with_releases(self, package: str, origin: Origin, releases: tuple[Release, ...]) -> Facts:
        others = (release for release in self.releases if (release.package, release.origin) != (package, origin))
        found = replace(self, releases=(*others, *releases), asked=self.asked | {package})
        by_version = {release: Version(release.version) for release in releases}
        newest_first = tuple(sorted(releases, key=by_version.__getitem__, reverse=True))
        # Made anew for every lock, the indexes would take longer than the questions.
        vars(found).update(
            _by_package={key: those for key, those in self._by_package.items() if key != (package, origin)}
            | ({(package, origin): newest_first} if releases else {}),
            _by_version={key: one for key, one in self._by_version.items() if key[:2] != (package, origin)}
            | {(package, origin, version): release for release, version in by_version.items()},
            **{name: getattr(self, name) for name in ("_by_pair", "_related", "_aliases", "newest_date")},
        )
        return found

    @cached_property
    def newest_date(self) -> str:
        """The day on which the newest of envbuild's own facts was established: how old the facts are."""
        return self.as_of or max(
            (fact.date for fact in (*self.releases, *self.relations, *self.blas, *self.openmp)), default="2000-01-01"
        )

    def exhaustive(self, package: str, origin: Origin) -> bool:
        """Whether what is not among a package's releases and builds does not exist.

        The wheels of a release are all known when it is; builds of a channel may be added at any time, and facts about
        them come from whatever copy of its metadata was at hand.
        """
        return origin == "pypi" or package in self.asked

    @cached_property
    def judged(self) -> dict[tuple[object, ...], Any]:
        """What was judged by these facts (`plan.choose.Memo`), for the next recipe that leads to the same question."""
        return {}

    @cached_property
    def _by_pair(self) -> dict[frozenset[str], tuple[Relation, ...]]:
        index: dict[frozenset[str], list[Relation]] = {}
        for relation in self.relations:
            index.setdefault(frozenset((relation.left.package, relation.right.package)), []).append(relation)
        return {key: tuple(found) for key, found in index.items()}

    @cached_property
    def packages(self) -> frozenset[str]:
        """Every package that some fact is about."""
        related = {name for pair in self._by_pair for name in pair}
        of_openmp = {entry.package for entry in self.openmp}
        return frozenset(related | of_openmp | {package for package, _ in self._by_package})

    def releases_of(self, package: str, origin: Origin) -> tuple[Release, ...]:
        """Known releases, newest first."""
        return self._by_package.get((package, origin), ())

    @cached_property
    def _by_version(self) -> dict[tuple[str, Origin, Version], Release]:
        return {(release.package, release.origin, Version(release.version)): release for release in self.releases}

    def release(self, package: str, version: Version, origin: Origin) -> Release | None:
        return self._by_version.get((package, origin, version))

    def related(
        self,
        left: tuple[str, Version],
        right: tuple[str, Version],
        *,
        python: str | None = None,
        origins: Mapping[str, Origin] | None = None,
        subdir: Subdir | None = None,
    ) -> tuple[Relation, ...]:
        """Relations about these two exact versions, best evidence first; overruled ones are left out.

        One that is about packages of another origin than `origins` says is left out as well, or of other platforms.
        """
        from_where = None if origins is None else tuple(origins.get(side[0], "pypi") for side in (left, right))
        key = (left, right, python, from_where, subdir)
        if key not in self._related:
            self._related[key] = self._find_related(left, right, python=python, origins=origins, subdir=subdir)
        return self._related[key]

    @cached_property
    def _related(self) -> dict[tuple[object, ...], tuple[Relation, ...]]:
        """Answers already given: locks of one team ask the same again and again."""
        return {}

    def _find_related(
        self,
        left: tuple[str, Version],
        right: tuple[str, Version],
        *,
        python: str | None,
        origins: Mapping[str, Origin] | None,
        subdir: Subdir | None,
    ) -> tuple[Relation, ...]:
        found = []
        for relation in self._by_pair.get(frozenset((left[0], right[0])), ()):
            sides = (relation.left, relation.right)
            if relation.left.package != left[0]:
                sides = (relation.right, relation.left)
            if relation.pythons and python is not None and python not in relation.pythons:
                continue
            if relation.platforms and subdir is not None and subdir.value not in relation.platforms:
                continue
            elsewhere = any(
                side.origin is not None and origins is not None and side.origin != origins.get(side.package, "pypi")
                for side in sides
            )
            if not elsewhere and sides[0].holds(left[1]) and sides[1].holds(right[1]):
                found.append(relation)
        decisive = [relation for relation in found if relation.verdict in ("works", "fails")]
        best = max((RANK[relation.established] for relation in decisive), default=0)
        # Only works and fails overrule each other: what loads may be unsafe, and what links may fail all the same.
        verdicts = {relation.verdict for relation in decisive if RANK[relation.established] == best}
        kept = [r for r in found if r.verdict not in ("works", "fails") or r.verdict in verdicts]
        # What people wrote, with a remedy, says more than the raw line of a measurement.
        return tuple(sorted(kept, key=lambda relation: (relation.remedy is None, -RANK[relation.established])))

    def openmp_of(self, package: str, version: Version) -> OpenmpWheel | None:
        """What is known of OpenMP in the wheels of a release for Apple silicon."""
        return next(
            (entry for entry in self.openmp if entry.package == package and in_range(entry.versions, version)), None
        )

    def contradictions(self) -> Iterator[tuple[Relation, Relation, str]]:
        """Pairs of relations of equal evidence that say both works and fails about one pair of known versions."""
        for pair in self._by_pair:
            left, right = sorted(pair)
            for left_version in self._versions(left):
                for right_version in self._versions(right):
                    found = self.related((left, left_version), (right, right_version))
                    works = [relation for relation in found if relation.verdict == "works"]
                    fails = [relation for relation in found if relation.verdict == "fails"]
                    for first, second in product(works, fails):
                        apart = first.pythons and second.pythons and not set(first.pythons) & set(second.pythons)
                        if first.established == second.established and not apart:
                            yield first, second, f"{left} {left_version} with {right} {right_version}"

    def _versions(self, package: str) -> tuple[Version, ...]:
        known = {Version(release.version) for release in self.releases if release.package == package}
        return tuple(sorted(known))

    def requirement(self, build: Build, name: str, *, subdir: Subdir, python: str) -> SpecifierSet | None:
        """What a build declares about `name` on this target, or None where it declares nothing."""
        found: SpecifierSet | None = None
        wanted = canonicalize_name(name)
        for text in build.requires:
            declared = _applying(text, subdir, python)
            if declared is not None and declared[0] == wanted:
                found = declared[1] if found is None else found & declared[1]
        return found

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return {alias: entry.package for entry in self.traits for alias in entry.aliases}

    @cached_property
    def _titles(self) -> dict[str, str]:
        return {entry.package: entry.title for entry in self.traits if entry.title is not None}

    @cached_property
    def _every_patch(self) -> frozenset[str]:
        return frozenset(entry.package for entry in self.traits if entry.every_patch)

    @cached_property
    def _needs_proof(self) -> frozenset[frozenset[str]]:
        return frozenset(frozenset((entry.package, other)) for entry in self.traits for other in entry.needs_proof)

    def subject(self, name: str) -> str:
        """What facts call a package that goes by `name` on conda-forge or PyPI (`pytorch` is `torch`)."""
        return self._aliases.get(name, name)

    def display(self, package: str, version: Version | str | None = None) -> str:
        """`tensorflow`, 2.19.1 as people write it: `TensorFlow 2.19.1`."""
        name = self._titles.get(package, package)
        return name if version is None else f"{name} {version}"

    def pypi_only(self, package: str) -> bool:
        """Whether no channel has the package."""
        return any(entry.package == package and entry.pypi_only for entry in self.traits)

    def knows_every_patch(self, package: str) -> bool:
        """Whether facts know every release. Of others they know the newest patch of each minor, which stands for its
        older patches."""
        return package in self._every_patch

    def needs_proof(self, left: str, right: str) -> bool:
        """Whether the pair's metadata says too little, so that without a fact that it works it is unproven."""
        return frozenset((left, right)) in self._needs_proof

    @cached_property
    def _binds(self) -> dict[str, tuple[str, ...]]:
        return {entry.package: entry.binds for entry in self.traits if entry.binds}

    @property
    def binding(self) -> frozenset[str]:
        """Packages that are built against the compiled libraries of another."""
        return frozenset(self._binds)

    def bound(self, left: str, right: str) -> bool:
        """Whether one of the two is built against the compiled libraries of the other."""
        return right in self._binds.get(left, ()) or left in self._binds.get(right, ())

    @cached_property
    def plug_ins(self) -> dict[str, tuple[str, ...]]:
        """Packages that do nothing by themselves, with what each is plugged into."""
        return {entry.package: entry.binds for entry in self.traits if entry.plug_in}

    def origins_about(self, left: str, right: str) -> frozenset[Origin]:
        """Where the packages are from that the facts about a pair are about; empty where none says so."""
        pair = self._by_pair.get(frozenset((left, right)), ())
        told = {side.origin for relation in pair for side in (relation.left, relation.right) if side.origin is not None}
        return frozenset(told | ({"pypi"} if self.pypi_only(left) or self.pypi_only(right) else set()))

    def names_of(self, conda: str) -> PackageNames | None:
        return next((names for names in self.names if names.conda == conda), None)
