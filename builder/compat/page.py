"""The grids as one HTML page (`envbuild compat --html FILE`): each a heat map, and below it what its cells rest on."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from builder.compat.draw import COLOURS
from builder.compat.tables import LEGEND
from builder.page import page as whole_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from builder.compat.tables import Grid, State
    from builder.page import Made

_TITLE: Final = "What fits what on Apple silicon"
_STYLE: Final = """\
.grid { width: auto; border-collapse: separate; border-spacing: 2px; font-size: .8rem; }
.grid td, .grid th { border: 0; padding: .22rem .2rem; text-align: center; white-space: nowrap; }
.grid tr > th:first-child { position: sticky; left: 0; background: var(--page); text-align: right; font-weight: 600; }
.grid td { border-radius: 4px; min-width: 1.9rem; }
.axes { color: var(--dim); font-size: .88rem; margin: 0 0 .4rem; }
.legend { list-style: none; padding: 0; font-size: .9rem; } .legend li { margin: .2rem 0; display: flex; gap: .6rem; }
.legend span { flex: none; width: 1.8rem; height: 1.5em; text-align: center; border-radius: 4px; }
@media print { .grid { font-size: .6rem; border-spacing: 1px; } .grid td, .grid th { padding: .1rem; min-width: 0; }
  .grid tr > th:first-child { position: static; }
  td, span { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
#: What is too bright for a dark page.
_DARK: Final[dict[State, tuple[str, str]]] = {
    "unsafe": ("#b97309", "#fff4e0"),
    "links": ("#3c5f4a", "#d9efe1"),
    "allowed": ("#23394b", "#c5dcf0"),
    "unknown": ("#363f49", "#c3cad2"),
    "declared": ("#1d242c", "#76828f"),
}


def page(grids: Sequence[Grid], *, made: Made, as_of: str) -> str:
    """One self-contained HTML page. `as_of` is the day of the newest fact."""
    used = {cell.state for grid in grids for cell in grid.cells.values()}
    legend = "".join(
        f'<li><span class="{state}">{sign}</span>{escape(meaning)}</li>'
        for state, (sign, meaning) in LEGEND.items()
        if state in used
    )
    introduction = (
        f"Versions of frameworks and what they need, two by two: measured, published or declared; as of {as_of}. "
        "Hold the pointer over a cell, or open the evidence below a table, to see what it rests on."
    )
    body = "\n".join([f'<ul class="legend">{legend}</ul>', *map(_section, grids)])
    style = f"{_STYLE}{_colours(COLOURS)}@media (prefers-color-scheme: dark) {{\n{_colours(_DARK)}}}\n"
    return whole_page(title=_TITLE, introduction=introduction, body=body, made=made, style=style)


def _colours(colours: Mapping[State, tuple[str, str]]) -> str:
    return "".join(f".{state} {{ background: {fill}; color: {ink}; }}\n" for state, (fill, ink) in colours.items())


def _section(grid: Grid) -> str:
    axes = f'<p class="axes">rows: {escape(grid.row)}, columns: {escape(grid.column)}</p>'
    head = "<tr><th></th>" + "".join(f"<th>{escape(column)}</th>" for column in grid.columns)
    rows = "".join(f"<tr><th>{escape(row)}</th>{''.join(_cells(grid, row))}</tr>\n" for row in grid.rows)
    table = f'<div class="scroll"><table class="grid">{head}</tr>\n{rows}</table></div>'
    return f"<section><h2>{escape(grid.title)}</h2>\n{axes}{table}{_evidence(grid)}</section>"


def _cells(grid: Grid, row: str) -> Iterable[str]:
    for column in grid.columns:
        cell = grid.cell(row, column)
        pair = f"{grid.row} {row} × {grid.column} {column}"
        yield f'<td class="{cell.state}" title="{escape(f"{pair}: {cell.statement}")}">{cell.sign}</td>'


def _evidence(grid: Grid) -> str:
    rows: dict[tuple[str, str], list[str]] = {}
    for (row, column), cell in grid.cells.items():
        if cell.state in ("works", "unsafe", "links", "fails") or len(cell.facts) > 1:
            place = f"{grid.row} {row} × {grid.column} {column}"
            rows.setdefault((cell.statement, "; ".join(cell.sources)), []).append(place)
    lines = "".join(
        f"<tr><td>{escape('; '.join(places))}</td><td>{escape(statement)}</td><td>{escape(sources)}</td></tr>"
        for (statement, sources), places in rows.items()
    )
    head = "<tr><th>versions</th><th>what is known</th><th>where from</th></tr>"
    return f'<details><summary>Evidence</summary><div class="scroll"><table>{head}{lines}</table></div></details>'
