"""How an environment differs from the packages of its lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builder.environment.ownership import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.environment.environment import Environment
    from builder.environment.stamp import StampedPackage


def unlike(environment: Environment, locked: tuple[StampedPackage, ...]) -> Iterator[tuple[Owner, str]]:
    """The packages of the lock that are missing or another version, each with a line that says so."""
    records = {record.name: record for record in environment.conda_records}
    installed: dict[str, list[str]] = {}
    for dist in environment.distributions:
        installed.setdefault(dist.name, []).append(dist.version)
    for package in locked:
        owner = Owner(name=package.name, version=package.version, manager=package.manager)
        wanted = f"{package.version} {package.build}".strip()
        if package.manager == "conda":
            record = records.get(package.name)
            if record is None:
                yield owner, f"{package.name} is not installed, locked {wanted}"
            elif record.version != package.version or package.build not in ("", record.build):
                yield owner, f"{package.name} is {record.version} {record.build}, locked {wanted}"
            continue
        versions = installed.get(canonicalize_name(package.name), [])
        if not versions:
            yield owner, _absent(environment, package)
        elif not any(_same(version, package.version) for version in versions):
            yield owner, f"{package.name} is {' and '.join(versions)}, locked {wanted}"


def _absent(environment: Environment, package: StampedPackage) -> str:
    """A package whose code is there without its metadata is broken in another way than one that is gone."""
    site = environment.site_packages
    folder = package.name.replace("-", "_")
    known = {dist.path.name for dist in environment.distributions}
    for entry in site.glob("*.dist-info") if site is not None else ():
        is_its = canonicalize_name(entry.name.partition("-")[0]) == canonicalize_name(package.name)
        if is_its and entry.name not in known:
            return f"{package.name}'s metadata ({entry.name}) cannot be read, locked {package.version}"
    if site is not None and any((site / name).is_dir() for name in (folder, folder.lower())):
        return f"{package.name}'s metadata ({folder}-{package.version}.dist-info) is missing, locked {package.version}"
    return f"{package.name} is not installed, locked {package.version}"


def brought_by_conda(environment: Environment) -> dict[str, tuple[str, Owner]]:
    """Distributions that conda's own records contain: name → version (from the folder's name) and the package."""
    found: dict[str, tuple[str, Owner]] = {}
    for record in environment.conda_records:
        for file in record.files:
            match = re.search(r"/site-packages/([^/]+)-([^-/]+)\.dist-info/METADATA$", f"/{file}")
            if match:
                owner = Owner(name=record.name, version=record.version, manager="conda")
                found[canonicalize_name(match[1])] = (match[2], owner)
    return found


def replaced(environment: Environment, brought: Mapping[str, tuple[str, Owner]]) -> Iterator[tuple[Owner, str]]:
    """The distributions that conda packages brought (`brought_by_conda`) and that are gone or another version now."""
    for name, (version, owner) in brought.items():
        dist = environment.distribution(name)
        if dist is None:
            yield owner, f"{name}'s metadata is missing, conda installed {version}"
        elif not _same(dist.version, version):
            by = dist.installer or "something"
            yield owner, f"{name} is {dist.version}, which {by} installed over conda's {version}"


def unlocked(
    environment: Environment, locked: tuple[StampedPackage, ...], brought: Mapping[str, object]
) -> Iterator[str]:
    """A line for each package that is installed and that the lock does not know."""
    names = {canonicalize_name(package.name) for package in locked}
    for record in environment.conda_records:
        if canonicalize_name(record.name) not in names:
            yield f"{record.name} {record.version} (conda)"
    for dist in environment.distributions:
        if dist.name not in names and dist.name not in brought:
            yield f"{dist.name} {dist.version} ({dist.installer or 'unknown installer'})"


def _same(left: str, right: str) -> bool:
    try:
        return Version(left) == Version(right)
    except InvalidVersion:
        return left == right
