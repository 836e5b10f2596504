"""What exists on the recipe's channels, as a question that something else answers.

Facts say what fits; whether a release, a build or a Python is there is the channel's own metadata to say, at the time
of locking. The lock room implements this protocol over the channel, and over a lock that exists already.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct, field
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from builder.platforms import Subdir

#: Python minors envbuild plans for, newest first.
PYTHONS: Final = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9")
#: What a lock is called that stands for the channel (`Catalogue.described`).
LOCKED: Final = "the lock"


class Build(Struct, frozen=True, kw_only=True):
    """One conda build: its version and build string, and its `depends` as conda name → version range ("" for any)."""

    version: str
    build: str = ""
    depends: Mapping[str, str] = field(default_factory=dict)

    def fits_python(self, minor: str) -> bool:
        """Whether it can be installed beside some patch of a Python minor."""
        return _fits_python(self.depends.get("python_abi", ""), self.depends.get("python", ""), minor)

    def fits_macos(self, floor: str) -> bool:
        """Whether it runs on the oldest macOS of the team."""
        return admits(self.depends.get("__osx", ""), Version(floor))

    def admits(self, name: str, versions: tuple[Version, ...]) -> bool:
        """Whether it can be installed beside one of these versions of another package."""
        asked = self.depends.get(name, "")
        return any(admits(asked, version) for version in versions)


class Catalogue(Protocol):
    """Raises SourceUnreachableError where the channel cannot be asked."""

    @property
    def described(self) -> str:
        """Where the answers come from, for messages: `conda-forge`, `the lock`."""

    def ask(self, names: Iterable[str], subdirs: Iterable[Subdir]) -> None:
        """Be about to be asked for these packages: their metadata can be fetched together."""

    def builds(self, name: str, subdir: Subdir) -> Sequence[Build]:
        """Every build of a conda package on a platform or `noarch`; none where there is no such package."""

    def similar(self, name: str) -> tuple[str, ...]:
        """Names of packages that a user may have meant, nearest first."""


# A channel has thousands of builds with the same few ranges: what is asked of one is remembered for the next.
@cache
def as_specifiers(conda_range: str) -> tuple[SpecifierSet, ...]:
    """A version range of a conda record as PEP 440, one for each alternative; none where it cannot be said."""
    text = re.sub(r"\s*([<>=!~|,]+)\s*", r"\1", conda_range.strip()).split(" ")[0]
    try:
        return tuple(SpecifierSet(",".join(map(_part, option.split(",")))) for option in text.split("|"))
    except InvalidSpecifier:
        return ()


def _part(text: str) -> str:
    if text in ("", "*"):
        return ""
    bare = re.fullmatch(r"=?(\d[\w.]*?)(?:\.?\*)?", text)
    if bare:
        exact = not text.startswith("=") and not text.endswith("*")
        return f"=={bare[1]}" if exact else f"=={bare[1]}.*"
    # conda writes `<3.13.0a0` for "before any 3.13"; PEP 440 would let release candidates of 3.13 decide.
    return re.sub(r"(?<=\d)\.?0?a0$", ".0" if text.endswith(".0a0") else "", text)


@cache
def admits(conda_range: str, version: Version) -> bool:
    """Whether a range of a record lets a version in; what cannot be read lets everything in, for the solver to say."""
    found = as_specifiers(conda_range)
    return not found or any(specifiers.contains(version, prereleases=True) for specifiers in found)


@cache
def _fits_python(abi: str, conda_range: str, minor: str) -> bool:
    of = re.match(r"(\d+\.\d+)", abi)
    if of is not None:
        return of[1] == minor
    return any(admits(conda_range, Version(f"{minor}.{patch}")) for patch in (0, 4, 9, 15, 40))


@cache
def parsed(text: str) -> Version | None:
    """A conda version as PEP 440, where it is one."""
    try:
        return Version(text)
    except InvalidVersion:
        return None
