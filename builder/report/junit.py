"""A report as JUnit XML, which CI services show beside other tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from builder.finding import Status
from builder.report.grouping import by_area

if TYPE_CHECKING:
    from builder.finding import Finding, Report

#: Characters that XML 1.0 cannot hold; library output may contain them.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """One suite for each area, one case for each finding; warnings pass, with their text as output."""
    counts = report.counts()
    root = ET.Element(
        "testsuites",
        name="envbuild verify",
        tests=str(len(report.findings)),
        failures=str(counts["fail"]),
        skipped=str(counts["skip"]),
        time=f"{report.seconds:.3f}",
    )
    for area, findings in by_area(report).items():
        suite = ET.SubElement(
            root,
            "testsuite",
            name=area,
            tests=str(len(findings)),
            failures=str(sum(finding.status is Status.FAIL for finding in findings)),
            errors="0",
            skipped=str(sum(finding.status is Status.SKIP for finding in findings)),
        )
        for finding in findings:
            _case(suite, finding)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, finding: Finding) -> None:
    case = ET.SubElement(suite, "testcase", classname=finding.check, name=_clean(finding.title))
    text = _clean("\n".join((*finding.evidence, *((f"fix: {finding.remedy}",) if finding.remedy else ()))))
    if finding.status is Status.FAIL:
        ET.SubElement(case, "failure", message=_clean(finding.title)).text = text
    elif finding.status is Status.SKIP:
        ET.SubElement(case, "skipped", message=_clean(finding.title))
    elif text:
        ET.SubElement(case, "system-out").text = text


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("?", text)
