"""What facts say about a whole set of packages that is about to be locked, whoever brought each of them in."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from builder.compat.fit import WHERE
from builder.compat.model import OPENMP_CHECK, OPENMP_REMEDY, two_runtimes
from builder.compat.ranges import public_version
from builder.errors import UnsatisfiableError
from builder.names import project
from builder.platforms import Subdir
from builder.wording import listing

if TYPE_CHECKING:
    from builder.compat.facts import Facts
    from builder.compat.model import Origin, Relation, Side

#: (conda or pip, name) → version, as a lock has them.
Packages = Mapping[tuple[str, str], str]


@dataclass(frozen=True, kw_only=True)
class Together:
    """What is known about pairs of a set: `fails` are known not to work, `unsafe` to compute wrongly."""

    fails: tuple[Relation, ...] = ()
    unsafe: tuple[Relation, ...] = ()
    unproven: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    """Plug-ins with nothing to plug into, and wheels that look for a library that nothing in the set brings."""


def together(packages: Packages, *, facts: Facts, subdir: Subdir | None = None) -> Together:
    """What relations say about every pair of a locked set.

    Only relations count: what packages declare about each other, the solver and the resolver have seen, and in the
    metadata of the very builds they took.
    """
    python = next((version for (_, name), version in packages.items() if name == "python"), None)
    minor = ".".join(python.split(".")[:2]) if python is not None else None
    known: dict[str, tuple[Version, Origin]] = {}
    for (manager, name), text in packages.items():
        subject = facts.subject(project(name, conda=manager == "conda"))
        if subject in facts.packages or subject in facts.binding:
            try:
                known[subject] = public_version(text), "conda-forge" if manager == "conda" else "pypi"
            except InvalidVersion:
                continue
    fails: list[Relation] = []
    unsafe: list[Relation] = []
    unproven: list[str] = []
    for left, right in combinations(sorted(known), 2):
        pair = (left, known[left][0]), (right, known[right][0])
        origins = {left: known[left][1], right: known[right][1]}
        found = facts.related(*pair, python=minor, origins=origins, subdir=subdir)
        fails += [relation for relation in found if relation.verdict == "fails"]
        unsafe += [relation for relation in found if relation.verdict == "unsafe"]
        if any(relation.verdict == "fails" for relation in found):
            continue
        if facts.bound(left, right) and origins[left] != origins[right]:
            unproven.append(_mixed(*pair, origins=origins, facts=facts))
        elif facts.needs_proof(left, right) and not any(relation.verdict == "works" for relation in found):
            unproven.append(f"no fact says that {facts.display(*pair[0])} works with {facts.display(*pair[1])}")
    return Together(
        fails=tuple(dict.fromkeys(fails)),
        unsafe=tuple(dict.fromkeys(unsafe)),
        unproven=tuple(unproven),
        lacking=(
            *_idle({facts.subject(project(name, conda=m == "conda")) for m, name in packages}, facts),
            *(_without_openmp(packages, known, facts) if subdir is Subdir.OSX_ARM64 else ()),
        ),
    )


def _mixed(
    left: tuple[str, Version], right: tuple[str, Version], *, origins: Mapping[str, Origin], facts: Facts
) -> str:
    """That a package and the one that it is built against are from two places, and what facts are about."""
    first, second = (f"{facts.display(*side)} comes from {WHERE[origins[side[0]]]}" for side in (left, right))
    about = facts.origins_about(left[0], right[0])
    known = f"facts about the two are about both from {' or '.join(WHERE[one] for one in sorted(about))}"
    return f"{first} and {second}; {known if about else 'no fact is about the two'}, so nothing shows that these load"


def _idle(there: Container[str], facts: Facts) -> Iterator[str]:
    for plug_in, hosts in facts.plug_ins.items():
        if plug_in in there and not any(host in there for host in hosts):
            names = " or ".join(map(facts.display, hosts))
            yield f"{plug_in} is a plug-in for {names}, which is not in the lock, so it does nothing"


def _without_openmp(packages: Packages, known: Mapping[str, tuple[Version, Origin]], facts: Facts) -> Iterator[str]:
    """Wheels that look for LLVM's OpenMP outside, where conda's is not there for them."""
    if ("conda", "llvm-openmp") in packages:
        return
    for package, (version, origin) in known.items():
        wheel = facts.openmp_of(package, version) if origin == "pypi" else None
        told = wheel.lacks(facts.display(package, version)) if wheel is not None else None
        if wheel is not None and told is not None:
            yield f"{told}. Source: {wheel.source} [{wheel.established}]"


def _one_for_openmp(unsafe: Sequence[Relation], facts: Facts) -> Iterator[str]:
    """One sentence for all packages that load runtimes of their own, however many pairs they make."""
    pairs = [relation for relation in unsafe if relation.check == OPENMP_CHECK]
    names = {facts.display(side.package): None for relation in pairs for side in (relation.left, relation.right)}
    if names:
        yield f"UNSAFE: {two_runtimes(listing(sorted(names, key=str.lower), most=6))}; {OPENMP_REMEDY}"


@dataclass(frozen=True, kw_only=True)
class LockedSetJudge:
    """Judges the locked set of each platform; what the lock's pipeline calls once it is solved."""

    facts: Facts

    def __call__(self, subdir: Subdir, packages: Packages) -> Iterable[str]:
        """Warnings about the set. Raises `UnsatisfiableError` for what is known not to work, with fact and remedy."""
        found = together(packages, facts=self.facts, subdir=subdir)
        if found.fails:
            first = found.fails[0]
            more = f" (and {len(found.fails) - 1} more)" if len(found.fails) > 1 else ""
            raise UnsatisfiableError(
                f"{subdir}: {first.cause}{more}. Source: {first.source} [{first.established}]",
                hint=first.remedy or _other_versions(first, self.facts),
            )
        others = (relation for relation in found.unsafe if relation.check != OPENMP_CHECK)
        loud = [f"UNSAFE: {r.cause}" + (f"; {r.remedy}" if r.remedy else "") for r in others]
        loud += _one_for_openmp(found.unsafe, self.facts)
        return [
            *loud,
            *(f"unproven: {text}" for text in found.unproven),
            *(f"{subdir}: {text}" for text in found.lacking),
        ]


def _other_versions(relation: Relation, facts: Facts) -> str:
    """The newest version of the one that is known to go with the other's."""
    sides = (relation.left, relation.right)
    for kept, changed in (sides, sides[::-1]):
        newest: tuple[Version, str] | None = None
        for other in facts.relations:
            if other.verdict not in ("works", "links") or other.pythons not in ((), relation.pythons):
                continue
            for one, two in ((other.left, other.right), (other.right, other.left)):
                if (one.package, two.package) == (kept.package, changed.package) and _bare(one) == _bare(kept):
                    number = _bare(two)
                    if re.fullmatch(r"\d+(\.\d+)*", number):
                        newest = max(newest or (Version("0"), ""), (Version(number), number))
        if newest is not None:
            return f"take {facts.display(changed.package, newest[1])} with {facts.display(kept.package, _bare(kept))}"
    return f"`envbuild compat --package {relation.left.package}` shows which versions go together"


def _bare(side: Side) -> str:
    """A range that is one version or minor, as that: `==1.1.0` is `1.1.0`."""
    return side.versions.removesuffix(".*").removeprefix("==")
