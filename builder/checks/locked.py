"""Whether what the lock promised is what is installed. Nothing is run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.checks.registry import Check
from builder.finding import Finding, Status

if TYPE_CHECKING:
    from builder.checks.remedy import Packages
    from builder.environment.environment import Environment

CHECKS: Final = (
    Check(
        id="pkg.locked",
        area="packages",
        catches="Packages of the lock that are missing or in another version, and those it does not know.",
        otherwise="`works on my machine`: the same lock, another environment.",
    ),
)

#: How many packages are named before the rest is counted.
_NAMED: Final = 20


def locked(prefix: Environment, packages: Packages) -> Finding:
    """Every package of the stamp's lock is there in its locked version: conda-meta for conda, dist-info for PyPI."""
    stamp = prefix.stamp
    if stamp is None:
        return Finding(
            check="pkg.locked",
            status=Status.SKIP,
            title="There is no stamp of envbuild in this prefix, so no lock to compare with.",
        )
    conda = {record.name: record for record in prefix.conda_records}
    dists = {dist.name: dist for dist in prefix.distributions}
    owned = _recorded_dists(prefix)
    wrong: list[str] = []
    cures: list[str] = []
    for package in stamp.packages:
        if package.manager == "conda":
            record = conda.get(package.name)
            have = f"{record.version} {record.build}".strip() if record else None
            if record is not None and record.version == package.version and package.build in ("", record.build):
                continue
            wrong.append(f"{package.name}: locked {package.version} {package.build}, installed {have or 'nothing'}")
            cures.append(packages.rebuild())
        else:
            dist = dists.get(_normalised(package.name))
            if dist is not None and _same(dist.version, package.version):
                continue
            wrong.append(f"{package.name}: locked {package.version}, installed {dist.version if dist else 'nothing'}")
            cures.append(packages.install(f"{package.name}=={package.version}", "--no-deps"))
    for name, version in owned.items():
        dist = dists.get(name)
        if dist is None or not _same(dist.version, version):
            wrong.append(
                f"{name}: conda installed {version}, but {dist.installer or 'something'} has "
                f"replaced it by {dist.version}"
                if dist
                else f"{name}: conda installed {version}, but its files are gone"
            )
            cures.append(packages.rebuild())
    if wrong:
        return Finding(
            check="pkg.locked",
            status=Status.FAIL,
            title=f"{len(wrong)} of {len(stamp.packages)} packages are not as locked.",
            evidence=_some(wrong),
            remedy=cures[0] if len(set(cures)) == 1 else packages.rebuild(),
        )
    extra = _extra(prefix, {_normalised(package.name) for package in stamp.packages}, set(owned))
    if extra:
        return Finding(
            check="pkg.locked",
            status=Status.WARN,
            title=f"Everything locked is there, and {len(extra)} more that the lock does not know.",
            evidence=_some(extra),
            remedy=f"add them to the recipe and lock again, or remove them: {packages.rebuild()}",
        )
    return Finding(
        check="pkg.locked",
        status=Status.PASS,
        title=f"All {len(stamp.packages)} packages of the lock are there in their locked versions.",
    )


def _recorded_dists(prefix: Environment) -> dict[str, str]:
    """Python distributions that conda's own records contain: normalised name → version, from the folder's name."""
    found: dict[str, str] = {}
    for record in prefix.conda_records:
        for file in record.files:
            match = re.search(r"/site-packages/([^/]+)-([^-/]+)\.dist-info/METADATA$", f"/{file}")
            if match:
                found[_normalised(match[1])] = match[2]
    return found


def _extra(prefix: Environment, locked_names: set[str], owned: set[str]) -> list[str]:
    conda = [
        f"{record.name} {record.version} (conda)"
        for record in prefix.conda_records
        if _normalised(record.name) not in locked_names
    ]
    pip = [
        f"{dist.name} {dist.version} ({dist.installer or 'unknown installer'})"
        for dist in prefix.distributions
        if dist.name not in locked_names and dist.name not in owned
    ]
    return conda + pip


def _some(lines: list[str]) -> tuple[str, ...]:
    rest = len(lines) - _NAMED
    return (*lines[:_NAMED], f"… and {rest} more") if rest > 0 else tuple(lines)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _same(left: str, right: str) -> bool:
    try:
        return Version(left) == Version(right)
    except InvalidVersion:
        return left == right
