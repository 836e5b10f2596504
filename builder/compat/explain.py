"""Why, or why not: a set of versions as a user types it, answered from the facts with their sources."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from packaging.version import InvalidVersion, Version

from builder.compat.closure import company
from builder.compat.facts import RANK
from builder.compat.fit import Judgement, Setting, connected, judge, older_patches
from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Fact, Origin
    from builder.platforms import Subdir

Answer = Literal["fits", "unsafe", "unproven", "refused"]

#: What may be named beside packages: the interpreter, and the macOS that is to run it.
SURROUNDINGS: Final = ("python", "macos")


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One sentence of an answer and the fact it rests on."""

    kind: Literal["refuses", "unsafe", "unproven", "supports"]
    statement: str
    fact: str | None = None
    source: str | None = None
    established: str | None = None
    date: str | None = None
    measured_on: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The answer about exact versions, with every reason, what refuses first; `nearest` works in place of it.

    It holds for packages of `origin`: a channel builds its packages with other bounds than PyPI's wheels declare.
    """

    origin: Origin
    versions: dict[str, str]
    answer: Answer
    reasons: tuple[Reason, ...]
    nearest: tuple[str, ...] = ()


def parse(words: Sequence[str], facts: Facts) -> dict[str, str]:
    """`tensorflow=2.18` (also `tensorflow==2.18` and `tensorflow:2.18`) as package -> version text.

    `python=3.12` and `macos=14.0` say where they are to run. Raises `UsageError` for what is no package and version,
    and when no fact is about any of the packages.
    """
    found: dict[str, str] = {}
    for word in words:
        match = re.fullmatch(r"([A-Za-z][\w.-]*?)\s*(?:==?|:)\s*v?(\d[\w.]*)(?:\.\*)?", word.strip())
        if match is None:
            raise UsageError(f"{word!r} is not package=version", hint="write for instance tensorflow=2.18")
        name = facts.subject(match[1].lower())
        try:
            Version(match[2])
        except InvalidVersion:
            raise UsageError(f"{match[2]!r} is not a version", hint="write for instance 2.18 or 2.18.1") from None
        if name in found:
            raise UsageError(f"{name} is given twice", hint="give each package once")
        found[name] = match[2]
    if not facts.packages & found.keys():
        named = ", ".join(map(repr, found))
        known = ", ".join((*sorted(facts.packages), *SURROUNDINGS))
        raise UsageError(f"no fact is about {named}", hint=f"facts are about {known}")
    return found


def resolve(versions: Mapping[str, str], facts: Facts, *, setting: Setting) -> dict[str, Version]:
    """A minor stands for its newest known patch (2.18 for 2.18.1); what is unknown stands for itself."""
    result = {}
    for package, text in versions.items():
        wanted = Version(text)
        if package in SURROUNDINGS:
            continue
        fitting = [
            version
            for release in facts.releases_of(package, setting.origin(package))
            if (version := Version(release.version)).release[: len(wanted.release)] == wanted.release
        ]
        result[package] = max(fitting, default=wanted)
    return result


def explain_by_origin(versions: Mapping[str, str], *, subdir: Subdir | None, facts: Facts) -> tuple[Explanation, ...]:
    """An answer for each origin that facts know the packages from, PyPI first."""
    origins: list[Origin] = ["pypi"]
    on_channel = any(facts.releases_of(package, "conda-forge") for package in versions)
    if on_channel and not any(map(facts.pypi_only, versions)):
        origins.append("conda-forge")
    return tuple(explain(versions, subdir=subdir, facts=facts, origin=origin) for origin in origins)


def explain(
    versions: Mapping[str, str], *, subdir: Subdir | None, facts: Facts, origin: Origin = "pypi"
) -> Explanation:
    """Whether these versions fit when they come from `origin`, and why or why not.

    A package that facts know from PyPI alone is judged by what it declares there.
    """
    python = ".".join(versions["python"].split(".")[:2]) if "python" in versions else None
    of_channel = {package: origin for package in versions if facts.releases_of(package, origin)}
    setting = Setting(subdir=subdir, python=python, macos=versions.get("macos"), origins=of_channel)
    exact = _with_patches_that_fit(resolve(versions, facts, setting=setting), versions, setting=setting, facts=facts)
    judgement = judge(exact, setting=setting, facts=facts)
    judgement += company(exact, setting=setting, facts=facts)
    judgement += Judgement(unproven=tuple(_lonely(exact, setting=_all_from(origin, exact, setting), facts=facts)))
    answer: Answer = "fits"
    if judgement.refusals:
        answer = "refused"
    elif judgement.unsafe:
        answer = "unsafe"
    elif judgement.unproven:
        answer = "unproven"
    nearest = _nearest(exact, setting=setting, facts=facts, origin=origin) if answer != "fits" else ()
    named = {package: versions[package] for package in SURROUNDINGS if package in versions}
    return Explanation(
        origin=origin,
        versions={package: str(version) for package, version in exact.items()} | named,
        answer=answer,
        reasons=tuple(_reasons(judgement, exact, facts, origin=origin)),
        nearest=nearest,
    )


def _with_patches_that_fit(
    exact: dict[str, Version], asked: Mapping[str, str], *, setting: Setting, facts: Facts
) -> dict[str, Version]:
    """`numpy=1.24` is any 1.24: where the newest patch is refused, an older one that fits all else stands for it."""
    refusals = judge(exact, setting=setting, facts=facts).refusals
    refusing = {getattr(fact, "package", None) for refusal in refusals for fact in refusal.facts}
    for package, newest in exact.items():
        bare = len(Version(asked[package]).release) <= 2 < len(newest.release)
        # What an older patch declares is not known, so it cannot stand for one that refuses the others.
        if not refusals or not bare or package in refusing:
            continue
        for patch in older_patches(package, newest, facts=facts):
            older = exact | {package: patch}
            if judge(older, setting=setting, facts=facts).fits:
                return older
    return exact


def _lonely(exact: Mapping[str, Version], *, setting: Setting, facts: Facts) -> Iterator[str]:
    """Packages of which neither a fact nor anybody's metadata says a word about any of the others."""
    for index, (package, version) in enumerate(exact.items()):
        others = {name: other for name, other in exact.items() if name != package}
        pairs = (((package, version), other) for other in others.items())
        said = len(exact) == 2 and index == 1  # about two packages, once is enough
        if others and not said and not any(connected(*pair, setting=setting, facts=facts) for pair in pairs):
            beside = _listed(others, facts, word="and")
            yield f"nothing is known about {facts.display(package, version)} beside {beside}"


