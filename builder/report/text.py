"""A report on the terminal: what passed, by area; then what did not, together; then the verdict and what mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.text import Text

from builder.finding import Status
from builder.hanging import Hanging, hanging
from builder.report.grouping import ATTENTION, SYMBOLS, attention, by_area, evidence, mending, verdict
from builder.wording import plural, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import RenderableType

    from builder.finding import Finding, Report
    from builder.report.compare import Comparison

_STYLES: Final[dict[Status, str]] = {
    Status.PASS: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.SKIP: "dim",
}
_NOUNS: Final = {Status.FAIL: "failure", Status.WARN: "warning"}
#: Commands that the last line names; more of them are with their failures only.
_MOST_COMMANDS: Final = 3


def render(report: Report, *, details: bool = False, comparison: Comparison | None = None) -> RenderableType:
    """The report as a rich renderable; with `details` also the evidence of what passed."""
    parts: list[RenderableType] = [_identity(report)]
    for area, findings in by_area(report).items():
        calm = [finding for finding in findings if finding.status not in ATTENTION]
        if calm:
            parts.append(Text(area, style="bold"))
            shown = calm if details else _condensed(calm)
            for one in shown:
                parts += [_told(one), *(_evidence(one, report) if details else ())]
    if comparison is not None:
        parts += [Text(""), *_comparison(comparison)]
    return Group(*parts, Text(""), brief(report))


def followed(report: Report, lines: Iterable[str]) -> RenderableType:
    """The report, and below it what was done."""
    return Group(render(report), Text(""), hanging(lines))


def brief(report: Report) -> RenderableType:
    """Only what needs attention, failures first, and the verdict with the commands that mend."""
    parts: list[RenderableType] = []
    for status, findings in attention(report).items():
        parts.append(Text(plural(len(findings), _NOUNS[status]), style="bold"))
        for finding in findings:
            parts += [*_attended(finding, report), Text("")]
    style = "bold green" if report.ok else "bold red"
    parts.append(Hanging(Text(f"{printable(verdict(report))} ({report.seconds:.1f} s)", style=style)))
    return Group(*parts, *_mending(report))


def _told(finding: Finding) -> RenderableType:
    """A finding as a sentence, and the id of its check beside it."""
    attended = finding.status in ATTENTION
    return Hanging(
        Text.assemble(
            (f"  {SYMBOLS[finding.status]} ", _STYLES[finding.status]),
            (printable(finding.title), "bold" if attended else "dim" if finding.status is Status.SKIP else ""),
            (f"  {printable(finding.check)}", "dim"),
        ),
        rest=4,
    )


def _attended(finding: Finding, report: Report) -> Iterator[RenderableType]:
    """A failure or a warning: title, evidence, and what to do, with each command on a line of its own."""
    yield _told(finding)
    yield from _evidence(finding, report)
    if finding.remedy is not None:
        yield Hanging(Text.assemble(("    fix: ", "green"), printable(finding.remedy.say)), rest=6)
        yield from (_command(command, inside=6) for command in finding.remedy.commands)


def _evidence(finding: Finding, report: Report) -> Iterator[RenderableType]:
    for line in evidence(finding, report):
        yield Hanging(Text(f"      {printable(line)}", style="dim"), rest=8)


def _command(command: str, *, inside: int) -> RenderableType:
    # Never broken, so that it can be copied whatever the width.
    return Text(" " * inside + printable(command), style="bold", no_wrap=True, overflow="ignore")


def _mending(report: Report) -> Iterator[RenderableType]:
    commands = mending(report)
    if not commands:
        return
    if len(commands) > _MOST_COMMANDS:
        yield Hanging(Text("to mend it, see the `fix` of each failure above"))
        return
    yield Text("to mend it:")
    yield from (_command(command, inside=2) for command in commands)


def _comparison(comparison: Comparison) -> Iterator[RenderableType]:
    """What changed since an earlier report, one line each."""
    if comparison.same:
        yield Text("nothing changed since the earlier report", style="dim")
        return
    yield Text("since the earlier report", style="bold")
    styles = {"worse": "bold red", "better": "green"}
    for change in (*comparison.identity, *comparison.checks):
        line = f"  {change.check}: {change.before} → {change.after}"
        yield Hanging(Text(printable(line), style=styles.get(change.kind, "")))


def _condensed(findings: list[Finding]) -> list[Finding]:
    """One line for all passes, and one for all skips, of one check."""
    shown: dict[tuple[Status, str], list[Finding]] = {}
    for finding in findings:
        shown.setdefault((finding.status, finding.check), []).append(finding)
    return [
        replace(same[0], title=f"{same[0].title.removesuffix('.')} (and {len(same) - 1} more).")
        if len(same) > 1
        else same[0]
        for same in shown.values()
    ]


def _identity(report: Report) -> RenderableType:
    identity = report.identity
    versions = ", ".join(f"{name} {version}" for name, version in identity.versions.items())
    made = identity.kind if identity.kind and identity.kind != "unknown" else ""
    lock = f"lock {identity.lock_sha256[:12]}" if identity.lock_sha256 else ""
    lines = (identity.prefix, " · ".join(filter(None, (made, identity.subdir, lock))), versions)
    text = "\n".join(" ".join(printable(line).split("\n")) for line in lines if line)
    return Hanging(Text(f"{text}\n", style="dim"))
