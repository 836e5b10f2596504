"""The examination as text: the cause first, then where it is decided, what to do, and who runs what."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from builder.doctor import stack
from builder.doctor.formats import harmless, name_of
from builder.doctor.model import Presence
from builder.hanging import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.doctor.model import Claim, Diagnosis, Examination, Interpreter, Place

_MOST_ROWS = 14


class Names:
    """Paths as people read them: the home as `~`; with `share` also the user's name left out."""

    def __init__(
        self, home: Path, *, aliases: tuple[str, ...] = (), root: Path | None = None, share: bool = False
    ) -> None:
        self._homes = (str(home), *aliases)
        self._root = str(root) if root is not None else None
        self.share = share
        self._users = {text.rpartition("/")[2] for text in self._homes} - {"", "root", "home"}

    def text(self, text: str) -> str:
        for home in self._homes:
            text = re.sub(re.escape(home) + r"(?![\w.-])", "~", text)
        if self._root is not None:
            text = text.replace(f"{self._root}/", "/")
        if self.share:
            text = re.sub(r"/(Users|home)/(?!Shared\b)[^/\s:;,)\"']+", r"/\1/user", text)
            for user in self._users:
                text = re.sub(rf"(?<![\w]){re.escape(user)}(?![\w])", "user", text)
        return harmless(text)

    def value(self, value: object) -> object:
        """The same for everything inside a JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value


def render(found: Examination, *, names: Names, verbose: bool = False, quiet: bool = False) -> str:
    """The whole page; only its first line with `quiet`."""
    lines = [first_line(found, names)]
    if quiet:
        return lines[0]
    for number, problem in enumerate(found.problems):
        if number:
            lines.append(names.text(f"also: {problem.sentence}."))
        lines += _details(problem, names, verbose=verbose or number == 0)
    table = list(_table(found, names))
    if table:
        lines += ["who runs what", *table]
    if verbose and found.provenance is not None and str(found.provenance):
        lines.append(names.text(f"packages of the environment that is meant: {found.provenance}"))
    if found.skips:
        shown = found.skips if verbose else found.skips[:3]
        rest = f" (and {len(found.skips) - len(shown)} more, -v)" if len(shown) < len(found.skips) else ""
        lines.append(
            "could not look at: " + "; ".join(names.text(f"{skip.path} ({skip.reason})") for skip in shown) + rest
        )
    if found.notes and verbose:
        lines += [names.text(f"note: {note.sentence}" + _where(note.decided_by, names)) for note in found.notes]
    lines.append(_count(found, verbose=verbose))
    return "\n".join(line for line in lines if line)


def first_line(found: Examination, names: Names) -> str:
    if found.problems:
        return names.text(f"Most likely cause: {found.problems[0].sentence}.")
    if not found.looked:
        return "Nothing could be looked at: no environment, IDE or kernel was found here."
    running = dict.fromkeys(
        claim.who
        for claim in found.claims
        if claim.decisive and claim.interpreter is not None and version_of(claim.interpreter, found.wanted)
    )
    if found.meant is not None:
        meant = names.text(f"{found.meant.interpreter.prefix or found.meant.interpreter.path}")
        version = version_of(found.meant.interpreter, found.wanted)
        if version is None and found.asks:
            return f"No problem found; but the project asks for {found.wanted}, and {meant} has none."
        if version is None:
            return f"No problem found: {meant} has no {found.wanted}, and nothing was seen that asks for it there."
        return f"No problem found: {meant} has {found.wanted} {version}" + (
            f", and {names.text(_listed(list(running)))} can import it." if running else "."
        )
    if found.asks:
        return f"No problem found; but the project asks for {found.wanted}, and no environment seen here has it."
    return f"No problem found: no environment here has {found.wanted}, and nothing was seen that asks for it."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _details(problem: Diagnosis, names: Names, *, verbose: bool) -> Iterator[str]:
    if problem.decided_by:
        yield "  decided by  " + " → ".join(dict.fromkeys(place_text(place, names) for place in problem.decided_by))
    if problem.remedy is not None:
        hint = f"   [not automatic: {problem.why_not_automatic}]" if problem.why_not_automatic else ""
        if problem.automatic:
            hint = "   [`envbuild doctor --fix` can do this]"
        yield names.text(f"  to mend     {problem.remedy.say}{hint}")
        for command in problem.remedy.commands:
            yield names.text(f"              {command}")
    if verbose:
        for line in problem.evidence[:8]:
            yield names.text(f"  evidence    {line}")


def place_text(place: Place, names: Names) -> str:
    if place.key and names.text(f"{place.file}") == "~":
        return names.text(f"{place.key} in this shell")
    line = f":{place.line}" if place.line else ""
    key = f" ({place.key})" if place.key and not place.line else ""
    return names.text(f"{place.file}{line}{key}")


def _where(places: tuple[Place, ...], names: Names) -> str:
    return f" [{place_text(places[0], names)}]" if places else ""


# -- the table ---------------------------------------------------------------------------------------------------


def table_rows(found: Examination, names: Names) -> list[tuple[str, ...]]:
    """The cells of the table: program, environment, architecture, Python, what is wanted, mark."""
    rows = [
        _row(claim, found, names)
        for claim in found.claims
        if claim.interpreter is not None or claim.decisive or claim.overruled
    ]
    rows = list(dict.fromkeys(rows))[:_MOST_ROWS]
    if found.meant is not None and not any(row[-1].endswith("meant") for row in rows):
        meant = found.meant.interpreter
        rows.insert(
            0, ("(meant)", names.text(str(meant.prefix or meant.path)), *_facts(meant, found.wanted), "✓ meant")
        )
    return rows


def _table(found: Examination, names: Names) -> Iterator[str]:
    rows = table_rows(found, names)
    yield from (f"  {line}" for line in aligned(rows))


def _row(claim: Claim, found: Examination, names: Names) -> tuple[str, ...]:
    title = claim.who if claim.what in ("active environment", "") else f"{claim.who}, {claim.what}"
    who = textwrap.shorten(names.text(title), 58, placeholder="…")
    interpreter = claim.interpreter
    if interpreter is None:
        mark = "· elsewhere" if claim.overruled else "✗ no such entry"
        return who, names.text(name_of(claim.written)), "–", "–", "–", mark
    meant = found.meant.interpreter if found.meant is not None else None
    where = names.text(str(interpreter.prefix or interpreter.path))
    return who, where, *_facts(interpreter, found.wanted), _mark(claim, interpreter, meant, found)


def _facts(interpreter: Interpreter, wanted: str) -> tuple[str, str, str]:
    version = version_of(interpreter, wanted)
    return interpreter.arch or "–", interpreter.version or "–", f"{wanted} {version}" if version else "–"


def version_of(interpreter: Interpreter, wanted: str) -> str | None:
    return next((version for name in stack.distributions(wanted) if (version := interpreter.version_of(name))), None)


def _mark(claim: Claim, interpreter: Interpreter, meant: Interpreter | None, found: Examination) -> str:
    if interpreter.presence is Presence.GONE:
        return "✗ gone"
    intel = found.machine.apple_silicon and interpreter.slices == ("x86_64",)
    is_meant = meant is not None and interpreter.prefix is not None and interpreter.prefix == meant.prefix
    subject = str(interpreter.prefix or interpreter.path)
    if any(problem.subject == subject for problem in found.problems):
        return "✗ meant" if is_meant else "✗"
    if intel and any(problem.check == "env.subdir" for problem in found.problems):
        return "✗ Intel, meant" if is_meant else "✗ Intel"
    if is_meant:
        return "✓ meant"
    return "✓" if version_of(interpreter, found.wanted) else ("" if claim.decisive else "·")


def _count(found: Examination, *, verbose: bool) -> str:
    parts = []
    if found.problems:
        parts.append("1 problem" if len(found.problems) == 1 else f"{len(found.problems)} problems")
    if found.notes:
        notes = "1 note" if len(found.notes) == 1 else f"{len(found.notes)} notes"
        parts.append(notes if verbose else f"{notes} (-v)")
    return ", ".join(parts)
