"""Saying no: the fact that refuses what was asked for, and the nearest combinations that work."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs
from packaging.version import Version

from builder.compat.model import Relation
from builder.errors import UnsatisfiableError
from builder.plan.catalogue import PYTHONS
from builder.plan.choose import TOLERANCES, Search
from builder.plan.pins import series

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from builder.compat.facts import Refusal
    from builder.compat.model import Origin
    from builder.plan.model import Choice, Combination
    from builder.plan.pins import Pin
    from builder.plan.question import Question


def refusal(question: Question, search: Search, *, elsewhere: str | None = None) -> UnsatisfiableError:
    """Why the search finds nothing: the fact or metadata that refuses, and the nearest combinations that work.

    `elsewhere` is a remedy that leaves the recipe's versions as they are.
    """
    for _ in search.combinations():  # yields nothing worth having here: it gathers the refusals
        break
    everything = question.pins_on(*{pin.package for target in question.targets for pin in target.pins})
    reason = _most_telling(search.refusals, question)
    beyond = tuple(pin for pin in everything if _beyond_facts(question, pin))
    if beyond and not {pin.package for pin in beyond} & set(reason.packages if reason else ()):
        # No release is there to be refused for the range, so what was refused on the way has nothing to do with it.
        reason, everything = None, beyond
    pinned = question.pins_on(*(reason.packages if reason else ()))
    let_go = tuple(_let_go(question, search))
    nearest = list(dict.fromkeys((*_nearest(question, search, let_go), *_given_up(question, let_go))))
    if elsewhere:
        # Before what lets go of a version that the recipe asks for.
        nearest.insert(
            next((i for i, text in enumerate(nearest) if text.startswith("give up")), len(nearest)), elsewhere
        )
    declared = reason is not None and not any(isinstance(fact, Relation) for fact in reason.facts)
    if reason is not None and reason.remedy and (declared or not nearest):
        nearest.insert(0, reason.remedy)
    hint = "; or ".join(nearest[:3]) or None
    if reason is None:
        asked = ", ".join(map(str, everything)) or "the recipe"
        return UnsatisfiableError(
            f"{_nothing_within(question, everything)} is within {asked}", hint=hint or "widen one of these ranges"
        )
    sources = "; ".join(dict.fromkeys(f"{fact.source} [{fact.established}]" for fact in reason.facts))
    asked = f" (asked for: {', '.join(map(str, pinned))})" if pinned else ""
    source = f". Source: {sources}" if sources else ""
    return UnsatisfiableError(f"{reason.statement}{asked}{source}", hint=hint)


def _nothing_within(question: Question, pins: tuple[Pin, ...]) -> str:
    """`no release that facts are about`, or what the channel's own metadata says there is."""
    main = question.framework.main
    if main in question.facts.asked and any(pin.package == main for pin in pins):
        newest = next(iter(question.facts.releases_of(main, "conda-forge")), None)
        has = f" (the newest is {newest.version})" if newest is not None else ""
        return f"no {question.facts.display(main)} that conda-forge has for these platforms{has}"
    return "no release that facts are about"


def _beyond_facts(question: Question, pin: Pin) -> bool:
    """Whether facts know releases of the package and the pin allows none of them."""
    origins: set[Origin] = {"pypi", *(target.origin for target in question.targets)}
    known = [release.version for origin in origins for release in question.facts.releases_of(pin.package, origin)]
    return bool(known) and not any(map(pin.allows, known))


def _most_telling(refusals: list[Refusal], question: Question) -> Refusal | None:
    """A refusal between two things the user named comes first, a known failure before a declaration."""
    named = {pin.package for target in question.targets for pin in target.pins}
    if len(question.minors) == 1:
        named.add("python")
    between = [r for r in refusals if len(set(r.packages)) > 1 and set(r.packages) <= named]
    known = [r for r in between if any(hasattr(fact, "verdict") for fact in r.facts)]
    # That the framework is not there for one of several Pythons says nothing where it is there for another.
    beyond = [r for r in refusals if set(r.packages) != {question.framework.main, "python"}]
    return next(iter([*known, *between, *beyond, *refusals]), None)


