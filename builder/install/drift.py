"""How an environment differs from the packages that it should hold: versions, builds, hashes, and every file.

What an installer recorded (conda-meta, RECORD) is compared with the list of packages, then every recorded file with its
SHA-256. Nothing is run, and nothing is changed.
"""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builder.binaries.hashing import digests
from builder.environment.intact import leads_right, lost_permission, recorded_links
from builder.environment.ownership import GENERATED
from builder.environment.recorded import key_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.model import CondaRecord
    from builder.environment.ownership import Claim, Owner
    from builder.environment.reading import Unreadable
    from builder.environment.stamp import StampedPackage

#: `lib/python3.12/site-packages/numpy-2.3.5.dist-info/METADATA`
_DIST_INFO: Final = re.compile(r"(?:^|/)([^/]+?)-([^/-]+)\.(?:dist|egg)-info(?:/|$)")
#: What Python imports, or the loader loads, from a folder of packages.
_CODE: Final = (".py", ".so", ".dylib", ".pth")


class Problem(StrEnum):
    """In which way a package of the lock is not as locked."""

    MISSING = "missing"
    DAMAGED = "damaged"
    """It is there, but what its installer recorded cannot be read, or says something else than it did then."""
    OTHER = "other"
    """Another version, build or archive of it is installed."""
    FILES = "files"
    """It is the locked one, and some of its files are missing or changed."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One package of the lock that is not there as locked."""

    name: str
    manager: Literal["conda", "pip"]
    problem: Problem
    locked: str
    """Version, and the build of a conda package: `2.3.5 py312h1_0`."""
    installed: str | None = None
    """The same of what is there instead."""
    missing: tuple[str, ...] = ()
    """Files that are gone, relative to the prefix."""
    changed: tuple[str, ...] = ()
    """Files that are not the installed ones any more."""

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.missing, *self.changed)


