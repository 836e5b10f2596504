"""Which groups (conda-lock: categories) need a package: its own, and those of everything that leads to it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from builder.names import canonical, distributions
from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.lock.model import LockedPackage
    from builder.render.model import SpecLine

#: What some solvers put beside every Python.
_BESIDE_PYTHON: Final = frozenset(("pip", "setuptools", "wheel"))


def assign_groups(packages: Sequence[LockedPackage], requested: Iterable[SpecLine]) -> list[LockedPackage]:
    """The packages of one platform with their groups."""
    asked = groups_asked_for(packages, requested)
    return [replace(package, groups=groups) for package, groups in zip(packages, asked, strict=True)]


def groups_asked_for(packages: Sequence[LockedPackage], requested: Iterable[SpecLine]) -> list[tuple[str, ...]]:
    """The groups of each of the packages of one platform, in their order.

    A package that the main group reaches is in `main` only, since it is always installed. One that no
    request reaches (the solver's own doing, such as `pip` beside Python) is in `main` as well.
    """
    roots: defaultdict[str, set[str]] = defaultdict(set)
    for line in requested:
        roots[line.group].add(canonical(line.name))
    if roots.keys() <= {MAIN_GROUP}:
        return [(MAIN_GROUP,)] * len(packages)
    by_name = _by_name(packages)
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for group, names in roots.items():
        for name in _reachable(names, by_name):
            for package in by_name.get(name, ()):
                groups[canonical(package.name)].add(group)
    return [_final(groups[canonical(package.name)]) for package in packages]


def unreached(packages: Sequence[LockedPackage], requested: Iterable[SpecLine]) -> list[LockedPackage]:
    """The packages of one platform that nothing leads to: no request, and no package that one leads to.

    Not `_BESIDE_PYTHON`.
    """
    by_name = _by_name(packages)
    wanted = {canonical(line.name) for line in requested} | _BESIDE_PYTHON
    reached = {id(package) for name in _reachable(wanted, by_name) for package in by_name.get(name, ())}
    return [package for package in packages if id(package) not in reached]


def _by_name(packages: Iterable[LockedPackage]) -> dict[str, list[LockedPackage]]:
    """The packages by every name that others ask for them under."""
    found: defaultdict[str, list[LockedPackage]] = defaultdict(list)
    for package in packages:
        found[canonical(package.name)].append(package)
        if package.manager == "conda":
            # PyPI packages ask for what it holds under the PyPI names.
            for name in distributions(package.name):
                if name != canonical(package.name):
                    found[name].append(package)
    return found


def _reachable(names: set[str], by_name: dict[str, list[LockedPackage]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            for package in by_name.get(name, ()):
                waiting += map(canonical, package.dependencies)
    return reached


def _final(groups: set[str]) -> tuple[str, ...]:
    return tuple(sorted(groups)) if groups and MAIN_GROUP not in groups else (MAIN_GROUP,)
