"""Why, or why not: a set of versions as a user types it, answered from the facts with their sources."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from packaging.version import InvalidVersion, Version

from builder.compat.facts import RANK
from builder.compat.fit import Judgement, Setting, display, judge
from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Fact
    from builder.platforms import Subdir

Answer = Literal["fits", "unsafe", "unproven", "refused"]

#: Names people use for what facts call otherwise.
ALIASES: Final = {
    "tensorflow-macos": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tf": "tensorflow",
    "pytorch": "torch",
    "metal": "tensorflow-metal",
    "ml_dtypes": "ml-dtypes",
    "tf_keras": "tf-keras",
}


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
    """The answer about exact versions, with every reason, what refuses first; `nearest` works in place of it."""

    versions: dict[str, str]
    answer: Answer
    reasons: tuple[Reason, ...]
    nearest: tuple[str, ...] = ()


def parse(words: Sequence[str], facts: Facts) -> dict[str, str]:
    """`tensorflow=2.18` (also `==`, `:` or a space-free `tensorflow2.18`) as package -> version text.

    Raises `UsageError` for what is no pair of a known package and a version.
    """
    found: dict[str, str] = {}
    for word in words:
        match = re.fullmatch(r"([A-Za-z][\w.-]*?)\s*(?:==?|:)\s*v?(\d[\w.]*)(?:\.\*)?", word.strip())
        if match is None:
            raise UsageError(f"{word!r} is not package=version", hint="write for instance tensorflow=2.18")
        name = ALIASES.get(match[1].lower(), match[1].lower())
        if name != "python" and name not in facts.packages:
            known = ", ".join(sorted(facts.packages | {"python"}))
            raise UsageError(f"no fact is about {match[1]!r}", hint=f"facts are about {known}")
        try:
            Version(match[2])
        except InvalidVersion:
            raise UsageError(f"{match[2]!r} is not a version", hint="write for instance 2.18 or 2.18.1") from None
        if name in found:
            raise UsageError(f"{name} is given twice", hint="give each package once")
        found[name] = match[2]
    return found


def resolve(versions: Mapping[str, str], facts: Facts) -> dict[str, Version]:
    """A minor stands for its newest known patch (2.18 for 2.18.1); what is unknown stands for itself."""
    result = {}
    for package, text in versions.items():
        wanted = Version(text)
        fitting = [
            version
            for release in (*facts.releases_of(package, "pypi"), *facts.releases_of(package, "conda-forge"))
            if (version := Version(release.version)).release[: len(wanted.release)] == wanted.release
        ]
        result[package] = max(fitting, default=wanted)
    return result


def explain(versions: Mapping[str, str], *, subdir: Subdir | None, facts: Facts) -> Explanation:
    """Whether these versions fit, and why or why not."""
    exact = resolve(versions, facts)
    python = ".".join(versions["python"].split(".")[:2]) if "python" in versions else None
    judgement = judge(exact, setting=Setting(subdir=subdir, python=python), facts=facts)
    reasons = tuple(dict.fromkeys(_reasons(judgement, exact)))
    answer: Answer = "fits"
    if judgement.refusals:
        answer = "refused"
    elif judgement.unsafe:
        answer = "unsafe"
    elif judgement.unproven:
        answer = "unproven"
    nearest = _nearest(exact, versions, python=python, subdir=subdir, facts=facts) if answer != "fits" else ()
    return Explanation(
        versions={package: str(version) for package, version in exact.items()},
        answer=answer,
        reasons=reasons,
        nearest=nearest,
    )


def _reasons(judgement: Judgement, exact: Mapping[str, Version]) -> list[Reason]:
    found = [
        _reason("refuses", refusal.statement, refusal.facts[0], remedy=refusal.remedy)
        for refusal in judgement.refusals
        if refusal.facts
    ]
    found += [_reason("unsafe", relation.cause, relation, remedy=relation.remedy) for relation in judgement.unsafe]
    found += [Reason(kind="unproven", statement=text) for text in judgement.unproven]
    proofs = sorted(judgement.proofs, key=lambda fact: (not hasattr(fact, "verdict"), -RANK[fact.established]))
    for fact in proofs:
        package = getattr(fact, "package", None)
        text = getattr(fact, "cause", None) or f"{display(str(package), exact.get(str(package)))} exists"
        found.append(_reason("supports", text, fact))
    return found


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


def _nearest(
    exact: Mapping[str, Version],
    asked: Mapping[str, str],
    *,
    python: str | None,
    subdir: Subdir | None,
    facts: Facts,
) -> tuple[str, ...]:
    """For each package, the version nearest to the asked one that fits everything else as asked."""
    setting = Setting(subdir=subdir, python=python)
    offers = []
    for package in asked:
        if package == "python":
            continue
        others = {name: version for name, version in exact.items() if name != package}
        known = sorted((Version(release.version) for release in facts.releases_of(package, "pypi")), reverse=True)
        here = min(range(len(known)), key=lambda i: abs(_distance(known[i], exact[package])), default=0)
        for index in sorted(range(len(known)), key=lambda i: (abs(i - here), i)):
            judged = judge({**others, package: known[index]}, setting=setting, facts=facts)
            if judged.fits and not judged.unsafe and not judged.unproven:
                offers.append(f"{display(package, known[index])} with " + _listed(others))
                break
    return tuple(offers)


def _distance(left: Version, right: Version) -> float:
    def number(version: Version) -> float:
        major, second, patch = (*version.release, 0, 0)[:3]
        return major * 1e6 + second * 1e3 + patch

    return number(left) - number(right)


def _listed(versions: Mapping[str, Version]) -> str:
    return " and ".join(display(package, version) for package, version in versions.items())
