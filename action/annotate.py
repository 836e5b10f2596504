"""What a report of `envbuild verify --json` says, in the words of GitHub: annotations, a summary, a part of a comment.

Source: GitHub's documentation of workflow commands (`::error title=…::…` and what must be escaped in them).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, Final

#: GitHub shows ten annotations of a kind for each step.
_MOST: Final = 10
_KINDS: Final = {"fail": "error", "warn": "warning"}


def escape(text: str, *, property_: bool = False) -> str:
    """`text` as a workflow command takes it: in a property, commas and colons end it as well."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if property_ else text


def annotations(report: dict[str, Any], name: str) -> list[str]:
    """A workflow command for each check that failed or warns, the failed ones first."""
    found = []
    for status, kind in _KINDS.items():
        findings = [finding for finding in report["findings"] if finding["status"] == status]
        for finding in findings[:_MOST]:
            lines = [finding["title"], *finding["evidence"][:5], *_remedy(finding)]
            title = escape(f"{name}: {finding['check']}", property_=True)
            found.append(f"::{kind} title={title}::{escape(chr(10).join(lines))}")
    return found


def _remedy(finding: dict[str, Any]) -> list[str]:
    remedy = finding.get("remedy")
    return [remedy["say"], *remedy["commands"]] if remedy else []


def markdown(report: dict[str, Any], name: str) -> str:
    """A table of what did not pass, and one line of counts."""
    counts = ", ".join(f"{number} {status}" for status, number in report["counts"].items() if number)
    lines = [f"**{name}** {'passed' if report['ok'] else 'failed'} its verification: {counts}."]
    rows = [finding for finding in report["findings"] if finding["status"] in _KINDS]
    if rows:
        lines += ["", "| | check | |", "|---|---|---|"]
        marks = {"fail": "❌", "warn": "⚠️"}
        lines += [f"| {marks[row['status']]} | `{row['check']}` | {_cell(row['title'])} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    for plain, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("\n", " "), ("@", "&#64;")):
        text = text.replace(plain, safe)
    return text


def main() -> None:
    """`annotate.py REPORT --name NAME [--markdown | --summary FILE]`"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--summary", type=Path)
    arguments = parser.parse_args()
    try:
        envelope = json.loads(arguments.report.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"::error title=envbuild::there is no report: {escape(str(error))}")
        return
    report = envelope.get("result") or {}
    if "findings" not in report:
        for error in envelope.get("errors", []):
            print(f"::error title={escape(arguments.name, property_=True)}::{escape(error['message'])}")
        return
    if arguments.markdown:
        print(markdown(report, arguments.name))
        return
    for line in annotations(report, arguments.name):
        print(line)
    if arguments.summary is not None:
        with arguments.summary.open("a", encoding="utf-8") as summary:
            summary.write(markdown(report, arguments.name))


if __name__ == "__main__":
    main()
