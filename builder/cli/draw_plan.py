"""A plan for the terminal and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

    from builder.plan.model import ChosenSpec, Plan

#: How many facts behind one version are shown without --verbose: a range of releases has one for each.
_FACTS: Final = 2


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
        "specs": [asdict(spec) for spec in plan.specs],
    }


def drawn(plan: Plan, *, details: bool) -> RenderableType:
    """The plan as a table: each spec with its reason, and with its first facts or (`details`) all."""
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble(
        (f"{plan.subdir}", "bold"), f"  from {plan.provider}", (f"  (what exists: {plan.existence})", "dim")
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    for spec in plan.specs:
        table.add_row(Text(_line(spec), style="cyan"), _why(spec, details=details))
    return table


def _line(spec: ChosenSpec) -> str:
    return f"{spec.name} {spec.spec}".strip() + (" (PyPI)" if spec.manager == "pip" else "")


def _why(spec: ChosenSpec, *, details: bool) -> RenderableType:
    from rich.text import Text

    lines = [f"{fact.established}: {fact.statement} [{fact.source}]" for fact in spec.facts]
    if not details and len(lines) > _FACTS + 1:
        lines[_FACTS:] = [f"… and {len(lines) - _FACTS} more facts (-v shows them)"]
    return Text("\n").join([Text(spec.reason), *(Text(line, style="dim") for line in lines)])
