"""The same versions on every platform of a team, where that is possible; and saying so where it is not."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from builder.errors import UnsatisfiableError
from builder.lock.solver import settled
from builder.names import project

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    import rattler

    from builder.lock.model import LockedPackage
    from builder.lock.solver import Solver, SolveRequest
    from builder.platforms import Subdir
    from builder.render.model import PlatformSpecs

Solutions = dict["Subdir", "Sequence[LockedPackage]"]
#: How many older versions of one package are tried before it is given up.
_TRIES: Final = 8


class Equalised(Struct, frozen=True, kw_only=True):
    """What equalising led to. `exact` are the versions it fixed, by project; `refused` says which names it gave up."""

    solutions: Solutions
    exact: Mapping[str, str] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()


def subject(package: LockedPackage) -> str:
    """The project that the package is a build of, by its PyPI name: `tensorflow-cpu` is `tensorflow`."""
    return project(package.name) if package.manager == "conda" else project(package.name, conda=False)


def subjects(names: Iterable[str]) -> tuple[str, ...]:
    """The projects of these names, conda's or PyPI's, each once."""
    return tuple(dict.fromkeys(project(name) for name in names))


async def equalise(
    solver: Solver, requests: Mapping[Subdir, SolveRequest], solutions: Solutions, names: Sequence[str]
) -> Equalised:
    """Solve again until the projects `names` have one version each on all platforms that have them.

    For each the newest version that exists everywhere and is not newer than what any platform got is tried first, then
    older ones. What one fixes may part another, which is looked at again until all are equal or given up.
    """
    exact: dict[str, str] = {}
    refused: set[str] = set()
    # Each round settles or gives up one name; what was settled may part once more, through another package's doing.
    for _ in range(2 * len(names)):
        name = next((name for name in names if name not in refused and _apart(versions(solutions, name))), None)
        if name is None:
            break
        for version in await _candidates(solver, requests, solutions, name):
            found = await solve_with(solver, requests, solutions, exact | {name: version})
            if found is not None:
                exact[name] = version
                solutions = found
                break
        else:
            refused.add(name)
    return Equalised(solutions=solutions, exact=exact, refused=frozenset(refused))


def oldest_where_different(solutions: Solutions, names: Iterable[str]) -> dict[str, str]:
    """The oldest version of each of the projects `names` that the platforms disagree on."""
    oldest: dict[str, str] = {}
    for name in names:
        there = versions(solutions, name)
        if _apart(there):
            oldest[name] = in_order(there.values())[0]
    return oldest


def versions(solutions: Mapping[Subdir, Sequence[LockedPackage]], name: str) -> dict[Subdir, str]:
    """The version of a project on each platform that has it, from conda or from PyPI.

    Without a local label: PyTorch's `2.5.1+cpu` is 2.5.1.
    """
    return {
        subdir: package.version.partition("+")[0]
        for subdir, packages in solutions.items()
        for package in packages
        if subject(package) == name
    }


def differences(
    solutions: Mapping[Subdir, Sequence[LockedPackage]], names: Iterable[str], *, refused: Container[str] = ()
) -> tuple[str, ...]:
    """A sentence for each project that does not have the same version on all platforms that have it.

    `refused` are those for which one was looked for.
    """
    told = []
    for name in names:
        there = versions(solutions, name)
        if _apart(there):
            why = ": no version works on all of them" if name in refused else ""
            listed = ", ".join(f"{version} on {subdir}" for subdir, version in there.items())
            told.append(f"{name} differs between platforms ({listed}){why}")
    return tuple(told)


def compared(platforms: Sequence[PlatformSpecs]) -> tuple[str, ...]:
    """The projects to tell the differences of: those held at one version, and what else is asked for on more than one
    platform, by whichever of its names, from conda or PyPI. None where the recipe wants no parity.
    """
    held = subjects(name for specs in platforms for name in specs.parity)
    asked = Counter(
        name
        for specs in platforms
        for name in {project(line.name, conda=line.manager == "conda"): None for line in (*specs.conda, *specs.pip)}
    )
    several = (name for name, count in asked.items() if count > 1)
    return tuple(dict.fromkeys((*held, *several))) if held else ()


def exact_for(packages: Iterable[LockedPackage], exact: Mapping[str, str], *, manager: str) -> dict[str, str]:
    """The versions that `exact` fixes by project, by the names that the packages of one platform have."""
    fixed = dict(exact) if manager == "pip" else {}
    for package in packages:
        if package.manager == manager and (version := exact.get(subject(package))) is not None:
            fixed[package.name if manager == "conda" else canonicalize_name(package.name)] = version
    return fixed


def has_exactly(packages: Sequence[LockedPackage], exact: Mapping[str, str]) -> bool:
    """Whether each project of `exact` that is among the packages of one platform has its version there."""
    return all(
        _version(package.version.partition("+")[0]) == _version(wanted)
        for package in packages
        if (wanted := exact.get(subject(package))) is not None
    )


def in_order(texts: Iterable[str]) -> list[str]:
    """Conda versions, the oldest first. conda's own order, which knows `2024b` and `9e` as well."""
    return sorted(texts, key=_version)


def _apart(there: Mapping[Subdir, str]) -> bool:
    """Whether the platforms have different versions: `3.0` of conda and `3.0.0` of PyPI are the same."""
    return len({_version(text) for text in there.values()}) > 1


def _version(text: str) -> rattler.Version:
    import rattler
    from rattler.exceptions import InvalidVersionError

    try:
        return rattler.Version(text)
    except InvalidVersionError:
        return rattler.Version("0")


async def _candidates(
    solver: Solver, requests: Mapping[Subdir, SolveRequest], solutions: Solutions, name: str
) -> list[str]:
    got = {
        subdir: package for subdir, packages in solutions.items() for package in packages if subject(package) == name
    }
    oldest = in_order(package.version for package in got.values())[0]
    offered = await asyncio.gather(
        *(solver.versions(requests[subdir], package.name) for subdir, package in got.items())
    )
    if not all(offered):
        # A solver that cannot list versions: the oldest one chosen is the only candidate known to exist.
        return [oldest]
    common = in_order({*frozenset.intersection(*offered), oldest})
    fitting = [version for version in common[: common.index(oldest) + 1] if all(version in some for some in offered)]
    return fitting[::-1][:_TRIES]


async def solve_with(
    solver: Solver, requests: Mapping[Subdir, SolveRequest], solutions: Solutions, exact: Mapping[str, str]
) -> Solutions | None:
    """All platforms under `exact` (by project), solving again only those that do not have it; None where one cannot."""

    async def one(subdir: Subdir) -> Sequence[LockedPackage]:
        if has_exactly(solutions[subdir], exact):
            return solutions[subdir]
        fixed = exact_for(solutions[subdir], exact, manager="conda")
        return await solver.solve(replace(requests[subdir], exact=fixed))

    try:
        results = await settled(one(subdir) for subdir in requests)
    except UnsatisfiableError:
        return None
    return dict(zip(requests, results, strict=True))
