"""Trying plans in turn: the next best where a solver refuses one, and one sentence where all are refused."""

from __future__ import annotations

import re
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from builder.errors import UnsatisfiableError
from builder.wording import listing, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from builder.compat.facts import Facts
    from builder.plan.model import ChosenSpec, Plan
    from builder.platforms import Subdir
    from builder.progress import Progress

T = TypeVar("T")

#: How many combinations are given to a solver. What the channel's metadata shows to be impossible is not among them, so
#: that a second one is rarely needed; each takes some seconds.
MOST: Final = 6
_TASK: Final = "attempts"
#: How much of a solver's explanation is shown: so many lines of a terminal with 80 columns.
_SHOWN: Final = 4
_COLUMNS: Final = 78
_PLACE: Final = re.compile(r"asked for by the recipe (\([^)]*\))")


class Planned(Protocol):
    """Something made from plans."""

    @property
    def plans(self) -> Mapping[Subdir, Plan]: ...


P = TypeVar("P", bound=Planned)


class WouldNotLoadError(UnsatisfiableError):
    """That a combination could be locked, and is not proven to load."""


def first_that_works(
    planned: Iterator[P],
    attempt: Callable[[P], T],
    *,
    facts: Facts,
    progress: Progress,
    explain: Callable[[P, UnsatisfiableError], UnsatisfiableError] = lambda _, error: error,
) -> T:
    """What `attempt` gives for the first plans that it does not refuse with `UnsatisfiableError`.

    `explain` finds out what the first refusal comes to. When all are refused, raises `UnsatisfiableError` that says in
    few lines why the first of it failed, the recipe's own requirements first; its details are the solver's whole
    account and what was tried.
    """
    tried: list[str] = []
    first: tuple[P, UnsatisfiableError] | None = None
    for candidate in islice(planned, MOST):
        try:
            made = attempt(candidate)
        except UnsatisfiableError as error:
            first = first or (candidate, explain(candidate, error))
            tried.append(_named(candidate, facts))
            progress.update(_TASK, f"{tried[-1]} {_verb(error)}; trying the next best")
            continue
        if first is not None:
            why = first[1].plain
            reason = _verb(first[1]) if "\n" in why else f"{_verb(first[1])}: {why}"
            progress.done(_TASK, f"{listing(tried)} {reason}; took {_named(candidate, facts)}")
        return made
    assert first is not None  # there is at least one, or the iterator raises itself
    raise _refused(*first, tried)


def _verb(error: UnsatisfiableError) -> str:
    return "would not load" if isinstance(error, WouldNotLoadError) else "cannot be solved"


def _refused(planned: Planned, error: UnsatisfiableError, tried: list[str]) -> UnsatisfiableError:
    head, _, reason = error.plain.partition("\n")
    lines = _shortened(reason)
    left = len(reason.splitlines()) - len(lines)
    more = [plural(left, "more line")] if left > 0 else []
    more += [f"{plural(len(tried) - 1, 'other combination')} tried in vain"] if len(tried) > 1 else []
    return UnsatisfiableError(
        "\n".join(
            [head, *_asked(planned, reason), *lines, *([f"… {' and '.join(more)} (-v shows all)"] if more else [])]
        ),
        hint=error.hint,
        details="\n".join([error.details or error.plain, *(f"tried: {one}" for one in tried)]),
    )


def _asked(planned: Planned, reason: str) -> list[str]:
    """The requirements that a reason is about: the recipe's own, with their places, and those chosen for it."""
    specs = {spec.name: spec for plan in planned.plans.values() for spec in plan.specs}
    named = [spec for name, spec in specs.items() if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", reason)]
    own = [f"{_line(spec)} {place[1]}" for spec in named if (place := _PLACE.search(spec.reason)) is not None]
    chosen = [_line(spec) for spec in named if _PLACE.search(spec.reason) is None]
    return [
        f"  {what}: {listing(lines, most=6)}"
        for what, lines in (("the recipe asks for", own), ("chosen for it", chosen))
        if lines
    ]


def _line(spec: ChosenSpec) -> str:
    return f"{spec.name} {spec.spec}".strip()


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


def _shortened(reason: str) -> list[str]:
    """The first lines of a solver's reason that a terminal shows in few, at least one."""
    shown: list[str] = []
    room = _SHOWN
    for line in reason.splitlines():
        room -= max(1, ceil(len(line) / _COLUMNS))
        if room < 0 and shown:
            break
        shown.append(line)
    return shown
