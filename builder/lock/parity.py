"""The same versions on every platform of a team, where that is possible; and saying so where it is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.errors import UnsatisfiableError
from builder.lock.solver import settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.lock.model import LockedPackage
    from builder.lock.solver import Solver, SolveRequest
    from builder.platforms import Subdir

Solutions = dict["Subdir", "Sequence[LockedPackage]"]
#: How many older versions of one package are tried before it is given up.
_TRIES: Final = 8


async def equalise(
    solver: Solver, requests: Mapping[Subdir, SolveRequest], solutions: Solutions, names: Sequence[str]
) -> tuple[Solutions, tuple[str, ...]]:
    """Solve again until the packages `names` have one version each on all platforms that have them.

    For each name the newest version that exists everywhere and is not newer than what any platform got is
    tried first, then older ones. Gives the solutions and a sentence for each name that cannot match.
    """
    exact: dict[str, str] = {}
    unmatched: list[str] = []
    for name in names:
        versions = _versions(solutions, name)
        if len(set(versions.values())) < 2:
            continue
        found: Solutions | None = None
        for version in await _candidates(solver, requests, versions, name):
            found = await _solve_with(solver, requests, solutions, exact | {name: version})
            if found is not None:
                exact[name] = version
                solutions = found
                break
        if found is None:
            listed = ", ".join(f"{version} on {subdir}" for subdir, version in versions.items())
            unmatched.append(f"{name} differs between platforms ({listed}): no version of it fits all of them")
    return solutions, tuple(unmatched)


def oldest_where_different(solutions: Solutions, names: Sequence[str]) -> dict[str, str]:
    """The oldest version of each of `names` that the platforms disagree on."""
    oldest: dict[str, str] = {}
    for name in names:
        versions = set(_versions(solutions, name).values())
        if len(versions) > 1:
            oldest[name] = min(versions, key=_order)
    return oldest


def _versions(solutions: Solutions, name: str) -> dict[Subdir, str]:
    return {
        subdir: package.version
        for subdir, packages in solutions.items()
        for package in packages
        if package.name == name
    }


async def _candidates(
    solver: Solver, requests: Mapping[Subdir, SolveRequest], got: Mapping[Subdir, str], name: str
) -> list[str]:
    oldest = min(got.values(), key=_order)
    offered = await asyncio.gather(*(solver.versions(requests[subdir], name) for subdir in got))
    if not all(offered):
        # A solver that cannot list versions: the oldest one chosen is the only candidate known to exist.
        return [oldest]
    common = frozenset.intersection(*offered)
    fitting = [version for version in common if _order(version) <= _order(oldest)]
    return sorted(fitting, key=_order, reverse=True)[:_TRIES]


def _order(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0")


async def _solve_with(
    solver: Solver, requests: Mapping[Subdir, SolveRequest], solutions: Solutions, exact: Mapping[str, str]
) -> Solutions | None:
    """All platforms under `exact`, solving again only those that do not hold it yet; None where one cannot."""

    async def one(subdir: Subdir) -> Sequence[LockedPackage]:
        if all(_versions({subdir: solutions[subdir]}, name).get(subdir) in (None, exact[name]) for name in exact):
            return solutions[subdir]
        return await solver.solve(replace(requests[subdir], exact=dict(exact)))

    try:
        results = await settled(one(subdir) for subdir in requests)
    except UnsatisfiableError:
        return None
    return dict(zip(requests, results, strict=True))