@dataclass(frozen=True, kw_only=True, order=True)
class Unknown:
    """An installed package that the lock does not know."""

    name: str
    version: str
    manager: Literal["conda", "pip"]
    shadows: str = ""
    """The locked package in whose place it lies, by name; it cannot stay where that is to be restored."""
    path: Path = field(compare=False)
    """Its record in conda-meta, or its dist-info."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Everything in which an environment differs from its packages."""

    differences: tuple[Difference, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    strays: tuple[str, ...] = ()
    """Code in the folders that Python imports from, relative to the prefix, that no package brought."""
    damaged_records: tuple[Path, ...] = ()
    """Files of conda-meta that are no records."""
    unreadable: tuple[Unreadable, ...] = ()
    packages: int = 0
    """How many packages were compared."""
    files: int = 0
    """How many files were compared."""

    @property
    def restored(self) -> bool:
        """Whether everything of the lock is there as locked, whatever else is there."""
        return not self.differences and not self.damaged_records

    @property
    def clean(self) -> bool:
        return self.restored and not self.unknown and not self.strays

    def only(self, wanted: frozenset[str]) -> Drift:
        """What concerns the packages and files (relative to the prefix) of these names, and nothing else."""
        names = {canonicalize_name(name) for name in wanted}
        return Drift(
            differences=tuple(
                one
                for one in self.differences
                if canonicalize_name(one.name) in names or not wanted.isdisjoint(one.files)
            ),
            unknown=tuple(one for one in self.unknown if canonicalize_name(one.shadows or one.name) in names),
            strays=tuple(rel for rel in self.strays if rel in wanted),
            damaged_records=self.damaged_records,
            unreadable=self.unreadable,
            packages=self.packages,
            files=self.files,
        )


def drift(
    environment: Environment,
    packages: Sequence[StampedPackage],
    *,
    before: Sequence[StampedPackage] = (),
    rewritten: Collection[str] = (),
    hashes: bool = True,
) -> Drift:
    """Compare an environment with the packages that it should hold.

    `before` are those that it was built from: of a wheel nothing on the disk tells the archive, so that one is another
    is only seen by them. `rewritten` (keys of `environment.recorded`) are packages whose own notes of their files
    cannot be believed. With `hashes` false, files are only looked for and not read.
    """
    return _Comparison(environment, packages, before, rewritten).drift(hashes=hashes)


class _Comparison:
    """One comparison: the tables of what is there, and what is missing or wrong in them."""

    def __init__(
        self,
        environment: Environment,
        packages: Sequence[StampedPackage],
        before: Sequence[StampedPackage],
        rewritten: Collection[str],
    ) -> None:
        self._environment = environment
        self._rewritten = rewritten
        self._conda: dict[str, StampedPackage] = {
            package.name: package for package in packages if package.manager == "conda"
        }
        self._pip: dict[str, StampedPackage] = {
            canonicalize_name(package.name): package for package in packages if package.manager == "pip"
        }
        self._archives = {canonicalize_name(package.name): package for package in before if package.manager == "pip"}
        self._found: dict[tuple[str, str], Difference] = {}

    def drift(self, *, hashes: bool) -> Drift:
        damaged = tuple(
            item.path
            for item in self._environment.unreadable
            if item.path.suffix == ".json" and item.path.parent.name == "conda-meta"
        )
        self._compare_records(damaged)
        unknown = tuple(sorted(self._compare_distributions()))
        files = self._compare_files(hashes=hashes)
        return Drift(
            differences=tuple(self._found[key] for key in sorted(self._found)),
            unknown=unknown,
            strays=tuple(sorted(self._strays())),
            damaged_records=damaged,
            unreadable=self._environment.unreadable,
            packages=len(self._conda) + len(self._pip),
            files=files,
        )

    def _note(self, package: StampedPackage, problem: Problem, *, installed: str | None = None) -> None:
        name = package.name if package.manager == "conda" else canonicalize_name(package.name)
        self._found.setdefault(
            (package.manager, name),
            Difference(
                name=name,
                manager=package.manager,
                problem=problem,
                locked=_told(package.version, package.build),
                installed=installed,
            ),
        )

    def _compare_records(self, damaged: Iterable[Path]) -> None:
        records = {record.name: record for record in self._environment.conda_records}
        unread = {path.name for path in damaged}
        for name, package in self._conda.items():
            record = records.get(name)
            if record is None:
                is_there = f"{name}-{package.version}-{package.build}.json" in unread
                self._note(package, Problem.DAMAGED if is_there else Problem.MISSING)
            elif (record.version, record.build) != (package.version, package.build) or _other_archive(record, package):
                self._note(package, Problem.OTHER, installed=_told(record.version, record.build))
            elif key_of(package) in self._rewritten:
                self._note(package, Problem.DAMAGED)

    def _compare_distributions(self) -> Iterator[Unknown]:
        """Notes what differs, and gives the packages that the lock does not know."""
        for record in self._environment.conda_records:
            if record.name not in self._conda:
                yield Unknown(name=record.name, version=record.version, manager="conda", path=record.source)
        brought = dict(self._brought())
        seen: set[str] = set()
        for dist in self._environment.distributions:
            if self._environment.owners.owner_of_distribution(dist).manager == "conda":
                continue
            package = self._pip.get(dist.name)
            if package is not None and dist.name not in seen and _is(dist, package):
                seen.add(dist.name)
                if key_of(package) in self._rewritten or not dist.record:
                    self._note(package, Problem.DAMAGED)
                elif self._is_another_archive(package):
                    self._note(package, Problem.OTHER, installed=dist.version)
                continue
            if self._came_in_lost_package(dist):
                continue
            shadows = dist.name if package is not None else brought.get(dist.name, "")
            if shadows in self._conda:
                self._note(self._conda[shadows], Problem.OTHER, installed=f"{dist.version} ({_by(dist)})")
            yield Unknown(name=dist.name, version=dist.version, manager="pip", shadows=shadows, path=dist.path)
        others = {dist.name: dist for dist in self._environment.distributions}
        for name, package in self._pip.items():
            if name not in seen:
                other = others.get(name)
                told = f"{other.version} ({_by(other)})" if other is not None else None
                self._note(package, Problem.OTHER if other is not None else Problem.MISSING, installed=told)

    def _came_in_lost_package(self, dist: Distribution) -> bool:
        """Whether it came in a conda package whose record is gone: then that package is what is missing."""
        lost = {
            canonicalize_name(one.name)
            for one in self._found.values()
            if one.manager == "conda" and one.problem in (Problem.MISSING, Problem.DAMAGED)
        }
        return bool(lost) and (dist.installer == "conda" or dist.name in lost)

    def _brought(self) -> Iterator[tuple[str, str]]:
        """Distributions that came in conda packages of the lock: their names, and those of the packages."""
        for record in self._environment.conda_records:
            if record.name in self._conda:
                for path in record.files:
                    if (named := _DIST_INFO.search(path)) is not None:
                        yield canonicalize_name(named[1]), record.name

    def _is_another_archive(self, package: StampedPackage) -> bool:
        before = self._archives.get(canonicalize_name(package.name))
        return before is not None and None not in (before.sha256, package.sha256) and before.sha256 != package.sha256

    def _compare_files(self, *, hashes: bool) -> int:
        """Notes the packages with files that are missing or changed; gives how many files were looked at."""
        root = f"{self._environment.path}/"
        expected = dict(self._expected())
        links = recorded_links(self._environment)
        sizes: dict[str, int] = {}
        gone: dict[tuple[str, str], list[str]] = defaultdict(list)
        wrong: dict[tuple[str, str], list[str]] = defaultdict(list)
        for rel, claims in expected.items():
            try:
                status = os.lstat(f"{root}{rel}")
            except OSError:
                gone[_key(claims[-1].owner)].append(rel)
                continue
            if rel in links:
                if not leads_right(self._environment, rel, links[rel]):
                    wrong[_key(claims[-1].owner)].append(rel)
            elif not stat.S_ISREG(status.st_mode) or lost_permission(rel, status.st_mode, claims) is not None:
                wrong[_key(claims[-1].owner)].append(rel)
            elif hashes and any(claim.sha256 is not None for claim in claims):
                sizes[f"{root}{rel}"] = status.st_size
        for path, told in digests(sizes).items():
            rel = path.removeprefix(root)
            claims = expected[rel]
            if told.digest not in {claim.sha256 for claim in claims}:
                (gone if told.missing else wrong)[_key(claims[-1].owner)].append(rel)
        for key in gone.keys() | wrong.keys():
            self._note_files(key, missing=gone[key], changed=wrong[key])
        return len(expected)

    def _note_files(self, key: tuple[str, str], *, missing: list[str], changed: list[str]) -> None:
        manager, name = key
        package = self._conda[name] if manager == "conda" else self._pip[name]
        known = self._found.get(key)
        self._found[key] = Difference(
            name=name,
            manager=package.manager,
            problem=known.problem if known is not None else Problem.FILES,
            locked=_told(package.version, package.build),
            installed=known.installed if known is not None else None,
            missing=tuple(sorted(missing)),
            changed=tuple(sorted(changed)),
        )

    def _expected(self) -> Iterator[tuple[str, tuple[Claim, ...]]]:
        """The files of the lock's packages with what those recorded; others' claims on them do not count."""
        replaced = {key for key, one in self._found.items() if one.problem is Problem.OTHER}
        for rel, claims in self._environment.owners.files.items():
            if GENERATED.search(rel):
                continue
            ours = tuple(claim for claim in claims if self._is_locked(claim.owner))
            # The files of another version are those of another version, whatever has become of them.
            if ours and _key(ours[-1].owner) not in replaced:
                yield rel, ours

    def _is_locked(self, owner: Owner) -> bool:
        known = self._conda if owner.manager == "conda" else self._pip
        return owner.name in known and (owner.manager == "conda" or _same(owner.version, known[owner.name].version))

    def _strays(self) -> Iterator[str]:
        owned = self._environment.owners.files
        root = f"{self._environment.path}/"
        for site in self._environment.site_folders:
            for top, folders, files in os.walk(site):
                folders[:] = [name for name in folders if name != "__pycache__"]
                for name in files:
                    rel = f"{top}/{name}".removeprefix(root)
                    if name.endswith(_CODE) and rel not in owned:
                        yield rel


def _wheels(packages: Iterable[StampedPackage]) -> dict[str, StampedPackage]:
    return {canonicalize_name(package.name): package for package in packages if package.manager == "pip"}


def _key(owner: Owner) -> tuple[str, str]:
    return owner.manager, owner.name


def _other_archive(record: CondaRecord, package: StampedPackage) -> bool:
    return None not in (record.sha256, package.sha256) and record.sha256 != package.sha256


def _is(dist: Distribution, package: StampedPackage) -> bool:
    # What was installed from a folder or a URL is no archive of an index, whatever version it gives itself.
    return _same(dist.version, package.version) and dist.direct_url is None


def _same(left: str, right: str) -> bool:
    try:
        return Version(left) == Version(right)
    except InvalidVersion:
        return left == right


def _by(dist: Distribution) -> str:
    if dist.editable:
        return "editable"
    return "from a URL" if dist.direct_url is not None else dist.installer or "unknown installer"


def _told(version: str, build: str) -> str:
    return f"{version} {build}" if build else version
