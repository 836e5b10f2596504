"""Trying plans in turn: the next best where a solver refuses one, and one sentence where all are refused."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from builder.errors import UnsatisfiableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from builder.compat.facts import Facts
    from builder.plan.model import Plan
    from builder.platforms import Subdir
    from builder.progress import Progress

T = TypeVar("T")

#: How many combinations are given to a solver. What the channel's metadata shows to be impossible is not among them, so
#: that a second one is rarely needed; each takes some seconds.
MOST: Final = 6
#: How much of a solver's explanation is shown, in lines.
_SHOWN: Final = 8


class Planned(Protocol):
    """Something made from plans."""

    @property
    def plans(self) -> Mapping[Subdir, Plan]: ...


P = TypeVar("P", bound=Planned)


def first_that_works(planned: Iterator[P], attempt: Callable[[P], T], *, facts: Facts, progress: Progress) -> T:
    """What `attempt` gives for the first plans that it does not refuse with `UnsatisfiableError`.

    Raises `UnsatisfiableError` that names what was tried and why the first of it failed, when all are refused.
    """
    tried: list[str] = []
    first: UnsatisfiableError | None = None
    for candidate in islice(planned, MOST):
        if first is not None:
            progress.note(f"{tried[-1]} cannot be solved; trying {_named(candidate, facts)}")
        try:
            return attempt(candidate)
        except UnsatisfiableError as error:
            first = first or error
            tried.append(_named(candidate, facts))
    assert first is not None  # there is at least one, or the iterator raises itself
    also = f"\n(tried in vain as well: {'; '.join(tried[1:])})" if len(tried) > 1 else ""
    raise UnsatisfiableError(f"{_shortened(first.plain)}{also}", hint=first.hint)


def _named(planned: Planned, facts: Facts) -> str:
    """`TensorFlow 2.19.1 with Python 3.12`."""
    plan = next(iter(planned.plans.values()))
    combination = plan.combination
    if combination is None:
        return "the plan"
    python = facts.display("python", combination.python)
    if combination.main is None:
        return python
    return f"{facts.display(combination.main.package, combination.main.newest)} from {plan.provider} with {python}"


def _shortened(reason: str) -> str:
    lines = reason.splitlines()
    left = len(lines) - _SHOWN
    return reason if left <= 1 else "\n".join((*lines[:_SHOWN], f"… and {left} more lines"))
