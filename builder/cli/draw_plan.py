"""Plans for the terminal and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from msgspec import to_builtins

from builder.plan.terms import Source
from builder.wording import listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from builder.plan.model import ChosenSpec, Plan
    from builder.platforms import Subdir

#: How many facts behind one version are shown without --verbose: a range of releases has one for each.
_FACTS: Final = 1
#: The reason of what was not chosen, and has only its place to tell.
_ASKED: Final = "asked for by the recipe "


def to_json(plan: Plan) -> dict[str, Any]:
    """The plan as `envbuild show RECIPE --json` gives it (docs/reference/json-output.md)."""
    return {
        "platform": plan.subdir.value,
        "source": plan.source.value,
        "provider": plan.provider,
        "existence": plan.existence,
        "virtual_packages": dict(plan.virtual_packages),
        "warnings": list(plan.warnings),
        "mandatory_checks": list(plan.mandatory_checks),
        "specs": to_builtins(plan.specs),
    }


def drawn(plans: Sequence[Plan], *, details: bool) -> RenderableType:
    """The plans of a recipe: the answer in the first line, what its platforms share once, then what only some have.

    Each choice has its reason, and its first facts or (`details`) all.
    """
    from rich.console import Group
    from rich.text import Text

    from builder.hanging import Hanging, hanging

    everywhere = tuple(plan.subdir for plan in plans)
    chosen = _choices(plans)
    name = plans[0].recipe.name
    parts: list[RenderableType] = [
        Hanging(Text(f"{name} on {listing(everywhere)}: {_answer(chosen, everywhere)}", style="bold"), rest=2),
        hanging(dict.fromkeys(f"{_from(plan)}; what exists: {plan.existence}" for plan in plans)),
    ]
    groups = dict.fromkeys(choice.subdirs for choice in chosen)
    for subdirs in sorted(groups, key=lambda subdirs: (-len(subdirs), everywhere.index(subdirs[0]))):
        parts.append(Text(""))
        if subdirs != everywhere:
            parts.append(Text(f"only on {listing(subdirs)}", style="bold"))
        here = [choice for choice in chosen if choice.subdirs == subdirs]
        parts += [part for choice in here if not choice.is_plain for part in _explained(choice, details=details)]
        parts += _plain([choice for choice in here if choice.is_plain])
    return Group(*parts)


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """One package as several platforms have it; `reasons` by platform."""

    spec: ChosenSpec
    reasons: dict[Subdir, str]

    @property
    def subdirs(self) -> tuple[Subdir, ...]:
        return tuple(self.reasons)

    @property
    def line(self) -> str:
        return f"{self.spec.name} {self.spec.spec}".strip() + (" (PyPI)" if self.spec.manager == "pip" else "")

    @property
    def is_plain(self) -> bool:
        """Whether nothing was chosen: the recipe asks for it, and its place is all there is to tell."""
        same = len(set(self.reasons.values())) == 1
        return same and not self.spec.facts and self.spec.reason.startswith(_ASKED)


def _from(plan: Plan) -> str:
    if plan.provider == "conda-forge":
        return "from conda-forge"
    return "from PyPI, over " + ("this machine's Python" if plan.source is Source.PYPI else "a conda Python")


def _choices(plans: Sequence[Plan]) -> list[_Choice]:
    found: dict[tuple[str, ...], _Choice] = {}
    for plan in plans:
        for spec in plan.specs:
            # The facts behind one choice may be another platform's builds.
            key = (spec.manager, spec.name, spec.spec, spec.group)
            found.setdefault(key, _Choice(spec=spec, reasons={})).reasons[plan.subdir] = spec.reason
    return list(found.values())


def _answer(chosen: Sequence[_Choice], everywhere: tuple[Subdir, ...]) -> str:
    told = [
        f"{choice.spec.name} {choice.spec.spec}"
        + (f" ({listing(choice.subdirs)})" if choice.subdirs != everywhere else "")
        for choice in chosen
        if choice.spec.facts
    ]
    return ", ".join(told) or "nothing in it is decided by facts"


def _plain(choices: Sequence[_Choice]) -> Iterator[RenderableType]:
    from rich.text import Text

    from builder.hanging import Hanging

    groups: dict[str, list[str]] = {}
    for choice in choices:
        place, _, why = choice.spec.reason.removeprefix(_ASKED).partition("; ")
        told = f"{choice.line} {place}".replace(" ", "\N{NO-BREAK SPACE}")
        groups.setdefault(f", {why}" if why else "", []).append(told)
    for why, told_ones in groups.items():
        yield Hanging(Text.assemble(f"asked for by the recipe{why}: ", (", ".join(told_ones), "cyan")), rest=2)


def _explained(choice: _Choice, *, details: bool) -> Iterator[RenderableType]:
    from rich.text import Text

    from builder.hanging import Hanging

    spec = choice.spec
    yield Text(choice.line, style="cyan")
    by_reason = {
        reason: [where for where, why in choice.reasons.items() if why == reason] for reason in choice.reasons.values()
    }
    for reason, subdirs in by_reason.items():
        where = f"on {listing(subdirs)}: " if len(by_reason) > 1 else ""
        yield Hanging(Text(f"  {where}{reason}"), rest=2)
    facts = spec.facts if details else spec.facts[:_FACTS]
    for fact in facts:
        # A reason may be the fact itself; then its source is all that is left to tell.
        said = f"{fact.source}" if fact.statement in spec.reason else f"{fact.statement} [{fact.source}]"
        yield Hanging(Text(f"  {fact.established}: {said}", style="dim"), rest=4)
    if len(facts) < len(spec.facts):
        more = plural(len(spec.facts) - len(facts), "more fact")
        yield Text(f"  … and {more} (-v shows all)", style="dim")
