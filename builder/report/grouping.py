"""What all forms of a report share: areas, verdict, order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.checks.catalogue import AREAS, by_id
from builder.finding import Status
from builder.wording import plural

if TYPE_CHECKING:
    from builder.finding import Finding, Report

_OTHER: Final = "other"
SYMBOLS: Final[dict[Status, str]] = {Status.PASS: "✓", Status.WARN: "!", Status.FAIL: "✗", Status.SKIP: "–"}
#: What a reader has to do something about, the worst first.
ATTENTION: Final = (Status.FAIL, Status.WARN)

#: Worst first: what a reader must see comes at the top of its area.
_ORDER: Final = {Status.FAIL: 0, Status.WARN: 1, Status.SKIP: 2, Status.PASS: 3}


def by_area(report: Report) -> dict[str, list[Finding]]:
    """The findings of each area, worst first; only areas that have any.

    A check that this envbuild does not know (an earlier report's) is in the area `other`.
    """
    checks = by_id()
    groups: dict[str, list[Finding]] = {area: [] for area in (*AREAS, _OTHER)}
    for finding in report.findings:
        check = checks.get(finding.check)
        groups[check.area if check else _OTHER].append(finding)
    return {
        area: sorted(findings, key=lambda finding: _ORDER[finding.status])
        for area, findings in groups.items()
        if findings
    }


def verdict(report: Report) -> str:
    """The result in one line: passed or failed, and how many of each."""
    counts = report.counts()
    name = report.identity.name or report.identity.prefix
    failed, warned, skipped, passed = (counts[key] for key in ("fail", "warn", "skip", "pass"))
    details = [f"{plural(passed, 'check')} passed"]
    if warned:
        details.append(plural(warned, "warning"))
    if skipped:
        details.append(f"{skipped:,} skipped")
    if failed:
        return f"{name} failed: {plural(failed, 'failure')}, {', '.join(details)}."
    if not passed and not warned:
        return f"Nothing is known about {name}: no check ran ({', '.join(details[1:]) or 'nothing to check'})."
    return f"{name} passed: {', '.join(details)}."


def evidence(finding: Finding, report: Report) -> tuple[str, ...]:
    """The evidence as people read it: files of the environment from its prefix on, which the report tells once.

    The marks (`^^^^`) that a traceback puts under its lines are left out, since these lines may be broken, and so are
    lines that say nothing beyond the title.
    """
    inside = f"{report.identity.prefix.rstrip('/')}/"
    said = _words(finding.title)
    lines = (line for line in finding.evidence if line.strip(" ^~") or not line.strip())
    lines = (line for line in lines if not line.strip() or line[0].isspace() or not _words(line) <= said)
    return tuple(lines if inside == "/" else (line.replace(inside, "") for line in lines))


def _words(line: str) -> set[str]:
    return {word.strip("():,;.") for word in line.split()}


def attention(report: Report) -> dict[Status, list[Finding]]:
    """The failures, then the warnings, each in the order of the areas; only what there is."""
    ordered = [finding for findings in by_area(report).values() for finding in findings]
    groups = {status: [finding for finding in ordered if finding.status is status] for status in ATTENTION}
    return {status: findings for status, findings in groups.items() if findings}


def mending(report: Report) -> tuple[str, ...]:
    """The commands that mend what failed, each once, in the order to run them in; none where nothing failed."""
    failures = attention(report).get(Status.FAIL, [])
    remedies = [finding.remedy for finding in failures if finding.remedy is not None]
    return tuple(dict.fromkeys(command for remedy in remedies for command in remedy.commands))
