"""Which Python distributions conda's packages bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from builder.names import distributions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.lock.model import LockedPackage


def provided_distributions(packages: Iterable[LockedPackage]) -> dict[str, str]:
    """The Python distributions among conda's packages: normalised PyPI name → version.

    A conda package does not say which distributions it holds. Those that depend on Python are taken to hold
    those of the map of names, or the one of their own name.
    """
    provided: dict[str, str] = {}
    for package in packages:
        if package.manager != "conda" or "python" not in package.dependencies:
            continue
        try:
            version = Version(package.version)
        except InvalidVersion:
            continue
        provided |= dict.fromkeys(distributions(package.name), version.public)
    return provided
