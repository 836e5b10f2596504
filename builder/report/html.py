"""A report as one self-contained HTML page: what failed first, what passed folded, and what each check looks for."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

from builder.checks.catalogue import by_id, catalogue
from builder.finding import Status
from builder.page import page
from builder.report.grouping import ATTENTION, SYMBOLS, attention, by_area, evidence, mending, verdict
from builder.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    import jinja2

    from builder.finding import Finding, Report
    from builder.page import Made
    from builder.report.compare import Comparison

_WORDS: Final = {Status.PASS: "passed", Status.WARN: "warning", Status.FAIL: "failed", Status.SKIP: "skipped"}
_HEADINGS: Final = {Status.FAIL: "What failed", Status.WARN: "Warnings"}
#: Areas whose names are not written as words are.
_TITLES: Final = {"blas": "BLAS", "openmp": "OpenMP"}
_INTRODUCTION: Final = (
    "What verification found: it reads every binary and package of an environment, and then runs them."
)


def render(
    report: Report,
    *,
    made: Made,
    drawing: str | None = None,
    linking: str = "",
    comparison: Comparison | None = None,
) -> str:
    """The page. `drawing`, an SVG element, and `linking`, a section of HTML, are put in as they are."""
    from markupsafe import Markup

    calm = {
        area: [finding for finding in findings if finding.status not in ATTENTION]
        for area, findings in by_area(report).items()
    }
    present = {finding.check for finding in report.findings}
    body = _template().render(
        report=report,
        verdict=verdict(report),
        mending=mending(report),
        attention=attention(report),
        calm={area: findings for area, findings in calm.items() if findings},
        counted=_counted,
        evidence=evidence,
        titles=_TITLES,
        checks=by_id(),
        documented=[check for check in catalogue() if check.id in present],
        symbols=SYMBOLS,
        words=_WORDS,
        headings=_HEADINGS,
        comparison=comparison,
        linking=Markup(linking),  # noqa: S704 - likewise
        drawing=None if drawing is None else Markup(drawing),  # noqa: S704 - drawn by us, every name in it escaped
    )
    title = printable(f"{report.identity.name or report.identity.prefix}: verification")
    return page(title=title, introduction=_INTRODUCTION, body=body, made=made, style=_read("report.css"))


def _counted(findings: Iterable[Finding]) -> str:
    """`7 passed, 1 skipped`."""
    statuses = [finding.status for finding in findings]
    return ", ".join(
        f"{statuses.count(status)} {_WORDS[status]}" for status in (Status.PASS, Status.SKIP) if status in statuses
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
