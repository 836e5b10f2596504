"""Which groups (conda-lock: categories) need a package: its own, and those of everything that leads to it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from builder.names import distributions
from builder.plan.model import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.lock.model import LockedPackage
    from builder.render.model import SpecLine


def assign_groups(packages: Sequence[LockedPackage], requested: Iterable[SpecLine]) -> list[LockedPackage]:
    """The packages of one platform with their groups.

    A package that the main group reaches is in `main` only, since it is always installed. One that no
    request reaches (the solver's own doing, such as `pip` beside Python) is in `main` as well.
    """
    by_name: defaultdict[str, list[LockedPackage]] = defaultdict(list)
    for package in packages:
        by_name[canonicalize_name(package.name)].append(package)
        if package.manager == "conda":
            # PyPI packages ask for what it holds under the PyPI names.
            for name in distributions(package.name):
                if name != canonicalize_name(package.name):
                    by_name[name].append(package)
    roots: defaultdict[str, set[str]] = defaultdict(set)
    for line in requested:
        roots[line.group].add(canonicalize_name(line.name))
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for group, names in roots.items():
        for name in _reachable(names, by_name):
            for package in by_name.get(name, ()):
                groups[canonicalize_name(package.name)].add(group)
    return [replace(package, groups=_final(groups[canonicalize_name(package.name)])) for package in packages]


def _reachable(names: set[str], by_name: dict[str, list[LockedPackage]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            for package in by_name.get(name, ()):
                waiting += [canonicalize_name(dependency) for dependency in package.dependencies]
    return reached


def _final(groups: set[str]) -> tuple[str, ...]:
    return tuple(sorted(groups)) if groups and MAIN_GROUP not in groups else (MAIN_GROUP,)
