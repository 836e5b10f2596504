"""`envbuild show`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from builder.cli import options
from builder.cli.session import Outcome, verb

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from builder.cli.session import Session
    from builder.plan.model import ChosenSpec, Plan


#: How many facts behind one version are shown without --verbose: a range of releases has one for each.
_FACTS: Final = 2


@verb("show")
@options.recipe_argument
@options.platform_option
@options.source_options
def command(
    session: Session,
    name: str,
    platforms: tuple[str, ...],
    source: str,
    channels: tuple[str, ...],
    mirror_pairs: tuple[str, ...],  # noqa: ARG001 - accepted everywhere, needed where something is fetched
    python: Path | None,
) -> Outcome:
    """Explain every version a recipe leads to: the reason, and the fact behind it with its source.

    Of many facts behind one version the first are shown; -v shows all, as --json does.

    \b
    Examples:
      envbuild show ml-m1
      envbuild show ml-m1 --platform osx-arm64 --json
    """
    from rich.console import Group

    ready = options.prepared(
        session, name, options.pipeline_options(source=source, channels=channels, platforms=platforms, python=python)
    )
    plans = [plan for subdir, plan in ready.plans.items() if not platforms or subdir in platforms]
    return Outcome(
        result={"name": name, "plans": [_json(plan) for plan in plans]},
        text=Group(*(_drawn(plan, details=session.verbose) for plan in plans)),
    )


def _json(plan: Plan) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "platform": plan.subdir.value,
        "source": plan.source.value,
        "provider": plan.provider,
        "virtual_packages": dict(plan.virtual_packages),
        "warnings": list(plan.warnings),
        "mandatory_checks": list(plan.mandatory_checks),
        "specs": [asdict(spec) for spec in plan.specs],
    }


def _drawn(plan: Plan, *, details: bool) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    title = Text.assemble((f"{plan.subdir}", "bold"), f"  from {plan.provider}")
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
