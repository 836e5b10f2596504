"""The examination as one self-contained HTML page: cause, a drawing, who runs what, notes. No script, no other file."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Presence
from builder.doctor.text import first_line, place_text, table_rows, version_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.model import Diagnosis, Examination, Interpreter
    from builder.doctor.text import Names

_MOST_PROGRAMS: Final = 12
_ROW: Final = 58
_WIDTH: Final = 940
_STYLE: Final = """
:root { color-scheme: light dark; --page: #fff; --text: #1d2733; --dim: #5b6875; --line: #d9dfe5; --box: #f5f7f9;
  --good: #15713b; --bad: #b3261e; --good-box: #e9f6ee; --bad-box: #fcebea; }
@media (prefers-color-scheme: dark) { :root { --page: #14191f; --text: #e4e9ee; --dim: #9aa7b4; --line: #2d3743;
  --box: #1b222a; --good: #5fd08d; --bad: #ff8a80; --good-box: #16291f; --bad-box: #341b1a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
.cause { padding: 1rem 1.2rem; border-radius: 10px; font-size: 1.1rem; font-weight: 600; overflow-wrap: anywhere; }
.bad { background: var(--bad-box); color: var(--bad); } .good { background: var(--good-box); color: var(--good); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 1rem 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
code { font: .86rem/1.45 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
td, th { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
svg { width: 100%; min-width: 46rem; height: auto; font: 13px ui-monospace, Menlo, Consolas, monospace; }
svg rect { fill: var(--box); stroke: var(--line); rx: 7; }
svg text { fill: var(--text); } svg .dim { fill: var(--dim); }
svg .right { stroke: var(--good); fill: none; stroke-width: 2; }
svg .wrong { stroke: var(--bad); fill: none; stroke-width: 3; }
svg .other { stroke: var(--dim); fill: none; stroke-width: 1.5; stroke-dasharray: 4 4; }
svg rect.wrong { stroke: var(--bad); fill: var(--bad-box); stroke-width: 1.5; }
svg rect.right { stroke: var(--good); fill: var(--good-box); stroke-width: 1.5; }
footer { margin-top: 3rem; color: var(--dim); font-size: .85rem; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; } }
"""


def render(found: Examination, *, names: Names) -> str:
    """The page. Every name in it goes through `names` and is escaped."""
    cause = first_line(found, names)
    parts = [
        "<h1>Who runs which Python</h1>",
        f'<p class="cause {"bad" if found.problems else "good"}">{escape(cause)}</p>',
    ]
    for number, problem in enumerate(found.problems):
        parts += _problem(problem, names, first=number == 0)
    if drawing := _drawing(found, names):
        parts.append(f'<h2>From program to environment</h2>\n<div class="scroll">{drawing}</div>')
    rows = table_rows(found, names)
    if rows:
        heads = ("program", "environment", "architecture", "Python", found.wanted, "")
        parts.append('<h2>Who runs what</h2>\n<div class="scroll"><table><tr>')
        parts.append("".join(f"<th>{escape(head)}</th>" for head in heads) + "</tr>")
        parts += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
        parts.append("</table></div>")
    parts += _list("Notes", [names.text(note.sentence) for note in found.notes])
    parts += _list("Could not look at", [names.text(f"{skip.path}: {skip.reason}") for skip in found.skips])
    parts.append("<footer>envbuild doctor. Nothing was changed.</footer>")
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(cause[:120])}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _problem(problem: Diagnosis, names: Names, *, first: bool) -> Iterator[str]:
    if not first:
        yield f"<p><b>Also:</b> {escape(names.text(problem.sentence))}.</p>"
    yield "<dl>"
    for place in problem.decided_by:
        yield f"<dt>decided by</dt><dd><code>{escape(place_text(place, names))}</code></dd>"
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
        out.append(f'<path class="{kind}" d="M 330 {start} C 420 {start}, 430 {end}, 512 {end}"/>')
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
    return "".join(out) + "</svg>"


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
