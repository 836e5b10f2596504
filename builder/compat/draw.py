"""A grid as a heat map in SVG and as a Markdown table, for the documentation."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from builder.compat.tables import LEGEND

if TYPE_CHECKING:
    from builder.compat.tables import Grid, State

#: Fill and ink of each state. The signs carry the meaning; the colours are told apart by brightness too.
COLOURS: Final[dict[State, tuple[str, str]]] = {
    "works": ("#2e7d4f", "#ffffff"),
    "unsafe": ("#f2a33a", "#3a2500"),
    "links": ("#b9d8c4", "#1d3d2a"),
    "allowed": ("#dcebf7", "#23435c"),
    "unknown": ("#e3e6ea", "#4a5058"),
    "declared": ("#f6f7f8", "#a6adb5"),
    "fails": ("#b3352e", "#ffffff"),
}
_CELL: Final = 34
_HEIGHT: Final = 26
_FONT: Final = "font-family='-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"


def svg(grid: Grid) -> str:
    """The grid as an SVG image; every cell has its fact as a tooltip. The same grid gives the same bytes."""
    left = 24 + 7 * max(map(len, grid.rows))
    top = 64 + 5 * max(map(len, grid.columns))
    legend_top = top + _HEIGHT * len(grid.rows) + 16
    used = [state for state in LEGEND if any(cell.state == state for cell in grid.cells.values())]
    width = max(left + _CELL * len(grid.columns) + 16, 420)
    height = legend_top + 20 * len(used) + 8
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' "
        f"role='img' {_FONT} font-size='12'>",
        f"<title>{escape(grid.title)}</title>",
        f"<rect width='{width}' height='{height}' fill='#ffffff'/>",
        f"<text x='12' y='22' font-size='15' font-weight='600' fill='#1c2126'>{escape(grid.title)}</text>",
        f"<text x='12' y='40' fill='#5a626b'>rows: {escape(grid.row)}, columns: {escape(grid.column)}</text>",
    ]
    for index, column in enumerate(grid.columns):
        x = left + _CELL * index + _CELL // 2 + 4
        parts.append(f"<text transform='translate({x} {top - 6}) rotate(-60)' fill='#1c2126'>{escape(column)}</text>")
    for line, row in enumerate(grid.rows):
        y = top + _HEIGHT * line
        parts.append(f"<text x='{left - 8}' y='{y + 17}' text-anchor='end' fill='#1c2126'>{escape(row)}</text>")
        for index, column in enumerate(grid.columns):
            cell = grid.cell(row, column)
            fill, ink = COLOURS[cell.state]
            x = left + _CELL * index
            parts.append(
                f"<g><title>{escape(f'{_pair(grid, row, column)}: {cell.statement}')}"
                f"</title><rect x='{x + 1}' y='{y + 1}' width='{_CELL - 2}' height='{_HEIGHT - 2}' rx='3' "
                f"fill='{fill}'/><text x='{x + _CELL // 2}' y='{y + 17}' text-anchor='middle' fill='{ink}'>"
                f"{cell.sign}</text></g>"
            )
    for index, state in enumerate(used):
        y = legend_top + 20 * index
        fill, ink = COLOURS[state]
        sign, meaning = LEGEND[state]
        parts.append(
            f"<rect x='12' y='{y}' width='24' height='15' rx='3' fill='{fill}'/>"
            f"<text x='24' y='{y + 12}' text-anchor='middle' fill='{ink}'>{sign}</text>"
            f"<text x='44' y='{y + 12}' fill='#1c2126'>{escape(meaning)}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def _pair(grid: Grid, row: str, column: str) -> str:
    return f"{grid.row} {row} × {grid.column} {column}"


def markdown(grid: Grid) -> str:
    """The grid as a Markdown table."""
    head = f"| {grid.row} \\ {grid.column} | " + " | ".join(grid.columns) + " |"
    rule = "|---|" + ":-:|" * len(grid.columns)
    lines = [
        f"| **{row}** | " + " | ".join(grid.cell(row, column).sign for column in grid.columns) + " |"
        for row in grid.rows
    ]
    return "\n".join([head, rule, *lines, ""])
