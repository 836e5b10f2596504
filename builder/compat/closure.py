"""What must come along: an answer about versions holds for everything that these versions require and facts know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from builder.compat.facts import in_order
from builder.compat.fit import Judgement, judge
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.specifiers import SpecifierSet

    from builder.compat.facts import Facts, Refusal
    from builder.compat.fit import Setting
    from builder.compat.model import Build, Relation, Release

#: Where nobody says for which platform: the one this is all about.
_USUAL: Final = Subdir.OSX_ARM64


def company(exact: Mapping[str, Version], *, setting: Setting, facts: Facts) -> Judgement:
    """What no release of a package that must come along avoids: that all of them are refused, or unsafe.

    Nothing where one of them fits, or where facts know none. `exact` itself is judged elsewhere.
    """
    found = Judgement()
    for package, (specifier, by) in _required(exact, setting=setting, facts=facts).items():
        candidates = [
            version
            for release in facts.releases_of(package, setting.origin(by))
            if specifier.contains(version := Version(release.version), prereleases=True)
        ]
        if candidates:
            said = f"{facts.display(by, exact[by])} requires {facts.display(package)} {in_order(specifier)}"
            found += _unavoidable(package, candidates, exact, said=said, setting=setting, facts=facts)
    return found


def _required(exact: Mapping[str, Version], *, setting: Setting, facts: Facts) -> dict[str, tuple[SpecifierSet, str]]:
    """Package that facts know and nobody named → what is required of it, and by whom first."""
    found: dict[str, tuple[SpecifierSet, str]] = {}
    for by, version in exact.items():
        release = facts.release(by, version, setting.origin(by))
        build = _build(release, setting) if release is not None else None
        if build is None:
            continue
        python = setting.python or max(build.pythons, key=Version, default="3.11")
        for package in sorted(facts.packages - exact.keys() - {by}):
            wanted = facts.requirement(build, package, subdir=setting.subdir or _USUAL, python=python)
            if wanted is not None:
                known = found.get(package)
                found[package] = (wanted, by) if known is None else (known[0] & wanted, known[1])
    return found


def _build(release: Release, setting: Setting) -> Build | None:
    return release.build(setting.subdir or _USUAL) or next(iter(release.builds.values()), None)


def _unavoidable(
    package: str,
    candidates: list[Version],
    exact: Mapping[str, Version],
    *,
    said: str,
    setting: Setting,
    facts: Facts,
) -> Judgement:
    """What every candidate brings: the unsafe relations of the newest that fits, or the newest one's refusals."""
    known = {refusal.statement for refusal in judge(exact, setting=setting, facts=facts).refusals}
    fitting: list[tuple[Relation, ...]] = []
    refusals: tuple[Refusal, ...] = ()
    for version in sorted(candidates, reverse=True):
        judged = judge({**exact, package: version}, setting=setting, facts=facts)
        new = tuple(refusal for refusal in judged.refusals if refusal.statement not in known)
        unsafe = tuple(
            relation
            for relation in judged.unsafe
            # What is so on one Python alone, another Python avoids.
            if package in _sides(relation) and (setting.python is not None or not relation.pythons)
        )
        if not new and not unsafe:
            return Judgement()
        if not new:
            fitting.append(unsafe)
        refusals = refusals or new
    if fitting:
        return Judgement(unsafe=tuple(_with_reason(fitting[0], said)))
    return Judgement(refusals=tuple(replace(refusal, statement=f"{said}: {refusal.statement}") for refusal in refusals))


def _sides(relation: Relation) -> tuple[str, str]:
    return relation.left.package, relation.right.package


def _with_reason(relations: tuple[Relation, ...], said: str) -> Iterator[Relation]:
    for relation in relations:
        yield relation.replaced(cause=f"{said}: {relation.cause}")
