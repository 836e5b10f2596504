"""A report on the terminal: a table grouped by area, then what to do, then one line of verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from builder.finding import Status
from builder.report.grouping import SYMBOLS, by_area, verdict
from builder.wording import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from builder.finding import Finding, Report
    from builder.report.compare import Comparison

_STYLES: Final[dict[Status, str]] = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.SKIP: "dim",
}


def render(report: Report, *, details: bool = False, comparison: Comparison | None = None) -> RenderableType:
    """The report as a rich renderable; with `details` also the evidence of what passed."""
    style = "bold green" if report.ok else "bold red"
    line = Text(f"{printable(verdict(report))} ({report.seconds:.1f} s)", style=style)
    parts: list[RenderableType] = [_identity(report)]
    # One table an area, so that the areas' names do not widen the column of the symbols; all equally wide.
    width = max((len(finding.check) for finding in report.findings), default=0)
    for area, findings in by_area(report).items():
        parts += [Text(area, style="bold"), _table(findings if details else _condensed(findings), details, width)]
    parts.append(Text(""))
    if comparison is not None:
        parts += [_comparison(comparison), Text("")]
    return Group(*parts, line)


def _table(findings: list[Finding], details: bool, width: int) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=width)
    table.add_column(overflow="fold")
    for finding in findings:
        symbol = Text(f"  {SYMBOLS[finding.status]}", style=_STYLES[finding.status])
        table.add_row(symbol, Text(printable(finding.check)), _body(finding, details))
    return table


def _comparison(comparison: Comparison) -> RenderableType:
    """What changed since an earlier report, one line each."""
    if comparison.same:
        return Text("nothing changed since the earlier report", style="dim")
    table = Table(box=None, pad_edge=False, title="since the earlier report", title_justify="left", title_style="bold")
    for heading in ("what", "before", "now"):
        table.add_column(heading, overflow="fold")
    styles = {"worse": "bold red", "better": "green"}
    for change in (*comparison.identity, *comparison.checks):
        cells = (Text(printable(cell)) for cell in (change.check, change.before, change.after))
        table.add_row(*cells, style=styles.get(change.kind, ""))
    return table


def _condensed(findings: list[Finding]) -> list[Finding]:
    """One line for all passes, and one for all skips, of one check; what needs attention stays as it is."""
    shown: list[Finding] = []
    quiet: dict[tuple[Status, str], list[Finding]] = {}
    for finding in findings:
        if finding.status in (Status.PASS, Status.SKIP):
            quiet.setdefault((finding.status, finding.check), []).append(finding)
        else:
            shown.append(finding)
    for same in quiet.values():
        more = f" (and {len(same) - 1} more)." if len(same) > 1 else ""
        shown.append(replace(same[0], title=same[0].title.removesuffix(".") + more) if more else same[0])
    return shown


def _body(finding: Finding, details: bool) -> Text:
    text = Text(printable(finding.title), style="dim" if finding.status is Status.SKIP else "")
    if finding.status in (Status.FAIL, Status.WARN) or details:
        for line in finding.evidence:
            text.append(f"\n  {printable(line)}", style="dim")
    if finding.remedy and finding.status in (Status.FAIL, Status.WARN):
        text.append("\n  fix: ", style="green")
        text.append(printable(finding.remedy.say))
        for command in finding.remedy.commands:
            text.append(f"\n    {printable(command)}", style="bold")
    return text


def _identity(report: Report) -> Text:
    identity = report.identity
    versions = ", ".join(f"{name} {version}" for name, version in identity.versions.items())
    made = identity.kind if identity.kind and identity.kind != "unknown" else ""
    parts = [identity.prefix, made, identity.subdir or "", versions]
    if identity.lock_sha256:
        parts.append(f"lock {identity.lock_sha256[:12]}")
    return Text(printable(" · ".join(part for part in parts if part)) + "\n", style="dim")
