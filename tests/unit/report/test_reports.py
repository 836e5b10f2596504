"""Reports: every form shows the same findings, and none breaks on what libraries print."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from builder.errors import UsageError
from builder.finding import Finding, Identity, Remedy, Report, Status
from builder.page import Made
from builder.report import compare, html, junit, text
from builder.report.grouping import by_area, evidence, mending, verdict

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

MADE = Made(at=datetime(2026, 11, 24, 9, 30, tzinfo=UTC), machine="osx-arm64, macOS 14.5")
NASTY = "</script><b>&\x00\x1b[31m]]>"


def finding(check: str, status: Status, title: str = "A title.", *, remedy: Remedy | None = None) -> Finding:
    return Finding(check=check, status=status, title=title, evidence=(NASTY,), remedy=remedy)


@pytest.fixture
def report() -> Report:
    return Report(
        identity=Identity(
            prefix="/env", name="ml-m1", subdir="osx-arm64", lock_sha256="b" * 64, versions={"keras": "3.15.1"}
        ),
        findings=(
            finding("keras.fit", Status.PASS, "It learns."),
            finding("keras.fit", Status.PASS, "Another learns."),
            finding(
                "keras.fit",
                Status.FAIL,
                f"It does not {NASTY}",
                remedy=Remedy("Do <this>.", ("run 'that & that'", "then this")),
            ),
            finding("import.alone", Status.SKIP, "Not run."),
            finding("process.variables", Status.WARN, "A variable.", remedy=Remedy("Unset X.", ("unset X",))),
        ),
        seconds=1.5,
    )


def shown(report: Report, **options: bool) -> str:
    console = Console(width=200, no_color=True, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(text.render(report, details=options.get("details", False)))
    return capture.get()


def test_text_has_what_failed_together_at_the_end_with_remedies(report: Report) -> None:
    output = shown(report)
    order = ["It learns (and 1 more).", "1 failure", "It does not", "1 warning", "A variable.", "ml-m1 failed", "mend"]
    assert sorted(order, key=output.index) == order
    assert output.rstrip().endswith("to mend it:\n  run 'that & that'\n  then this")
    lines = [line.strip() for line in output.splitlines()]
    assert "fix: Do <this>." in lines
    assert "run 'that & that'" in lines  # on a line of its own, to be copied
    assert "ml-m1 failed: 1 failure, 2 checks passed, 1 warning, 1 skipped." in output
    assert "Another learns." not in output
    assert "Another learns." in shown(report, details=True)


def test_a_command_that_mends_several_things_is_told_once(report: Report) -> None:
    again = finding("import.alone", Status.FAIL, remedy=Remedy("Do it.", ("then this",)))
    several = replace(report, findings=(*report.findings, again))
    assert sorted(mending(several)) == ["run 'that & that'", "then this"]


def test_evidence_is_told_for_reading(report: Report) -> None:
    raw = ('  File "/env/lib/a.py", line 1', "    x.y()", "    ^^^~~", "/environment/b")
    told = replace(report, findings=(replace(finding("keras.fit", Status.FAIL), evidence=raw),))
    assert evidence(told.findings[0], told) == ('  File "lib/a.py", line 1', "    x.y()", "/environment/b")
    gone = replace(told.findings[0], title="1 file of a 1.0 is missing: lib/a.py.")
    said_again = replace(gone, evidence=("missing: lib/a.py (a 1.0)", "missing: lib/b.py (a 1.0)"))
    assert evidence(said_again, told) == ("missing: lib/b.py (a 1.0)",)
    long = "a/" * 40
    console = Console(width=60, color_system=None, markup=False)
    with console.capture() as capture:
        shown_in = replace(told, findings=(replace(told.findings[0], evidence=(f"see {long}x now",)),))
        console.print(text.brief(shown_in), crop=False)
    assert f"{long}x\n" in capture.get()  # a path is never broken


def test_a_report_without_a_single_pass_does_not_say_that_it_passed(report: Report) -> None:
    skipped = replace(report, findings=(finding("import.alone", Status.SKIP),))
    assert not skipped.ok
    assert "passed" not in verdict(skipped)


def test_nothing_that_a_terminal_acts_on_is_printed(report: Report) -> None:
    """Names of files and what libraries print may move the cursor, or set the title of the window."""
    evil = replace(report, identity=replace(report.identity, prefix="/tmp/\x1b]0;x\x07", versions={"a\x1b[2J": "1"}))
    changed = compare.compare(report, evil)
    console = Console(width=200, no_color=True, force_terminal=True)
    with console.capture() as capture:
        console.print(text.render(evil, details=True, comparison=changed))
    plain = re.sub("\x1b\\[[0-9;]*m", "", capture.get())  # rich's own
    assert not [char for char in plain if not char.isprintable() and char not in "\n\t"]


def test_an_earlier_report_is_no_markup(report: Report) -> None:
    """`[/]` in a version ended the command with a traceback."""
    odd = replace(report, identity=replace(report.identity, versions={"keras": "[/]"}))
    assert "[/]" in str(_drawn(text.render(report, comparison=compare.compare(odd, report))))


def _drawn(renderable: RenderableType) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_every_finding_is_in_some_area(report: Report) -> None:
    unknown = replace(report, findings=(*report.findings, finding("not.registered", Status.FAIL)))
    assert sum(len(findings) for findings in by_area(unknown).values()) == len(unknown.findings)


def test_junit_is_well_formed_whatever_a_library_printed(report: Report) -> None:
    root = ET.fromstring(junit.render(report))  # noqa: S314 - our own text
    assert root.get("failures") == "1"
    assert root.get("skipped") == "1"
    assert len(root.findall(".//testcase")) == 5
    failure = root.find(".//failure")
    assert failure is not None
    assert "fix: Do <this>.\nrun 'that & that'\nthen this" in (failure.text or "")


def test_html_is_one_page_and_escapes_everything(report: Report) -> None:
    page = html.render(report, made=MADE, drawing="<svg></svg>")
    assert "</script>" not in page
    assert "Do &lt;this&gt;." in page
    assert "run &#39;that &amp; that&#39;\nthen this" in page
    assert "\x1b" not in page
    assert "<svg></svg>" in page
    assert "ml-m1 failed" in page
    assert "24 November 2026, 09:30 UTC · osx-arm64, macOS 14.5 · envbuild" in page
    order = ["To mend it, run", "What failed", "It does not", "Warnings", "A variable.", "What passed", "It learns."]
    assert sorted(order, key=page.index) == order
    assert '<a class="id" href="#keras.fit">' in page
    assert page.count('id="keras.fit"') == 1
    for outside in ("http://", "https://", "src=", "<link", "@import"):
        assert outside not in page


def test_a_report_comes_back_from_its_json(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"envbuild": 1, "command": "verify", "status": "failed", "result": report.to_json()}))
    assert compare.load(file) == report


def test_comparison_names_what_got_worse_and_which_versions_changed(report: Report) -> None:
    green = replace(
        report,
        identity=replace(report.identity, versions={"keras": "3.10.0"}),
        findings=(finding("keras.fit", Status.PASS), finding("import.alone", Status.PASS)),
    )
    changed = compare.compare(green, report)
    assert [(change.check, change.before, change.after) for change in changed.identity] == [
        ("keras", "3.10.0", "3.15.1")
    ]
    kinds = {change.check: change.kind for change in changed.checks}
    assert kinds == {"keras.fit": "worse", "import.alone": "other", "process.variables": "new"}
    assert changed.checks[0].after == "1 fail, 2 pass"
    assert compare.compare(report, report).same
    assert "keras.fit" in html.render(report, made=MADE, comparison=changed)
    back = compare.compare(report, green)
    assert {change.check: change.kind for change in back.checks}["keras.fit"] == "better"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"envbuild": 1, "result": 3}', '{"findings": []}', "\x00"])
def test_what_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(content)
    with pytest.raises(UsageError, match="not a report"):
        compare.load(file)


def test_a_missing_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        compare.load(tmp_path / "none.json")


def test_the_remedy_of_an_earlier_version_was_one_text(report: Report, tmp_path: Path) -> None:
    told = report.to_json()
    told["findings"][2]["remedy"] = "do this"
    file = tmp_path / "report.json"
    file.write_text(json.dumps(told))
    assert compare.load(file).findings[2].remedy == Remedy("do this")
