"""Tables of facts and explanations for the terminal and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from builder.compat.explain import Explanation
    from builder.compat.tables import Grid, ReleaseRow

_STYLES: Final = {
    "works": "green", "unsafe": "bold yellow", "links": "cyan", "allowed": "blue", "unknown": "dim", "declared": "dim",
    "fails": "bold red",
}  # fmt: skip
_ANSWERS: Final = {
    "fits": ("compatible", "bold green"),
    "unsafe": ("these load, and can give wrong results", "bold yellow"),
    "unproven": ("unproven: no fact says that these work together, and none says that they do not", "bold yellow"),
    "refused": ("not compatible", "bold red"),
}
_ORIGINS: Final = {"pypi": "PyPI", "conda-forge": "conda-forge"}


def grid_json(grid: Grid) -> dict[str, Any]:
    """A table as `envbuild compat --json` gives it."""
    cells = [
        {"row": row, "column": column, "state": cell.state, "statement": cell.statement, "facts": list(cell.facts),
         "sources": list(cell.sources)}
        for (row, column), cell in grid.cells.items()
    ]  # fmt: skip
    return {"name": grid.name, "title": grid.title, "row": grid.row, "column": grid.column, "cells": cells}


def tables(found: Sequence[Grid], rows: Sequence[ReleaseRow], names: Sequence[str]) -> RenderableType:
    """All tables with their legend; the releases of packages that were asked for by `names`."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from builder.compat.tables import LEGEND

    parts: list[RenderableType] = []
    for grid in found:
        table = Table(
            title=grid.title, title_justify="left", title_style="bold", box=None, padding=(0, 1), pad_edge=False
        )
        table.add_column(f"{grid.row} \\ {grid.column}")
        for column in grid.columns:
            table.add_column(column, justify="center")
        for row in grid.rows:
            cells = [grid.cell(row, column) for column in grid.columns]
            table.add_row(row, *(Text(cell.sign, style=_STYLES[cell.state]) for cell in cells))
        parts += [table, Text("")]
    parts.append(Text("  ".join(f"{sign} {meaning}" for sign, meaning in LEGEND.values()), style="dim"))
    if names:
        table = Table(
            title="Releases", title_justify="left", title_style="bold", box=None, padding=(0, 1), pad_edge=False
        )
        for title in ("package", "from", "platform", "name there", "Python", "macOS"):
            table.add_column(title)
        for line in rows:
            table.add_row(
                f"{line.package} {line.version}", line.origin, line.platform, line.name, line.pythons, line.macos
            )
        parts += [Text(""), table]
    return Group(*parts)


def best(explanations: Sequence[Explanation]) -> Explanation:
    """The answer to tell first: that of the origin where the versions go best together."""
    return min(explanations, key=lambda explanation: list(_ANSWERS).index(explanation.answer))


def explained(explanation: Explanation) -> RenderableType:
    """The answer, every reason with its source, and what would fit instead."""
    from rich.console import Group
    from rich.text import Text

    sentence, style = _ANSWERS[explanation.answer]
    versions = ", ".join(f"{package} {version}" for package, version in explanation.versions.items())
    lines = [Text.assemble(f"From {_ORIGINS[explanation.origin]}: ", (sentence, style), f"  ({versions})")]
    signs = {
        "refuses": ("✗", "red"),
        "unsafe": ("!", "yellow"),
        "unproven": ("?", "yellow"),
        "supports": ("✓", "green"),
    }
    for reason in explanation.reasons:
        sign, colour = signs[reason.kind]
        lines.append(Text.assemble((f"{sign} ", colour), reason.statement))
        if reason.source is not None:
            on = f", on {reason.measured_on}" if reason.measured_on else ""
            lines.append(Text(f"    {reason.established} {reason.date}{on}: {reason.source}", style="dim"))
        if reason.remedy is not None:
            lines.append(Text(f"    {reason.remedy}"))
    if explanation.nearest:
        lines += [Text("Nearest that fit:", style="bold")]
        lines += [Text(f"  {offer}") for offer in explanation.nearest]
    lines.append(Text(""))
    return Group(*lines)
