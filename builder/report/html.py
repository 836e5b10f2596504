"""A report as one self-contained HTML page: no script, no other file, readable in light and dark."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from builder.checks.catalogue import by_id
from builder.finding import Status
from builder.report.grouping import SYMBOLS, by_area, verdict
from builder.wording import printable

if TYPE_CHECKING:
    import jinja2

    from builder.finding import Report
    from builder.report.compare import Comparison

_WORDS: Final = {Status.PASS: "passed", Status.WARN: "warning", Status.FAIL: "failed", Status.SKIP: "skipped"}


def render(report: Report, *, drawing: str | None = None, comparison: Comparison | None = None) -> str:
    """The page. `drawing` is an SVG element (who links which library) and is put in as it is."""
    from markupsafe import Markup

    return _template().render(
        report=report,
        verdict=verdict(report),
        groups=by_area(report),
        checks=by_id(),
        symbols=SYMBOLS,
        words=_WORDS,
        comparison=comparison,
        drawing=None if drawing is None else Markup(drawing),  # noqa: S704 - drawn by us, every name in it escaped
        style=Markup(_read("report.css")),  # noqa: S704 - our own file
    )


@cache
def _template() -> jinja2.Template:
    """Compiled once: everything that it puts in is escaped, and a name that is missing is an error."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["printable"] = printable
    return environment.from_string(_read("report.html.j2"))


def _read(name: str) -> str:
    return resources.files("builder.report").joinpath(name).read_text(encoding="utf-8")
