"""The facts, and the questions they answer: what exists, what fits what, and why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.specifiers import SpecifierSet

    from builder.compat.model import BlasVariant, Build, Fact, Origin, PackageNames, Relation, Release
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


def marker_environment(subdir: Subdir, python: str) -> dict[str, str]:
    """The PEP 508 environment of a target (`python` is a minor)."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "darwin" if subdir.is_osx else "linux",
        "platform_system": "Darwin" if subdir.is_osx else "Linux",
        "os_name": "posix",
        "platform_machine": subdir.machine,
        "platform_release": "",
        "platform_version": "",
        "implementation_version": f"{python}.0",
        "extra": "",
    }


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All facts, immutable."""

    releases: tuple[Release, ...] = ()
    relations: tuple[Relation, ...] = ()
    blas: tuple[BlasVariant, ...] = ()
    names: tuple[PackageNames, ...] = ()
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
        return frozenset(related | {package for package, _ in self._by_package})

    def releases_of(self, package: str, origin: Origin) -> tuple[Release, ...]:
        """Known releases, newest first."""
        return self._by_package.get((package, origin), ())

    def release(self, package: str, version: str, origin: Origin) -> Release | None:
        wanted = Version(version)
        return next((r for r in self.releases_of(package, origin) if Version(r.version) == wanted), None)

    def related(
        self, left: tuple[str, Version], right: tuple[str, Version], *, python: str | None = None
    ) -> tuple[Relation, ...]:
        """Relations about these two exact versions, best evidence first; overruled ones are left out."""
        found = []
        for relation in self._by_pair.get(frozenset((left[0], right[0])), ()):
            sides = (relation.left, relation.right)
            if relation.left.package != left[0]:
                sides = (relation.right, relation.left)
            if relation.pythons and python is not None and python not in relation.pythons:
                continue
            if sides[0].holds(left[1]) and sides[1].holds(right[1]):
                found.append(relation)
        decisive = [relation for relation in found if relation.verdict in ("works", "fails")]
        best = max((RANK[relation.established] for relation in decisive), default=0)
        # Only works and fails overrule each other: what loads may be unsafe, and what links may fail all the same.
        kept = [r for r in found if r.verdict not in ("works", "fails") or RANK[r.established] == best]
        return tuple(sorted(kept, key=lambda relation: -RANK[relation.established]))

    def contradictions(self) -> Iterator[tuple[Relation, Relation, str]]:
        """Pairs of relations of equal evidence that say both works and fails about one pair of known versions."""
        for pair in self._by_pair:
            left, right = sorted(pair)
            for left_version in self._versions(left):
                for right_version in self._versions(right):
                    found = self.related((left, left_version), (right, right_version))
                    works = [relation for relation in found if relation.verdict == "works"]
                    fails = [relation for relation in found if relation.verdict == "fails"]
                    for first in works:
                        for second in fails:
                            both = set(first.pythons) & set(second.pythons) if first.pythons and second.pythons else {0}
                            if first.established == second.established and both:
                                yield first, second, f"{left} {left_version} with {right} {right_version}"

    def _versions(self, package: str) -> tuple[Version, ...]:
        known = {Version(release.version) for release in self.releases if release.package == package}
        return tuple(sorted(known))

    def requirement(self, build: Build, name: str, *, subdir: Subdir, python: str) -> SpecifierSet | None:
        """What a build declares about `name` on this target, or None where it declares nothing."""
        found: SpecifierSet | None = None
        environment = marker_environment(subdir, python)
        for text in build.requires:
            requirement = Requirement(text)
            if canonicalize_name(requirement.name) != canonicalize_name(name):
                continue
            if requirement.marker is None or requirement.marker.evaluate(environment):
                found = requirement.specifier if found is None else found & requirement.specifier
        return found

    def pypi_name(self, conda: str) -> str:
        """The PyPI name of a conda package: from the table, else the same."""
        entry = next((names for names in self.names if names.conda == conda), None)
        return entry.pypi if entry is not None and entry.pypi is not None else conda

    def names_of(self, conda: str) -> PackageNames | None:
        return next((names for names in self.names if names.conda == conda), None)
