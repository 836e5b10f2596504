"""The examination as one self-contained HTML page: cause, a drawing, who runs what, notes. No script, no other file."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Presence
from builder.doctor.text import first_line, place_text, table_rows, version_of
from builder.page import page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.model import Claim, Diagnosis, Examination, Interpreter
    from builder.doctor.text import Names
    from builder.page import Made

_MOST_PROGRAMS: Final = 12
_ROW: Final = 58
_WIDTH: Final = 940
_TITLE: Final = "Who runs which Python"
_INTRODUCTION: Final = (
    "What the doctor found: which programs start which Python, which file decides that, and whether it has the "
    "packages that are meant."
)
_STYLE: Final = """
td:nth-child(n+3) { white-space: nowrap; } td:nth-child(2) { overflow-wrap: anywhere; }
tr.wrong td { color: var(--bad); font-weight: 600; }
.flow { display: none; list-style: none; padding: 0; }
.flow li { padding: .5rem .7rem; margin: .4rem 0; border-left: 4px solid var(--line); background: var(--box);
  overflow-wrap: anywhere; }
.flow .wrong { border-color: var(--bad); background: var(--bad-box); }
.flow .right { border-color: var(--good); background: var(--good-box); }
.flow .wrong b { color: var(--bad); } .flow .right b { color: var(--good); } .flow span { color: var(--dim); }
svg { width: 100%; min-width: 46rem; height: auto; font: 13px ui-monospace, Menlo, Consolas, monospace; }
svg rect { fill: var(--box); stroke: var(--line); rx: 7; }
svg text { fill: var(--text); } svg .dim { fill: var(--dim); }
svg .right { stroke: var(--good); fill: none; stroke-width: 2; }
svg .wrong { stroke: var(--bad); fill: none; stroke-width: 3; }
svg .other { stroke: var(--dim); fill: none; stroke-width: 1.5; }
svg .other.line { stroke-dasharray: 4 4; }
svg rect.wrong { stroke: var(--bad); fill: var(--bad-box); stroke-width: 1.5; }
svg rect.right { stroke: var(--good); fill: var(--good-box); stroke-width: 1.5; }
@media (max-width: 46rem) {
  .drawing { display: none; } .flow { display: block; }
  tr, td { display: block; } tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  tr:first-child { display: none; }
  td { border: 0; padding: .1rem 0; white-space: normal; }
  td[data-head]:not([data-head=""])::before { content: attr(data-head) ": "; color: var(--dim); font-weight: 400; }
}
"""


def render(found: Examination, *, names: Names, made: Made) -> str:
    """The page. Every name in it goes through `names` and is escaped; `made` says when."""
    cause = first_line(found, names)
    parts = [f'<p class="verdict {"bad" if found.problems else "good"}">{escape(cause)}</p>']
    for number, problem in enumerate(found.problems):
        parts += _problem(problem, names, first=number == 0)
    if drawing := _drawing(found, names):
        parts.append(f'<h2>From program to environment</h2>\n<div class="drawing">{drawing}</div>')
    rows = table_rows(found, names)
    if rows:
        heads = ("program", "environment", "architecture", "Python", found.wanted, "")
        parts.append('<h2>Who runs what</h2>\n<div class="scroll"><table><tr>')
        parts.append("".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>")
        parts += [_row(row, heads) for row in rows]
        parts.append("</table></div>")
    if found.provenance is not None and str(found.provenance):
        parts.append(f"<p>Packages of the environment that is meant: {escape(names.text(str(found.provenance)))}.</p>")
    parts += _list("Notes", [names.text(note.sentence) for note in found.notes])
    parts += _list("Could not look at", [names.text(f"{skip.path}: {skip.reason}") for skip in found.skips])
    parts.append("<footer>envbuild doctor. Nothing was changed.</footer>")
    return page(
        title=cause[:120],
        heading=_TITLE,
        introduction=_INTRODUCTION,
        body="\n".join(parts),
        made=replace(made, machine=_machine(found)),
        style=_STYLE,
    )


def _machine(found: Examination) -> str:
    """The machine that was examined, which a bundle may have been brought from."""
    machine = found.machine
    system = f"macOS {machine.macos or ''}".rstrip() if machine.is_mac else machine.system
    return f"{system} {machine.hardware}" if machine.hardware else system


def _row(row: tuple[str, ...], heads: tuple[str, ...]) -> str:
    wrong = ' class="wrong"' if row[-1].startswith("✗") else ""
    cells = (
        f'<td data-head="{escape(head)}">{escape(cell)}</td>'
        for head, cell in zip(heads, row, strict=True)
        if cell or not head
    )
    return f"<tr{wrong}>{''.join(cells)}</tr>"


def _problem(problem: Diagnosis, names: Names, *, first: bool) -> Iterator[str]:
    if not first:
        yield f"<p><b>Also:</b> {escape(names.text(problem.sentence))}.</p>"
    yield "<dl>"
    for place in dict.fromkeys(place_text(place, names) for place in problem.decided_by):
        yield f"<dt>decided by</dt><dd><code>{escape(place)}</code></dd>"
    if problem.remedy is not None:
        yield f"<dt>to mend</dt><dd>{escape(names.text(problem.remedy.say))}</dd>"
        for command in problem.remedy.commands:
            yield f"<dt>run</dt><dd><code>{escape(names.text(command))}</code></dd>"
    for line in problem.evidence[:8]:
        yield f"<dt>evidence</dt><dd>{escape(names.text(line))}</dd>"
    yield "</dl>"


def _list(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"<h2>{title}</h2>\n<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


# -- the drawing -------------------------------------------------------------------------------------------------


def _drawing(found: Examination, names: Names) -> str:
    """Programs on the left, environments on the right; an arrow for each claim, the wrong ones red."""
    claims = [claim for claim in found.claims if claim.interpreter is not None][:_MOST_PROGRAMS]
    if not claims:
        return ""
    targets: dict[str, Interpreter] = {}
    if found.meant is not None:
        targets[_key(found.meant.interpreter)] = found.meant.interpreter
    for claim in claims:
        if claim.interpreter is not None:
            targets.setdefault(_key(claim.interpreter), claim.interpreter)
    wrong = {problem.subject for problem in found.problems}
    left = {number: 20 + number * _ROW for number in range(len(claims))}
    right = {key: 20 + number * _ROW for number, key in enumerate(targets)}
    height = 20 + _ROW * max(len(left), len(right))
    out = [f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="which program starts which environment">']
    meant = _key(found.meant.interpreter) if found.meant is not None else None
    for number, claim in enumerate(claims):
        if claim.interpreter is None:
            continue
        key = _key(claim.interpreter)
        kind = "wrong" if key in wrong else ("right" if key == meant else "other")
        start, end = left[number] + 22, right[key] + 22
        out.append(f'<path class="{kind} line" d="M 330 {start} C 420 {start}, 430 {end}, 512 {end}"/>')
        out.append(f'<path class="{kind}" d="M 506 {end - 5} L 516 {end} L 506 {end + 5}"/>')
    for number, claim in enumerate(claims):
        out += _box(10, left[number], 320, names.text(claim.who), names.text(claim.what), "")
    for key, interpreter in targets.items():
        gone = "gone" if interpreter.presence is Presence.GONE else interpreter.arch or "architecture not known"
        version = version_of(interpreter, found.wanted)
        facts = f"{gone}, {f'{found.wanted} {version}' if version else f'no {found.wanted}'}"
        out += _box(
            518, right[key], 412, names.text(key), facts, "wrong" if key in wrong else ("right" if key == meant else "")
        )
    return "".join(out) + "</svg></div>\n" + _flow(claims, wrong, meant, names)


def _flow(claims: list[Claim], wrong: set[str], meant: str | None, names: Names) -> str:
    """The same as a list, for a page that is too narrow for the drawing."""
    items = []
    for claim in claims:
        if claim.interpreter is not None:
            key = _key(claim.interpreter)
            kind = "wrong" if key in wrong else ("right" if key == meant else "other")
            program, target = names.text(claim.who), names.text(key)
            what = f" <span>{escape(names.text(claim.what))}</span>" if claim.what else ""
            items.append(f'<li class="{kind}">{escape(program)}{what}<br><b>→ {escape(target)}</b></li>')
    return f'<div><ul class="flow">{"".join(items)}</ul>'


def _key(interpreter: Interpreter) -> str:
    return str(interpreter.prefix or interpreter.path)


def _box(x: int, y: int, width: int, title: str, detail: str, kind: str) -> Iterator[str]:
    room = width // 8 - 2
    yield f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="44"/>'
    yield f'<text x="{x + 12}" y="{y + 18}">{escape(_short(title, room))}</text>'
    yield f'<text class="dim" x="{x + 12}" y="{y + 35}">{escape(_short(detail, room))}</text>'


def _short(text: str, room: int) -> str:
    """The end of a path says more than its middle."""
    return text if len(text) <= room else f"{text[: room // 3]}…{text[-(room - room // 3 - 1) :]}"
