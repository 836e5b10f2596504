"""Who owns which file and module of an environment: the one table behind every check, remedy and message.

A file may have several owners. Conda links its packages first and wheels are installed over them, so the last of a
file's claims is whose content is on the disk, if nobody has changed it since.
"""

from __future__ import annotations

import copy
import os
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from packaging.utils import canonicalize_name

from builder.binaries.owners import ImportOrder
from builder.environment.distributions import can_be_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.reading import Reader

#: Files that installers and Python write anew, so that a record's hash of them says nothing.
GENERATED: Final = re.compile(
    r"(^|/)__pycache__/|\.pyc$|(^|/)(RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json)$"
)
#: Files of one environment; those of Anaconda's distribution, the largest known, are some 400,000.
MOST_FILES: Final = 1_500_000
#: How much Python of a package is searched for `import HOST`: files, and bytes of each.
_MOST_SOURCES: Final = 5_000
_MOST_SOURCE: Final = 4 << 20
_MOST_CLAIMS: Final = 16
_IMPORT: Final = rb"^[ \t]*(?:import|from)[ \t]+%s\b"
_NO_MODULES: Final = (".dist-info", ".egg-info", ".data", ".libs", ".dylibs")


@dataclass(frozen=True, kw_only=True)
class Owner:
    """An installed package, as its manager calls it. A distribution that came in a conda package is that package."""

    name: str
    version: str
    manager: Literal["conda", "pip"]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Claim(NamedTuple):
    """What an installer recorded about one file: whose it is and, where it was noted, how it was installed."""

    owner: Owner
    sha256: str | None = None
    """Hex, of the file as it should be in this prefix."""
    size: int | None = None
    distribution: str | None = None
    """The distribution whose RECORD it is from; None where it is from conda-meta."""


class Tables(NamedTuple):
    """File → its claims; top-level module → the distribution it is of."""

    files: dict[str, tuple[Claim, ...]]
    modules: dict[str, Distribution]


