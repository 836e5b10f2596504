"""What all forms of a report share: areas, verdict, order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from builder.checks.catalogue import by_id
from builder.checks.registry import Area
from builder.finding import Status
from builder.wording import plural

if TYPE_CHECKING:
    from builder.finding import Finding, Report

AREAS: Final[tuple[str, ...]] = get_args(Area)
SYMBOLS: Final[dict[Status, str]] = {Status.PASS: "✓", Status.WARN: "!", Status.FAIL: "✗", Status.SKIP: "–"}

#: Worst first: what a reader must see comes at the top of its area.
_ORDER: Final = {Status.FAIL: 0, Status.WARN: 1, Status.SKIP: 2, Status.PASS: 3}


def by_area(report: Report) -> dict[str, list[Finding]]:
    """The findings of each area, worst first; only areas that have any."""
    checks = by_id()
    groups: dict[str, list[Finding]] = {area: [] for area in AREAS}
    for finding in report.findings:
        check = checks.get(finding.check)
        groups[check.area if check else "user"].append(finding)
    return {
        area: sorted(findings, key=lambda finding: _ORDER[finding.status])
        for area, findings in groups.items()
        if findings
    }


def verdict(report: Report) -> str:
    """The result in one line: how many of each, and whether it holds."""
    counts = report.counts()
    name = report.identity.name or report.identity.prefix
    failed, warned, skipped, passed = (counts[key] for key in ("fail", "warn", "skip", "pass"))
    details = [f"{passed} checks passed"]
    if warned:
        details.append(plural(warned, "warning"))
    if skipped:
        details.append(f"{skipped} skipped")
    if failed:
        return f"{name} does not hold: {plural(failed, 'failure')}, {', '.join(details)}."
    if not passed:
        return f"Nothing could be said about {name}: no check ran ({', '.join(details[1:]) or 'nothing to check'})."
    return f"{name} holds: {', '.join(details)}."
