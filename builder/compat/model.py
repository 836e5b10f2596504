"""The shapes of the facts, as they stand in `data/*.yaml`.

A *release* is what one exact version of a package is made of and declares: wheels or builds per platform, Python
minors, macOS floor, requirements. A *relation* is what is known about ranges of two packages together, above all what
neither declares. A *BLAS variant* is a build with the macOS it needs; an *OpenMP wheel* says which runtime comes with a
wheel, or does not. Measurements (`compat.runs`) become relations when they are read. Every entry says where it is
from, how that was established and when.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion, Version

from builder.compat.ranges import impossible, in_range, parse_range
from builder.models import Check, Model, matching

if TYPE_CHECKING:
    from collections.abc import Mapping

Established = Literal["measured", "published", "metadata"]
#: `links`: every symbol is there, which proves loading and nothing more. `unsafe`: loads and computes wrongly.
Verdict = Literal["works", "fails", "unsafe", "links"]
#: Where a release comes from; a relation without one holds wherever the two versions meet.
Origin = Literal["pypi", "conda-forge"]
Place = Literal["osx-arm64", "osx-64", "linux-64", "linux-aarch64", "any"]


@cache
def _range(text: str) -> str:
    try:
        specifiers = parse_range(text)
    except InvalidSpecifier:
        raise ValueError(f"{text!r} is not a version range") from None
    if impossible(specifiers):
        raise ValueError(f"no version can be in the range {text!r}")
    return text


@cache
def _version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion:
        raise ValueError(f"{text!r} is not a version") from None
    return text


@cache
def _date(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day of the calendar") from None
    return text


@cache
def _requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"{text!r} is not a requirement: {str(error).splitlines()[0]}") from None
    return text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


Id = Annotated[str, matching(r"[a-z0-9][a-z0-9._-]*")]
PackageName = Annotated[str, matching(r"[a-z0-9][a-z0-9._-]*")]
Text = Annotated[str, Check(_text)]
Range = Annotated[str, Check(_range)]
VersionText = Annotated[str, Check(_version)]
RequirementText = Annotated[str, Check(_requirement)]
Minor = Annotated[str, matching(r"\d+\.\d+")]
Date = Annotated[str, matching(r"20\d\d-[01]\d-[0-3]\d"), Check(_date)]


class Fact(Model):
    """What every entry carries."""

    id: Id
    source: Text
    established: Established
    date: Date
    measured_on: str | None = None
    """What a measurement was made on; required for measured."""

    def check_fields(self) -> None:
        if self.established == "measured" and not self.measured_on:
            raise ValueError("a measured fact must say in `measured_on` what it was measured on")

    def __hash__(self) -> int:
        return hash(self.id)


class Build(Model):
    """One platform's wheels or conda builds of a release."""

    distribution: PackageName | None = None
    """Name on the index, where it differs."""
    pythons: tuple[Minor, ...] = ()
    """Python minors; empty: any."""
    requires_python: Range | None = None
    """What the metadata declares (Requires-Python)."""
    macos: VersionText | None = None
    """Oldest macOS that some of its wheels are tagged for."""
    floors: dict[Minor, VersionText] = msgspec.field(default_factory=dict)
    """Oldest macOS of the wheels for a Python, where that is a newer one."""
    requires: tuple[RequirementText, ...] = ()

    def floor(self, python: str | None) -> str | None:
        """The oldest macOS of the build for a Python minor (None: for whichever is the least demanding)."""
        return self.floors.get(python, self.macos) if python is not None else self.macos


class Release(Fact):
    """One exact version of a package from one origin."""

    package: PackageName
    version: VersionText
    origin: Origin
    builds: Annotated[dict[Place, Build], Meta(min_length=1)]
    stubs: dict[str, Text] = msgspec.field(default_factory=dict)
    """Names whose wheels hold no library, and why."""

    def build(self, place: str) -> Build | None:
        return self.builds.get(place) or self.builds.get("any")  # type: ignore[call-overload]


class Side(Model):
    package: PackageName
    versions: Range = "*"
    origin: Origin | None = None

    def holds(self, version: Version) -> bool:
        return in_range(self.versions, version)