class Ownership(ImportOrder):
    """The owners of an environment's files. Paths (`rel`) are relative to its prefix, with `/`."""

    def __init__(self, environment: Environment, reader: Reader) -> None:
        super().__init__()
        self._environment = environment
        self._reader = reader
        site = environment.site_packages
        self._site = _relative(environment.path, site, folder=True) if site is not None else ""
        self._imports: dict[tuple[str, str], bool] = {}

    def with_plugins(self, hosts: Mapping[str, str]) -> Ownership:
        """The same table, which also knows that binaries in a folder (key) are loaded by name by a module (value)."""
        _ = self._tables  # read once, for both
        other = copy.copy(self)
        other._plugin_hosts = dict(hosts)
        return other

    @property
    def files(self) -> Mapping[str, tuple[Claim, ...]]:
        """File → its claims, in the order of installation. Recorded paths that leave the prefix are no files of it."""
        return self._tables.files

    @property
    def modules(self) -> Mapping[str, Distribution]:
        """Top-level module → the distribution that installed it; a module of several distributions is left out."""
        return self._tables.modules

    @cached_property
    def _tables(self) -> Tables:
        """Both tables in one pass over the records, the largest of which have a million lines."""
        files = dict(self._of_conda)
        modules: dict[str, Distribution | None] = {}
        for dist in self._environment.distributions:
            owner = self.owner_of_distribution(dist)
            below = _relative(self._environment.path, dist.site, folder=True)
            for entry in dist.record:
                rel = self._recorded(below, entry.path)
                if rel is not None:
                    sha256 = entry.sha256 if owner.manager == "pip" or not _is_noted(files, rel, owner) else None
                    if not self._add(files, rel, Claim(owner, sha256, entry.size, dist.name)):
                        break
                module = module_of(entry.path)
                if module is not None:
                    modules[module] = dist if modules.get(module, dist) is dist else None
        return Tables(files, {module: dist for module, dist in modules.items() if dist is not None})

    @cached_property
    def _of_conda(self) -> dict[str, tuple[Claim, ...]]:
        """The claims of conda packages alone."""
        found: dict[str, tuple[Claim, ...]] = {}
        for record in self._environment.conda_records:
            owner = Owner(name=record.name, version=record.version, manager="conda")
            told = {item.path: item for item in record.paths}
            for path in dict.fromkeys((*told, *record.files)):
                item, rel = told.get(path), _inside(path)
                if rel is None or (item is not None and item.kind == "directory"):
                    continue
                claim = Claim(owner)  # a link's hash is that of what it leads to, which has its own line
                if item is not None and item.kind != "softlink":
                    plain = None if item.placeholder else item.sha256
                    claim = Claim(owner, item.sha256_in_prefix or plain, None if item.placeholder else item.size)
                if not self._add(found, rel, claim):
                    return found
        return found

    def _recorded(self, below: str, path: str) -> str | None:
        """A path of RECORD, which is relative to site-packages or absolute, relative to the prefix instead."""
        if _is_plain(path):
            return below + path
        rel = os.path.join(below, path).removeprefix(f"{self._environment.path}/")  # noqa: PTH118 - a string
        inside = _inside(rel)
        return None if inside is None or below.startswith(f"{inside}/") else inside

    def _add(self, files: dict[str, tuple[Claim, ...]], rel: str, claim: Claim) -> bool:
        """Append a claim; False when the environment has more files than are kept."""
        known = files.get(rel, ())
        if not known and len(files) >= MOST_FILES:
            self._reader.pass_over(self._environment.path, f"more than {MOST_FILES:,} recorded files")
            return False
        if claim not in known and len(known) < _MOST_CLAIMS:
            files[rel] = (*known, claim)
        return True

    def owner_of_distribution(self, dist: Distribution) -> Owner:
        """The distribution itself, or the conda package that brought it along."""
        metadata = dist.path / ("METADATA" if dist.path.suffix == ".dist-info" else "PKG-INFO")
        brought = self._of_conda.get(_relative(self._environment.path, metadata))
        return brought[-1].owner if brought else Owner(name=dist.name, version=dist.version, manager="pip")

    def claims(self, rel: str) -> tuple[Claim, ...]:
        """All claims on a file, in the order of installation."""
        return self.files.get(rel, ())

    def package(self, rel: str) -> Owner | None:
        """The package that installed a file: the conda package if one did, else the distribution."""
        claims = self._of_conda.get(rel) or self.claims(rel)
        return claims[-1].owner if claims else None

    def package_of(self, file: Path) -> Owner | None:
        """The same for an absolute path; None for one outside the environment."""
        root = self._environment.path
        if not file.is_relative_to(root):
            return None
        rel = _inside(file.relative_to(root).as_posix())
        return self.package(rel) if rel is not None else None

    def owner(self, rel: str) -> str:
        """The distribution or conda package that `rel` belongs to, or the folder it lies in where none claims it."""
        claims = self.claims(rel)
        if claims:
            return claims[-1].distribution or claims[-1].owner.name
        return canonicalize_name(self.top_level(rel))

    def described(self, rel: str) -> str:
        """`torchvision 0.20.1`, for messages."""
        name = self.owner(rel)
        dist = self._distributions.get(name)
        if dist is not None:
            return f"{name} {dist.version}"
        record = next((record for record in self._environment.conda_records if record.name == name), None)
        return f"{name} {record.version}" if record is not None else name

    def from_wheel(self, rel: str) -> bool:
        """Whether pip or uv brought the file: a wheel's RECORD names it, and no conda package does."""
        return rel not in self._of_conda and rel in self.files

    def top_level(self, rel: str) -> str:
        """The import package (or folder) a file lies in: the first part of its path below site-packages."""
        inner = rel.removeprefix(self._site)
        first, slash, _ = inner.partition("/")
        return first if slash else first.split(".", 1)[0]

    @cached_property
    def _distributions(self) -> dict[str, Distribution]:
        return {dist.name: dist for dist in self._environment.distributions}

    def module_owner(self, module: str) -> Owner | None:
        """The package that installed a top-level module."""
        dist = self.modules.get(module.partition(".")[0])
        return self.owner_of_distribution(dist) if dist is not None else None

    def directly_required(self, name: str) -> Iterator[str]:
        """The installed distributions that `name` requires itself."""
        dist = self._distributions.get(name)
        for required in _required_names(dist) if dist is not None else ():
            if required in self._distributions:
                yield required

    def source_imports(self, top: str, host_top: str) -> bool:
        """Whether Python files of the import package, the first thousands of them, import the host's module."""
        key = (top, host_top)
        if key not in self._imports:
            site = self._environment.site_packages
            self._imports[key] = (
                site is not None
                and host_top.isidentifier()
                and self._mentions(site / top, re.compile(_IMPORT % host_top.encode(), re.MULTILINE))
            )
        return self._imports[key]

    def _mentions(self, folder: Path, pattern: re.Pattern[bytes]) -> bool:
        sources = folder.rglob("*.py") if folder.is_dir() else folder.parent.glob(f"{folder.name}.py")
        for number, source in enumerate(sources):
            if number >= _MOST_SOURCES:
                return False
            if pattern.search(self._reader.read(source, most=_MOST_SOURCE) or b""):
                return True
        return False


def _is_noted(files: Mapping[str, tuple[Claim, ...]], rel: str, owner: Owner) -> bool:
    """Whether conda noted the hash of its package's file: then RECORD, which came in that package, has no say in it."""
    return any(claim.owner == owner and claim.sha256 is not None for claim in files.get(rel, ()))


def _required_names(dist: Distribution) -> Iterator[str]:
    for requirement in dist.requirements():
        yield canonicalize_name(requirement.name)


def module_of(path: str) -> str | None:
    """The top-level module that a path of RECORD is of; None for metadata, scripts and data."""
    top, _, rest = (path if _is_plain(path) else os.path.normpath(path)).partition("/")
    if top.startswith("..") or top.endswith(_NO_MODULES) or (not rest and not top.endswith((".py", ".so"))):
        return None
    module = top.partition(".")[0]
    return module if module.isidentifier() and module != "__pycache__" else None


def _is_plain(path: str) -> bool:
    """Whether a path is relative, inside, and normalised, as nearly all are: `os.path.normpath` takes its time."""
    return path[0] not in "./" and path[-1] != "/" and "//" not in path and "/." not in path and "\0" not in path


def _relative(prefix: Path, path: Path, *, folder: bool = False) -> str:
    """`path` relative to the prefix; of a folder as the beginning of others, with `/`, or nothing for the prefix."""
    if path == prefix:
        return ""
    return os.path.relpath(path, prefix) + ("/" if folder else "")


def _inside(path: str) -> str | None:
    """A recorded path, normalised, if it can be one of the prefix's files; damaged records name anything."""
    rel = os.path.normpath(path)
    return None if rel in (".", "..") or rel.startswith(("../", "/")) or not can_be_path(rel) else rel
