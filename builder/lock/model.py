"""A lock as values: what conda-lock's file says, in the terms of this project."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from builder.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.platforms import Subdir


#: A URL that says what it says: no user, token or signature in it, nothing that is encoded or goes up a folder.
_PLAIN: Final = re.compile(r"https://[A-Za-z0-9.-]+((?:/(?!t/)[A-Za-z0-9_+!~-][A-Za-z0-9._+!~-]*)+)")


class _Place(NamedTuple):
    """What a package's URL says."""

    plain: bool
    subdir: str
    file: str


@dataclass(frozen=True, kw_only=True)
class LockedPackage:
    """One package on one platform. Hashes are lower-case hex; `dependencies` maps a name to a version range."""

    manager: Literal["conda", "pip"]
    name: str
    version: str
    subdir: Subdir
    url: str
    sha256: str | None
    md5: str | None = None
    dependencies: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ("main",)
    """The groups that need it, sorted; only `main` where the main group needs it."""
    size: int | None = field(default=None, compare=False)
    """Bytes to download, where the index has said so while locking: a lock's file does not keep it."""

    @property
    def is_plain(self) -> bool:
        """Whether nothing about the URL needs to be looked into: https, no credentials, no `..`, nothing encoded."""
        return self._place.plain

    @property
    def without_names(self) -> str:
        """The URL without the variables that name credentials in it."""
        return without_credentials(self.url) if "$" in self.url else self.url

    @property
    def file_name(self) -> str:
        return self._place.file

    @cached_property
    def build(self) -> str:
        """The build string, which conda keeps in the file name; empty for PyPI packages."""
        if self.manager != "conda":
            return ""
        return self.file_name.removesuffix(".conda").removesuffix(".tar.bz2").rpartition("-")[2]

    @property
    def free_threaded(self) -> bool:
        """Whether this is a Python without the global interpreter lock (build string `…_cp313t`)."""
        return self.name == "python" and re.search(r"_cp3\d+t$", self.build) is not None

    @property
    def url_subdir(self) -> str:
        """The folder that the URL names: the package's own subdir, or `noarch`."""
        return self._place.subdir

    @cached_property
    def _place(self) -> _Place:
        plain = _PLAIN.fullmatch(self.url)
        # To take a URL apart takes ten times as long, and there are thousands.
        folder, _, file = (plain[1] if plain is not None else urlsplit(self.url).path).rpartition("/")
        return _Place(plain is not None, folder.rpartition("/")[2], unquote(file))


@dataclass(frozen=True, kw_only=True)
class InputHash:
    """Hashes of a source file (lower-case hex). conda-lock requires both once it records an input at all."""

    sha256: str
    md5: str


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A whole lock. `channels` are names or URLs as declared; `content_hash` is conda-lock's, per platform."""

    channels: tuple[str, ...]
    platforms: tuple[Subdir, ...]
    packages: tuple[LockedPackage, ...]
    sources: tuple[str, ...]
    content_hash: Mapping[Subdir, str]
    inputs: Mapping[str, InputHash] = field(default_factory=dict)
    """The rendered files by name, as conda-lock's `inputs_metadata` keeps them."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """conda-lock's free `custom_metadata`."""

    def on(self, subdir: Subdir, *, manager: Literal["conda", "pip"] | None = None) -> tuple[LockedPackage, ...]:
        """The packages of one platform, in the order of the file."""
        return tuple(
            package
            for package in self.packages
            if package.subdir is subdir and (manager is None or package.manager == manager)
        )
