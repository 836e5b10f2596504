"""Tables of facts and explanations for the terminal and as JSON."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

    from builder.compat.explain import Explanation, Reason
    from builder.compat.tables import Cell, Grid, ReleaseRow, State

_STYLES: Final[dict[State, str]] = {
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
_REASONS: Final = {
    "refuses": ("✗", "red"), "unsafe": ("!", "yellow"), "unproven": ("?", "yellow"), "supports": ("✓", "green"),
}  # fmt: skip


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
    from rich.text import Text

    from builder.compat.tables import LEGEND
    from builder.hanging import Hanging

    used = {cell.state for grid in found for cell in grid.cells.values()}
    parts: list[RenderableType] = []
    for grid in found:
        parts += [Text(grid.title, style="bold"), _Fitting(grid), Text("")]
    parts += [
        Hanging(Text.assemble((sign, _STYLES[state]), (f" {meaning}", "dim")))
        for state, (sign, meaning) in LEGEND.items()
        if state in used
    ]
    if names:
        parts += [*([Text("")] if found else []), Text("Releases", style="bold"), *_releases(rows)]
    return Group(*parts)


class _Fitting:
    """A grid as a table where the terminal is wide enough for it; else a line a row, with ranges of columns."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid = self._grid
        corner = f"{grid.row} \\ {grid.column}"
        labels = [label for label, _ in _folded(grid)]
        needed = max(map(len, (corner, *labels))) + 1 + sum(len(column) + 2 for column in grid.columns)
        if needed <= options.max_width:
            yield self._table(corner)
        else:
            yield from self._lines(options.max_width)

    def _table(self, corner: str) -> RenderableType:
        from rich.table import Table

        table = Table(box=None, padding=(0, 1), pad_edge=False)
        table.add_column(corner, no_wrap=True)
        for column in self._grid.columns:
            table.add_column(column, justify="center", no_wrap=True)
        for label, cells in _folded(self._grid):
            table.add_row(label, *(_sign(cell) for cell in cells))
        return table

    def _lines(self, room: int) -> Iterator[RenderableType]:
        from rich.text import Text

        from builder.compat.tables import ranges
        from builder.hanging import Hanging

        folded = _folded(self._grid)
        name = self._grid.row
        width = max(len(f"{name} {label}") for label, _ in folded)
        yield Text(f"with which {self._grid.column}:", style="dim")
        for label, cells in folded:
            line = Text(f"  {f'{name} {label}'.ljust(width)}")
            for state in _STYLES:
                found = list(ranges(self._grid.columns, [cell.state == state for cell in cells]))
                if found:
                    cell = next(cell for cell in cells if cell.state == state)
                    # What belongs together stays on one line: a sign never ends one.
                    shown = ", ".join(found).replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")
                    line.append_text(Text.assemble("  ", _sign(cell), f"\N{NO-BREAK SPACE}{shown}"))
            yield Hanging(line, rest=width + 4 if width < room // 2 else 4)


def _folded(grid: Grid) -> list[tuple[str, list[Cell]]]:
    """The rows, with neighbours that have the same signs as one (`2.16 to 2.17`)."""
    from builder.compat.tables import spanned

    rows = [(row, [grid.cell(row, column) for column in grid.columns]) for row in grid.rows]
    groups = [list(group) for _, group in groupby(rows, key=lambda row: [cell.state for cell in row[1]])]
    return [(spanned([row for row, _ in group]), group[0][1]) for group in groups]


def _sign(cell: Cell) -> Text:
    from rich.text import Text

    return Text(cell.sign, style=_STYLES[cell.state])


def _releases(rows: Sequence[ReleaseRow]) -> Iterator[RenderableType]:
    """A line for all releases of which the same is said, with their versions, the newest first."""
    from builder.hanging import hanging

    releases = groupby(rows, key=lambda row: (row.package, row.version, row.origin, row.name, row.pythons, row.macos))
    versions: dict[str, list[str]] = {}
    for (_, version, *_), group in releases:
        versions.setdefault(_share(list(group)), []).append(version)
    yield hanging(f"  {share}: {', '.join(found)}" for share, found in versions.items())


def _share(rows: Sequence[ReleaseRow]) -> str:
    """`tensorflow on osx-arm64 from PyPI; Python 3.9 to 3.12`: what is said of a release, but for its version."""
    row = rows[0]
    places = [row.platform for row in rows if row.platform != "any"]
    where = f" on {listing(places, most=9)}" if places else ""
    parts = [
        f"{row.package}{where} from {_ORIGINS.get(row.origin, row.origin)}",
        *([f"as {row.name}"] if row.name != row.package else []),
        *([f"Python {row.pythons}"] if row.pythons else []),
        *([f"macOS {row.macos}"] if row.macos else []),
    ]
    return "; ".join(parts)


def best(explanations: Sequence[Explanation]) -> Explanation:
    """The answer to tell first: that of the origin where the versions go best together."""
    return min(explanations, key=lambda explanation: list(_ANSWERS).index(explanation.answer))


def explained(explanations: Sequence[Explanation]) -> RenderableType:
    """The answer in the first line; then the reasons, what holds for every origin once, and what would fit instead."""
    from rich.console import Group
    from rich.text import Text

    from builder.hanging import Hanging

    shared = [
        reason for reason in explanations[0].reasons if all(reason in other.reasons for other in explanations[1:])
    ]
    parts: list[RenderableType] = [Hanging(_answer(explanations), rest=2)]
    parts += [part for reason in shared for part in _reason(reason)]
    for explanation in explanations:
        own = [reason for reason in explanation.reasons if reason not in shared]
        if len(explanations) > 1 and (own or explanation.nearest):
            sentence, style = _ANSWERS[explanation.answer]
            head = Text.assemble((f"From {_ORIGINS[explanation.origin]}: ", "bold"), (sentence, style))
            parts += [Text(""), Hanging(head, rest=2)]
        parts += [part for reason in own for part in _reason(reason)]
        if explanation.nearest:
            parts += [Text("Nearest that fit:", style="bold")]
            parts += [Hanging(Text(f"  {offer}")) for offer in explanation.nearest]
    return Group(*parts)


def _answer(explanations: Sequence[Explanation]) -> Text:
    from rich.text import Text

    first = explanations[0]
    same = {explanation.answer for explanation in explanations} == {first.answer}
    versions = listing([f"{name} {version}" for name, version in first.versions.items()], most=9)
    if same:
        origins = listing([_ORIGINS[explanation.origin] for explanation in explanations])
        sentence, style = _ANSWERS[first.answer]
        return Text.assemble(f"{versions} from {origins}: ", (sentence, style))
    each = [f"{_ANSWERS[one.answer][0].partition(':')[0]} from {_ORIGINS[one.origin]}" for one in explanations]
    best_one = best(explanations)
    return Text.assemble(f"{versions}: ", ("; ".join(each), _ANSWERS[best_one.answer][1]))


def _reason(reason: Reason) -> Iterator[RenderableType]:
    from rich.text import Text

    from builder.hanging import Hanging

    sign, colour = _REASONS[reason.kind]
    yield Hanging(Text.assemble((f"{sign} ", colour), reason.statement), rest=2)
    if reason.source is not None:
        on = f", on {reason.measured_on}" if reason.measured_on else ""
        source = f"    {reason.established} {reason.date}{on}: {reason.source}"
        yield Hanging(Text(source, style="dim"), rest=6)
    if reason.remedy is not None:
        yield Hanging(Text(f"    {reason.remedy}"), rest=6)
