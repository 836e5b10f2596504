"""`envbuild compat`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from builder.cli.session import Outcome, verb
from builder.errors import UsageError
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from builder.cli.session import Session
    from builder.compat.explain import Explanation
    from builder.compat.facts import Facts
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


@verb("compat")
@click.argument("words", nargs=-1, metavar="[explain PACKAGE=VERSION…]")
@click.option("--package", "packages", multiple=True, help="Only tables about this package (repeatable).")
@click.option("--version", "version", help="Only this version of the first --package, e.g. 2.18.")
@click.option("--platform", type=click.Choice([subdir.value for subdir in TARGETS]), help="Only this platform.")
@click.option("--html", "html", type=click.Path(path_type=Path), help="Write the tables as heat maps to this file.")
def command(
    session: Session,
    *,
    words: tuple[str, ...],
    packages: tuple[str, ...],
    version: str | None,
    platform: str | None,
    html: Path | None,
) -> Outcome:
    """Show what fits what, or explain why versions do or do not fit.

    \b
    Examples:
      envbuild compat
      envbuild compat --package tensorflow-metal
      envbuild compat --package tensorflow --version 2.18 --platform osx-arm64
      envbuild compat explain tensorflow=2.18 tensorflow-metal=1.1.0
      envbuild compat --html compatibility.html
    """
    from rich.console import Group

    from builder.compat.explain import explain_by_origin, parse
    from builder.compat.load import load_facts
    from builder.frameworks import registry

    facts = load_facts(also=registry.fact_folders())
    if words:
        if words[0] != "explain":
            raise UsageError(
                f"no table is called {words[0]!r}", hint="write `envbuild compat explain PACKAGE=VERSION…`"
            )
        if len(words) < 2:
            raise UsageError(
                "nothing to explain", hint="envbuild compat explain tensorflow=2.18 tensorflow-metal=1.1.0"
            )
        subdir = Subdir(platform) if platform else None
        found = explain_by_origin(parse(words[1:], facts), subdir=subdir, facts=facts)
        best = min(found, key=lambda explanation: list(_ANSWERS).index(explanation.answer))
        text = Group(*(_explained(explanation) for explanation in found))
        return Outcome(result=asdict(best) | {"origins": [asdict(explanation) for explanation in found]}, text=text)
    names = tuple(map(facts.subject, packages))
    for name in names:
        if name not in facts.packages:
            raise UsageError(f"no fact is about {name!r}", hint=f"facts are about {', '.join(sorted(facts.packages))}")
    if version is not None:
        _check_version(version, names)
    return _tables(session, facts, names, version=version, platform=platform, html=html)


def _check_version(text: str, names: Sequence[str]) -> None:
    from packaging.version import InvalidVersion, Version

    if not names:
        raise UsageError("--version narrows the tables of a --package", hint="add for instance --package tensorflow")
    try:
        Version(text)
    except InvalidVersion:
        raise UsageError(f"{text!r} is not a version", hint="write for instance 2.18 or 2.18.1") from None


def _tables(
    session: Session,
    facts: Facts,
    names: Sequence[str],
    *,
    version: str | None,
    platform: str | None,
    html: Path | None,
) -> Outcome:
    from builder.compat.draw import page
    from builder.compat.tables import grids, releases
    from builder.frameworks.registry import all_frameworks

    found = grids(facts, packages=names, version=version)
    mains = [entry.main for entry in all_frameworks() if entry.main]
    rows = releases(facts, packages=names or mains, version=version, platform=platform)
    if not found and not rows:
        asked = f"{names[0]} {version}" if version else names[0]
        place = f" on {platform}" if platform else ""
        raise UsageError(f"no fact is about {asked}{place}", hint=f"envbuild compat --package {names[0]}")
    if html is not None:
        _write(html, page(found))
        session.note(f"{len(found)} heat maps written to {html}")
    return Outcome(
        result={
            "grids": [_grid_json(grid) for grid in found],
            "releases": [asdict(row) for row in rows],
            "blas": [variant.model_dump(mode="json") for variant in facts.blas],
        },
        text=_shown(found, rows, names),
    )


def _write(file: Path, text: str) -> None:
    try:
        temporary = file.with_name(f".{file.name}.part")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", hint="choose a folder you may write to"
        ) from None


def _grid_json(grid: Grid) -> dict[str, Any]:
    cells = [
        {"row": row, "column": column, "state": cell.state, "statement": cell.statement, "facts": list(cell.facts),
         "sources": list(cell.sources)}
        for (row, column), cell in grid.cells.items()
    ]  # fmt: skip
    return {"name": grid.name, "title": grid.title, "row": grid.row, "column": grid.column, "cells": cells}


def _shown(found: Sequence[Grid], rows: Sequence[ReleaseRow], names: Sequence[str]) -> RenderableType:
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


def _explained(explanation: Explanation) -> RenderableType:
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
