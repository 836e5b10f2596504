"""What both bills of materials say of a lock: package URLs (purl), and who needs whom.

Source: the purl specification's types `conda` (build, channel, subdir, type) and `pypi`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlsplit

from packaging.utils import canonicalize_name

from builder.lock.provided import provided_distributions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.lock.model import LockedPackage

#: Manager and name, which tell a package of one platform.
Key = tuple[Literal["conda", "pip"], str]
_PUBLIC: Final = "https://conda.anaconda.org/"


def purl(package: LockedPackage) -> str:
    """The package URL: `pkg:conda/numpy@2.1.0?build=…&channel=conda-forge&subdir=osx-arm64&type=conda`."""
    if package.manager == "pip":
        return f"pkg:pypi/{canonicalize_name(package.name)}@{quote(package.version, safe='')}"
    channel = package.url.rsplit("/", 2)[0]
    archive = "tar.bz2" if package.file_name.endswith(".tar.bz2") else "conda"
    qualifiers = {"build": package.build, "subdir": package.url_subdir, "type": archive}
    if not channel.startswith("file:"):
        qualifiers["channel"] = channel.removeprefix(_PUBLIC)
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:conda/{quote(package.name.lower(), safe='')}@{quote(package.version, safe='')}?{query}"


def distribution_url(package: LockedPackage) -> str | None:
    """Where the package is to be had; None for one that lies on the machine that made the lock."""
    return None if urlsplit(package.url).scheme == "file" else package.url


def edges(packages: Sequence[LockedPackage]) -> Mapping[Key, tuple[Key, ...]]:
    """Each package with those of its dependencies that are among `packages`, by (manager, name), sorted."""
    conda = {package.name: (package.manager, package.name) for package in packages if package.manager == "conda"}
    pypi: dict[str, Key] = {}
    for package in packages:
        if package.manager == "conda":
            pypi |= dict.fromkeys(provided_distributions([package]), (package.manager, package.name))
    for package in packages:
        if package.manager == "pip":
            pypi[canonicalize_name(package.name)] = (package.manager, package.name)
    found: dict[Key, tuple[Key, ...]] = {}
    for package in packages:
        known: Mapping[str, Key] = conda if package.manager == "conda" else pypi
        needs = package.dependencies if package.manager == "conda" else map(canonicalize_name, package.dependencies)
        found[package.manager, package.name] = tuple(sorted({known[name] for name in needs if name in known}))
    return found
