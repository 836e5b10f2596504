"""Saying no: the fact that refuses what was asked for, and the nearest combinations that work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from builder.compat.model import Relation
from builder.errors import UnsatisfiableError
from builder.plan.choose import Combination, Level, Memo, Search
from builder.plan.pins import series
from builder.plan.question import PYTHONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.compat.facts import Refusal
    from builder.compat.model import Origin
    from builder.plan.pins import Pin
    from builder.plan.question import Question


def choose(question: Question) -> Combination:
    """The best combination at the strictest level that has one. Raises `UnsatisfiableError` with the refusing fact."""
    memo: Memo = {}
    for level in Level:
        if level is Level.PROVEN or _pinned(question):
            for combination in Search(question=question, level=level, memo=memo).combinations():
                return combination
    raise _refusal(question, memo)


def _pinned(question: Question) -> bool:
    """Only what a user asked for by name may be unsafe or unproven."""
    family = question.family
    names = (family.main, *family.partners, *((family.plugin,) if family.plugin else ()))
    unknown = any(not question.facts.releases_of(family.main, target.origin) for target in question.targets)
    return unknown or bool(question.pins_on(*names)) or _no_builds(question)


def _no_builds(question: Question) -> bool:
    """True when no fact is about the framework on one of the platforms, so that everything there is unproven."""
    return any(
        not any(
            release.build(target.subdir) for release in question.facts.releases_of(question.family.main, target.origin)
        )
        for target in question.targets
    )


def _refusal(question: Question, memo: Memo) -> UnsatisfiableError:
    level = Level.UNPROVEN if _pinned(question) else Level.PROVEN
    search = Search(question=question, level=level, memo=memo)
    for _ in search.combinations():  # yields nothing here: it gathers the refusals
        break
    everything = question.pins_on(*{pin.package for target in question.targets for pin in target.pins})
    reason = _most_telling(search.refusals, question)
    beyond = tuple(pin for pin in everything if _beyond_facts(question, pin))
    if beyond and not {pin.package for pin in beyond} & set(reason.packages if reason else ()):
        # No release is there to be refused for the range, so what was refused on the way has nothing to do with it.
        reason, everything = None, beyond
    pinned = question.pins_on(*(reason.packages if reason else ()))
    nearest = list(dict.fromkeys(_nearest(question, memo)))
    declared = reason is not None and not any(isinstance(fact, Relation) for fact in reason.facts)
    if reason is not None and reason.remedy and (declared or not nearest):
        nearest.insert(0, reason.remedy)
    hint = "; or ".join(nearest[:3]) or None
    if reason is None:
        asked = ", ".join(map(str, everything)) or "the recipe"
        return UnsatisfiableError(
            f"no release that facts are about is within {asked}", hint=hint or "widen one of these ranges"
        )
    sources = "; ".join(dict.fromkeys(f"{fact.source} [{fact.established}]" for fact in reason.facts))
    asked = f" (asked for: {', '.join(map(str, pinned))})" if pinned else ""
    source = f". Source: {sources}" if sources else ""
    return UnsatisfiableError(f"{reason.statement}{asked}{source}", hint=hint)


def _beyond_facts(question: Question, pin: Pin) -> bool:
    """Whether facts know releases of the package and the pin allows none of them."""
    origins: set[Origin] = {"pypi", *(target.origin for target in question.targets)}
    known = [release.version for origin in origins for release in question.facts.releases_of(pin.package, origin)]
    return bool(known) and not any(map(pin.allows, known))


def _most_telling(refusals: list[Refusal], question: Question) -> Refusal | None:
    """A refusal between two things the user named comes first, a known failure before a declaration."""
    named = {pin.package for target in question.targets for pin in target.pins}
    between = [r for r in refusals if len(set(r.packages)) > 1 and set(r.packages) <= named]
    known = [r for r in between if any(hasattr(fact, "verdict") for fact in r.facts)]
    return next(iter([*known, *between, *refusals]), None)


def _nearest(question: Question, memo: Memo) -> Iterator[str]:
    """What to write instead: each pin let go alone, then a Python, then a platform."""
    seen: set[tuple[str, str]] = set()
    pins = question.pins_on(*{pin.package for target in question.targets for pin in target.pins})
    family = question.family
    order = [family.plugin, *family.partners, family.main]
    for pin in sorted(pins, key=lambda pin: order.index(pin.package) if pin.package in order else 9):
        if (pin.package, pin.where) in seen:
            continue
        seen.add((pin.package, pin.where))
        combination = _first(_without(question, pin), memo)
        if combination is not None:
            yield f"use {_version_of(pin.package, combination)}"
    combination = _first(replace(question, minors=tuple(text for text in PYTHONS if text not in question.minors)), memo)
    if combination is not None:
        yield f"use Python {combination.python}"
    # Where a Mac's GPU is asked for, leaving the Mac out or letting versions differ is no help.
    if len(question.targets) > 1 and not any(target.plugin for target in question.targets):
        for target in question.targets:
            others = tuple(other for other in question.targets if other is not target)
            if _first(replace(question, targets=others), memo) is not None:
                yield f"write `parity: none`, or leave out {target.subdir}: the other platforms have a combination"
                return


def _first(question: Question, memo: Memo) -> Combination | None:
    proven = Search(question=question, level=Level.PROVEN, memo=memo).combinations()
    unsafe = Search(question=question, level=Level.UNSAFE, memo=memo).combinations()
    return next(proven, None) or next(unsafe, None)


def _without(question: Question, pin: Pin) -> Question:
    targets = tuple(
        replace(
            target,
            pins=tuple(other for other in target.pins if (other.package, other.where) != (pin.package, pin.where)),
        )
        for target in question.targets
    )
    return replace(question, targets=targets)


def _version_of(package: str, combination: Combination) -> str:
    choices = (combination.main, combination.plugin, combination.numpy, *combination.partners, *combination.companions)
    for choice in choices:
        if choice is not None and choice.package == package:
            exact = package.endswith("-metal")
            return display(package, choice.newest if exact else series(choice.newest))
    return f"another {display(package)}, or leave it to envbuild"