class Relation(Fact):
    """Two packages' ranges together: they work, fail, or load and compute wrongly.

    `cause` is the sentence a refusal shows; `symbol` the missing symbol where the cause is one; `remedy` what to do
    instead. `check` names the verification that becomes mandatory when an unsafe pair is pinned.
    """

    left: Side
    right: Side
    verdict: Verdict
    cause: Text
    symbol: str | None = None
    remedy: str | None = None
    check: str | None = None
    pythons: tuple[Minor, ...] = ()
    """Only for these minors; empty: all."""
    platforms: tuple[Place, ...] = ()
    """Only there; empty: everywhere."""

    def check_fields(self) -> None:
        super().check_fields()
        if self.left.package == self.right.package:
            raise ValueError("a relation needs two different packages")
        if self.verdict == "unsafe" and not self.check:
            raise ValueError("an unsafe pair must name the `check` that becomes mandatory")


class BlasVariant(Fact):
    """A BLAS on Apple silicon and the oldest macOS it is for: conda's `libblas` builds, or what PyPI's wheels bring."""

    package: Literal["libblas", "numpy", "scipy"] = "libblas"
    variant: Literal["accelerate", "newaccelerate", "openblas"]
    build: Text
    macos: VersionText
    versions: Range = "*"
    statement: Text


#: What two copies of LLVM's OpenMP in one process do, and the check that looks for them.
OPENMP_CHECK: Final = "openmp.loaded"
OPENMP_REMEDY: Final = "take them from conda-forge, where they share one, or import them in separate processes"


def two_runtimes(names: str) -> str:
    """What the wheels of several packages do to a process that imports them, as a sentence."""
    return (
        f"the wheels of {names} for Apple silicon load more than one LLVM OpenMP runtime (libomp.dylib) into a process "
        "that imports them all, which aborts it, hangs it or slows it down"
    )


class OpenmpWheel(Fact):
    """LLVM's OpenMP in a package's wheels for Apple silicon: a copy of their own, or one that they look for outside."""

    package: PackageName
    versions: Range
    brings: Text | None = None
    """The copy in the wheel."""
    wants: Text | None = None
    """Where the wheel looks for one that is not in it."""

    def check_fields(self) -> None:
        super().check_fields()
        if (self.brings is None) == (self.wants is None):
            raise ValueError("say either what the wheel `brings` or what it `wants`")

    def lacks(self, name: str) -> str | None:
        """That the wheel looks for a runtime that must come from elsewhere; `name` is the release."""
        if self.wants is None:
            return None
        return (
            f"{name} from PyPI brings no OpenMP runtime and looks for {self.wants}: on a Mac without that it cannot be "
            "imported; add conda's `llvm-openmp`, or take it from conda-forge"
        )

    def beside(self, other: OpenmpWheel, titles: Mapping[str, str]) -> Relation | None:
        """What comes of the wheels of two packages in one process; None where both look for the same runtime."""
        if self.package == other.package or (self.wants is not None and self.wants == other.wants):
            return None
        return Relation(
            id=f"{self.id}-{other.id}",
            source=f"{self.source}; {other.source}; LLVM's OpenMP refuses a second copy of itself (OMP: Error #15)",
            established="published",
            date=min(self.date, other.date),
            left=Side(package=self.package, versions=self.versions, origin="pypi"),
            right=Side(package=other.package, versions=other.versions, origin="pypi"),
            verdict="unsafe",
            cause=two_runtimes(" and ".join(titles.get(one.package, one.package) for one in (self, other))),
            remedy=OPENMP_REMEDY,
            check=OPENMP_CHECK,
            platforms=("osx-arm64",),
        )


class PackageTraits(Model):
    """What facts must know of a package to speak of it; called by its name on PyPI."""

    package: PackageName
    title: str | None = None
    """How people write it, where that is not its name."""
    aliases: tuple[PackageName, ...] = ()
    """Other names of the same files."""
    pypi_only: bool = False
    """Whether no channel has it, so that it comes from PyPI alone."""
    every_patch: bool = False
    """Whether facts know every release; else the newest patch of a minor stands for the older ones."""
    needs_proof: tuple[PackageName, ...] = ()
    """Packages whose metadata says too little: without a fact that the pair works it is unproven."""
    binds: tuple[PackageName, ...] = ()
    """Packages whose compiled libraries it is built against: a build of one origin for that origin's."""
    plug_in: bool = False
    """Whether it does nothing without what it binds."""

    def check_fields(self) -> None:
        if self.plug_in and not self.binds:
            raise ValueError("a plug-in must say in `binds` what it is plugged into")


class PackageNames(Model):
    """A conda package, and whether it brings conda's NumPy."""

    conda: PackageName
    numpy: bool = False


class GridSpec(Model):
    """A table of the facts: versions of one package against versions of another."""

    name: Id
    title: Text
    row: PackageName
    column: PackageName
    oldest_row: VersionText
    oldest_column: VersionText
    stop: VersionText | None = None
    """The column before which the table ends."""
