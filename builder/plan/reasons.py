"""Facts and choices as a plan words them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.compat.model import BlasVariant, Fact, Relation, Release
from builder.plan.model import FactRef
from builder.plan.pins import series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.plan.model import Choice, Combination


def statement(fact: Fact) -> str:
    """A fact as one sentence."""
    if isinstance(fact, Relation):
        return fact.cause
    if isinstance(fact, BlasVariant):
        return fact.statement
    if isinstance(fact, Release):
        places = "; ".join(
            f"{place}: Python {', '.join(build.pythons)}" if build.pythons else place
            for place, build in fact.builds.items()
        )
        return f"{fact.package} {fact.version} from {fact.origin} exists for {places}"
    raise TypeError(type(fact).__name__)


def reference(fact: Fact, text: str | None = None) -> FactRef:
    return FactRef(id=fact.id, statement=text or statement(fact), source=fact.source, established=fact.established)


def references(facts: Iterable[Fact]) -> tuple[FactRef, ...]:
    """Facts to quote beside a choice, each sentence once.

    Where something is known about a pair, that a release exists goes without saying.
    """
    found = list(facts)
    if any(isinstance(fact, Relation) for fact in found):
        found = [fact for fact in found if not isinstance(fact, Release)]
    return tuple({ref.statement: ref for ref in map(reference, found)}.values())


def bounds(choice: Choice) -> str:
    """A range over the chosen run, usable by conda and pip alike (`>=3.5,<3.16`); empty where it is left open."""
    if not choice.versions:
        return ""
    low, high = choice.versions[-1], choice.versions[0]
    head = [int(part) for part in series(high).split(".")]
    head[-1] += 1
    return f">={series(low)},<{'.'.join(map(str, head))}"


def why_not(combination: Combination) -> str:
    """`; TensorFlow 2.21.0 …` for a reason, or nothing."""
    return f" (newer: {combination.held_back})" if combination.held_back else ""
