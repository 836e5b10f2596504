"""`envbuild compat`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from msgspec import structs

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from builder.cli.session import Session


#: First words that are no package; what comes with each in a completion.
_WAYS: Final = {
    "explain": "why versions do or do not fit",
    "measure": "compare the wheels of two packages",
}


def _complete_word(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """What the first word may say beside a package, and the packages that facts are about."""
    from click.shell_completion import CompletionItem

    ways = {} if context.params.get("words") else _WAYS
    offered = [CompletionItem(way, help=does) for way, does in ways.items() if way.startswith(incomplete)]
    return offered + [CompletionItem(name) for name in options.complete_fact(context, parameter, incomplete)]


@verb("compat")
@click.argument(
    "words",
    nargs=-1,
    metavar="[PACKAGE...]|[explain PACKAGE=VERSION...]|[measure A==1 B==2]",
    shell_complete=_complete_word,
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    shell_complete=options.complete_fact,
    help="Only tables about this package (repeatable).",
)
@click.option("--version", "version", help="Only this version of the first package, e.g. 2.18.")
@click.option("--platform", type=options.SUBDIR, help="Only this platform.")
@click.option("--python", "python", metavar="MINOR", help="Python to measure for; default: the newest with wheels.")
@click.option("--macos", metavar="VERSION", help="The macOS that is to run it, for `explain`.")
@click.option("--html", "html", type=click.Path(path_type=Path), help="Write the tables as heat maps to this file.")
def command(
    session: Session,
    *,
    words: tuple[str, ...],
    packages: tuple[str, ...],
    version: str | None,
    platform: str | None,
    python: str | None,
    macos: str | None,
    html: Path | None,
) -> Output:
    """Show what fits what, explain why versions do or do not fit, or measure two that nothing is known about.

    `measure` compares the wheels of two packages for Apple silicon by their symbols, on any machine, and keeps the
    answer in your own facts, where plans and explanations find it.

    A package is named with or without --package; `metal` is short for tensorflow-metal.

    \b
    Examples:
      envbuild compat
      envbuild compat metal
      envbuild compat --package tensorflow --version 2.18 --platform osx-arm64
      envbuild compat explain tensorflow=2.18 tensorflow-metal=1.1.0
      envbuild compat explain tensorflow=2.9 tensorflow-metal=0.5.1 --macos 12.6
      envbuild compat measure tensorflow==2.20.0 tensorflow-metal==1.2.0
      envbuild compat --html compatibility.html
    """
    from rich.console import Group

    from builder.cli.draw_compat import best, explained, grid_json, tables
    from builder.operations.compatibility import CompatRequest, ExplainRequest, compat, explain
    from builder.operations.measuring import MeasureRequest, measure
    from builder.platforms import Subdir

    workspace = session.workspace()
    subdir = Subdir(platform) if platform else None
    if words and words[0] == "explain":
        answers = explain(workspace, ExplainRequest(versions=words[1:], platform=subdir, macos=macos)).explanations
        result = asdict(best(answers)) | {"origins": [asdict(answer) for answer in answers]}
        return Output(result=result, text=explained(answers))
    if words and words[0] == "measure":
        measured = measure(workspace, MeasureRequest(packages=words[1:], python=python))
        kept = f"kept in {measured.file}" if measured.file is not None else "nothing to keep"
        return Output(
            result=asdict(measured) | {"file": str(measured.file) if measured.file is not None else None},
            text=f"{measured.statement}\n{kept}",
        )
    request = CompatRequest(packages=(*words, *packages), version=version, platform=subdir, html=html)
    found = compat(workspace, request)
    return Output(
        result={
            "grids": [grid_json(grid) for grid in found.grids],
            "releases": [asdict(row) for row in found.releases],
            "facts_of": found.as_of,
            "blas": [structs.asdict(variant) for variant in found.blas],
        },
        text=Group(tables(found.grids, found.releases, found.packages), f"Facts of {found.as_of}."),
    )
