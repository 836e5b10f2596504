"""Which package a file belongs to, and which packages are imported before it."""

from __future__ import annotations

import csv
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from builder.environment.prefix import Dist, Prefix

_REQUIRED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
#: How much Python of a package is searched for `import HOST`; packages that need a host say so near the top.
_MOST_SOURCES: Final = 400


def normalized(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def record_entries(dist: Dist) -> Iterator[tuple[str, str, str]]:
    """(path relative to site-packages, hash, size) for each line of RECORD; nothing where it is absent."""
    lines = (dist.read("RECORD") or "").splitlines()
    try:
        for row in csv.reader(lines):
            if len(row) == 3 and row[0]:
                yield row[0], row[1], row[2]
    except csv.Error:
        return  # a damaged RECORD: what came before it counts


def required_names(dist: Dist) -> tuple[str, ...]:
    """Normalized names of everything Requires-Dist mentions, extras and other platforms too."""
    names = []
    for line in (dist.read("METADATA") or "").split("\n\n", 1)[0].splitlines():
        if line.startswith("Requires-Dist:"):
            match = _REQUIRED.match(line[14:].strip())
            if match:
                names.append(normalized(match[0]))
    return tuple(dict.fromkeys(names))


class Packages:
    """Owners of files, from RECORD and conda-meta, or else the top-level folder's name."""

    def __init__(self, prefix: Prefix, *, plugin_hosts: Mapping[str, str]) -> None:
        """`plugin_hosts` maps a folder whose binaries another package loads by name to that package's module."""
        self._prefix = prefix
        self._plugin_hosts = plugin_hosts
        site = prefix.site_packages
        self._site = f"{os.path.relpath(site, prefix.path)}/" if site and site != prefix.path else ""
        self._requirements: dict[str, frozenset[str]] = {}
        self._imports: dict[tuple[str, str], bool] = {}

    @cached_property
    def _owners(self) -> dict[str, str]:
        """File relative to the prefix → normalized distribution name."""
        owners: dict[str, str] = {}
        for record in self._prefix.conda_records:
            owners.update(dict.fromkeys(record.files, record.name))
        for dist in self._prefix.dists:
            for path, _, _ in record_entries(dist):
                owners[os.path.normpath(self._site + path) if path.startswith("..") else self._site + path] = dist.name
        return owners

    def top_level(self, rel: str) -> str:
        """The import package (or folder) a file lies in: the first part of its path below site-packages."""
        inner = rel.removeprefix(self._site)
        first, slash, _ = inner.partition("/")
        return first if slash else first.split(".", 1)[0]

    def owner(self, rel: str) -> str:
        """The distribution or conda package that `rel` belongs to, or the folder it lies in where none claims it."""
        return self._owners.get(rel) or normalized(self.top_level(rel))

    def from_wheel(self, rel: str) -> bool:
        """Whether pip or uv brought the file: a wheel's RECORD names it, and no conda package does."""
        return rel not in self._of_conda and self._owners.get(rel) in self._dists

    @cached_property
    def _of_conda(self) -> frozenset[str]:
        return frozenset(rel for record in self._prefix.conda_records for rel in record.files)

    def described(self, rel: str) -> str:
        """`torchvision 0.20.1`, for messages."""
        name = self.owner(rel)
        dist = self._dists.get(name)
        if dist is not None:
            return f"{name} {dist.version}"
        record = next((record for record in self._prefix.conda_records if record.name == name), None)
        return f"{name} {record.version}" if record is not None else name

    @cached_property
    def _dists(self) -> dict[str, Dist]:
        return {dist.name: dist for dist in self._prefix.dists}

    def requirements(self, name: str) -> frozenset[str]:
        """Everything `name` requires, directly or through others, as far as it is installed."""
        if name not in self._requirements:
            found: set[str] = set()
            pending = [name]
            while pending:
                dist = self._dists.get(pending.pop())
                for required in required_names(dist) if dist is not None else ():
                    if required not in found and required in self._dists:
                        found.add(required)
                        pending.append(required)
            self._requirements[name] = frozenset(found)
        return self._requirements[name]

    def loads_first(self, rel: str, host_rel: str) -> bool:
        """Whether the package of `host_rel` is imported before the binary `rel` is loaded.

        It is, when it is the same package, a declared requirement, the host of a plug-in folder, or imported by the
        package's own source (torch_scatter declares nothing and begins with `import torch`).
        """
        owner, host = self.owner(rel), self.owner(host_rel)
        if owner == host or host in self.requirements(owner):
            return True
        top, host_top = self.top_level(rel), self.top_level(host_rel)
        return top == host_top or self._plugin_hosts.get(top) == host_top or self._source_imports(top, host_top)

    def _source_imports(self, top: str, host_top: str) -> bool:
        key = (top, host_top)
        if key not in self._imports:
            site = self._prefix.site_packages
            self._imports[key] = (
                site is not None and host_top.isidentifier() and _mentions(site / top, _import_of(host_top))
            )
        return self._imports[key]


def _import_of(module: str) -> re.Pattern[bytes]:
    return re.compile(rb"^[ \t]*(?:import|from)[ \t]+" + module.encode() + rb"\b", re.MULTILINE)


def _mentions(folder: Path, pattern: re.Pattern[bytes]) -> bool:
    sources = folder.rglob("*.py") if folder.is_dir() else folder.parent.glob(f"{folder.name}.py")
    for number, source in enumerate(sources):
        if number >= _MOST_SOURCES:
            return False
        try:
            if pattern.search(source.read_bytes()):
                return True
        except OSError:
            continue
    return False
