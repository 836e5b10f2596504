"""A report as one self-contained HTML page: no script, no other file, readable in light and dark."""

from __future__ import annotations

from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

from builder.checks.catalogue import by_id
from builder.finding import Status
from builder.report.grouping import SYMBOLS, by_area, verdict

if TYPE_CHECKING:
    from builder.finding import Finding, Report
    from builder.report.compare import Change, Comparison

_WORDS: Final = {Status.PASS: "passed", Status.WARN: "warning", Status.FAIL: "failed", Status.SKIP: "skipped"}


def render(report: Report, *, drawing: str | None = None, comparison: Comparison | None = None) -> str:
    """The page. `drawing` is an SVG element (who links which library) and is put in as it is."""
    title = f"{report.identity.name or report.identity.prefix}: verification"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {"pass" if report.ok else "fail"}">{escape(verdict(report))}</p>',
        _identity(report),
    ]
    if comparison is not None:
        parts.append(_comparison(comparison))
    for area, findings in by_area(report).items():
        parts.append(f"<h2>{escape(area)}</h2>")
        parts += [_finding(finding) for finding in findings]
    if drawing:
        parts.append(f"<h2>who links what</h2>\n<figure>{drawing}</figure>")
    parts.append(f"<footer>envbuild verify, {report.seconds:.1f} s. A skipped check says nothing either way.</footer>")
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_style()}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _style() -> str:
    return resources.files("builder.report").joinpath("report.css").read_text(encoding="utf-8")


def _identity(report: Report) -> str:
    identity = report.identity
    rows = {
        "Environment": identity.name or "not made by envbuild",
        "Prefix": identity.prefix,
        "Platform": identity.subdir or "unknown",
        "Lock": identity.lock_sha256 or "none",
        "Versions": ", ".join(f"{name} {version}" for name, version in identity.versions.items()) or "none found",
    }
    return "<dl>" + "".join(f"<dt>{key}</dt><dd>{escape(value)}</dd>" for key, value in rows.items()) + "</dl>"


def _finding(finding: Finding) -> str:
    check = by_id().get(finding.check)
    details = []
    if finding.remedy:
        details.append(f'<p class="fix"><b>Fix:</b> <span>{escape(finding.remedy)}</span></p>')
    if finding.evidence:
        details.append(f"<pre>{escape(chr(10).join(finding.evidence))}</pre>")
    if check is not None:
        details.append(f'<p class="why">Catches: {escape(check.catches)} Otherwise: {escape(check.otherwise)}</p>')
    status = finding.status.value
    shown = " open" if finding.status in (Status.FAIL, Status.WARN) else ""
    return (
        f'<details class="finding {status}"{shown}><summary>'
        f'<span class="mark">{SYMBOLS[finding.status]} {_WORDS[finding.status]}</span>'
        f'<span class="title">{escape(finding.title)}</span><span class="id">{escape(finding.check)}</span>'
        f"</summary>{''.join(details)}</details>"
    )


def _comparison(comparison: Comparison) -> str:
    if comparison.same:
        return "<h2>since the earlier report</h2>\n<p>Nothing changed.</p>"
    rows = "".join(_row(change) for change in (*comparison.identity, *comparison.checks))
    return (
        "<h2>since the earlier report</h2>\n<table><tr><th>what</th><th>before</th><th>now</th></tr>"
        + rows
        + "</table>"
    )


def _row(change: Change) -> str:
    cells = "".join(f"<td>{escape(text)}</td>" for text in (change.check, change.before, change.after))
    return f'<tr class="{change.kind}">{cells}</tr>'