def _first(other: Question, done: Search) -> Combination | None:
    """The best proven combination of a question that differs in pins, Pythons or platforms only."""
    obstacles = replace(done.obstacles, question=other) if done.obstacles is not None else None
    searches = (
        Search(question=other, tolerance=tolerance, unknown=done.unknown, memo=done.memo, obstacles=obstacles)
        for tolerance in TOLERANCES[:2]
    )
    return next((found for search in searches for found in search.combinations()), None)


def _let_go(question: Question, done: Search) -> Iterator[tuple[Pin, Choice | None]]:
    """Each pin of which letting go, alone, leaves a combination, with what is chosen in its place."""
    pins = question.pins_on(*{pin.package for target in question.targets for pin in target.pins})
    order = [question.plugin, *question.partners, question.framework.main]
    seen: set[tuple[str, str]] = set()
    for pin in sorted(pins, key=lambda pin: order.index(pin.package) if pin.package in order else 9):
        if (pin.package, pin.where) in seen:
            continue
        seen.add((pin.package, pin.where))
        combination = _first(_without(question, pin), done)
        if combination is not None:
            yield pin, _choice_of(pin.package, combination)


def _below(pin: Pin, choice: Choice | None) -> bool:
    """Whether a choice is older than everything that the pin allows: less than what was asked for."""
    lower = [
        Version(one.version.removesuffix(".*"))
        for specifiers in pin.versions
        for one in specifiers
        if one.operator in (">=", ">", "~=")
    ]
    return choice is not None and bool(lower) and choice.newest < min(lower)


def _nearest(question: Question, done: Search, let_go: Sequence[tuple[Pin, Choice | None]]) -> Iterator[str]:
    """What to write instead: each pin let go alone, then a Python, then a platform."""
    for pin, choice in let_go:
        if not _below(pin, choice):
            yield f"use {_version_of(pin.package, choice, question)}"
    pythons = tuple(text for text in PYTHONS if text not in question.minors)
    combination = _first(replace(question, minors=pythons, given_up=question.given_up | {"python"}), done)
    if combination is not None:
        yield f'set `python: "{combination.python}"`'
    # Where a Mac's GPU is asked for, leaving the Mac out or letting versions differ is no help.
    if len(question.targets) > 1 and not any(target.plugin for target in question.targets):
        for target in question.targets:
            others = tuple(other for other in question.targets if other is not target)
            if _first(replace(question, targets=others), done) is not None:
                alone = _first(replace(question, targets=(target,)), done) is not None
                parity = "write `parity: none`, or " if alone else ""
                yield f"{parity}leave out {target.subdir}: the other platforms have a combination"
                return


def _given_up(question: Question, let_go: Sequence[tuple[Pin, Choice | None]]) -> Iterator[str]:
    """Older releases than the recipe asks for: the last thing to offer, and said as what it is."""
    for pin, choice in let_go:
        if _below(pin, choice):
            yield f"give up `{pin.text}` ({pin.where}) for {_version_of(pin.package, choice, question)}"


def _without(question: Question, pin: Pin) -> Question:
    targets = tuple(
        structs.replace(
            target,
            pins=tuple(other for other in target.pins if (other.package, other.where) != (pin.package, pin.where)),
        )
        for target in question.targets
    )
    return replace(question, targets=targets, given_up=question.given_up | {pin.where})


def _choice_of(package: str, combination: Combination) -> Choice | None:
    choices = (combination.main, combination.plugin, combination.numpy, *combination.partners, *combination.companions)
    return next((choice for choice in choices if choice is not None and choice.package == package), None)


def _version_of(package: str, choice: Choice | None, question: Question) -> str:
    if choice is None:
        return f"another {question.facts.display(package)}, or leave it to envbuild"
    exact = package == question.plugin
    return question.facts.display(package, choice.newest if exact else series(choice.newest))