def _reasons(judgement: Judgement, exact: Mapping[str, Version], facts: Facts, *, origin: Origin) -> Iterator[Reason]:
    """What refuses first, above all what says what to do; of reasons that say the same, the best established one.

    That a release exists elsewhere than at `origin` supports nothing.
    """
    found = [
        _reason("refuses", refusal.statement, refusal.facts[0], remedy=refusal.remedy)
        for refusal in sorted(judgement.refusals, key=lambda refusal: refusal.remedy is None)
        if refusal.facts
    ]
    found += [_reason("unsafe", relation.cause, relation, remedy=relation.remedy) for relation in judgement.unsafe]
    if not judgement.refusals:  # what is known to fail needs no word about what nobody has shown
        found += [Reason(kind="unproven", statement=text) for text in judgement.unproven]
    here = (fact for fact in judgement.proofs if getattr(fact, "origin", origin) == origin)
    proofs = sorted(here, key=lambda fact: (not hasattr(fact, "verdict"), -RANK[fact.established]))
    for fact in proofs:
        package = getattr(fact, "package", None)
        text = getattr(fact, "cause", None) or f"{facts.display(str(package), exact.get(str(package)))} exists"
        found.append(_reason("supports", text, fact))
    said: set[str] = set()
    for reason in found:
        if reason.statement not in said:
            said.add(reason.statement)
            yield reason


def _reason(
    kind: Literal["refuses", "unsafe", "supports"], statement: str, fact: Fact, *, remedy: str | None = None
) -> Reason:
    return Reason(
        kind=kind,
        statement=statement,
        fact=fact.id,
        source=fact.source,
        established=fact.established,
        date=fact.date,
        measured_on=fact.measured_on,
        remedy=remedy,
    )


def _all_from(origin: Origin, versions: Mapping[str, Version], setting: Setting) -> Setting:
    """What PyPI's wheels declare about each other is no proof for a channel's own builds of the same packages."""
    return replace(setting, origins=dict.fromkeys(versions, origin))


def _nearest(exact: Mapping[str, Version], *, setting: Setting, facts: Facts, origin: Origin) -> tuple[str, ...]:
    """For each package, the version nearest to the asked one that fits everything else as asked; then a Python."""
    offers = []
    for package in exact:
        others = {name: version for name, version in exact.items() if name != package}
        known = sorted(
            (Version(release.version) for release in facts.releases_of(package, setting.origin(package))), reverse=True
        )
        here = min(range(len(known)), key=lambda i: abs(_distance(known[i], exact[package])), default=0)
        for index in sorted(range(len(known)), key=lambda i: (abs(i - here), i)):
            if _good({**others, package: known[index]}, setting=setting, facts=facts, origin=origin):
                offers.append(_listed({package: known[index], **others}, facts, python=setting.python))
                break
    if setting.python is not None:
        minor = int(setting.python.split(".")[1])
        for other in sorted(range(8, 16), key=lambda other: (abs(other - minor), -other)):
            if _good(exact, setting=replace(setting, python=f"3.{other}"), facts=facts, origin=origin):
                offers.append(_listed(exact, facts, python=f"3.{other}"))
                break
    return tuple(offers)


def _good(versions: Mapping[str, Version], *, setting: Setting, facts: Facts, origin: Origin) -> bool:
    """Fits, is proven and computes rightly, for all that facts say."""
    judged = judge(versions, setting=setting, facts=facts)
    if not judged.fits or judged.unsafe or judged.unproven:
        return False
    brought = company(versions, setting=setting, facts=facts)
    lonely = any(_lonely(versions, setting=_all_from(origin, versions, setting), facts=facts))
    return brought.fits and not brought.unsafe and not lonely


def _distance(left: Version, right: Version) -> float:
    def number(version: Version) -> float:
        major, second, patch = (*version.release, 0, 0)[:3]
        return major * 1e6 + second * 1e3 + patch

    return number(left) - number(right)


def _listed(versions: Mapping[str, Version], facts: Facts, *, python: str | None = None, word: str = "with") -> str:
    """`TensorFlow 2.17.1 with tensorflow-metal 1.1.0 and Python 3.11`"""
    first, *others = [facts.display(package, version) for package, version in versions.items()]
    others += [facts.display("python", python)] if python else []
    return first + (f" {word} {' and '.join(others)}" if others else "")
