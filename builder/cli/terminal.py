"""What is printed is text: names and messages out of files cannot steer the terminal that they are shown on.

And every terminal shows it: where an encoding has no `✓`, it is told in characters that it has, and `--help` is
broken where somebody who reads or copies it would break it.
"""

from __future__ import annotations

import codecs
import re
import sys
from typing import IO, TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

#: Control characters of ASCII and Latin-1 but tab and newline, and what turns the direction of writing around.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: What the characters that we write ourselves become where an encoding lacks them. One cell stays one where it can.
_PLAIN: Final = {
    "✓": "+", "✗": "X", "→": "->", "–": "-", "—": "-", "…": "...", "·": ".", "×": "x", "≥": ">=", "≤": "<=",
    "▸": ">", "↑": "^", "↓": "v",
    "‘": "'", "’": "'", "“": '"', "”": '"', "─": "-", "━": "=", "│": "|", "\N{REPLACEMENT CHARACTER}": "?",
    "\N{NO-BREAK SPACE}": " ",
}  # fmt: skip
_HANDLER: Final = "envbuild"
#: Stand for a space and a hyphen at which no line of `--help` is broken: in a command in backticks, in `conda-lock`.
_SPACE, _HYPHEN = "\N{NO-BREAK SPACE}", "\N{NON-BREAKING HYPHEN}"
_COMMAND: Final = re.compile(r"`[^`\n]{1,40}`")
#: A word of an example, or what is quoted.
_WORD: Final = re.compile(r"(?:\"[^\"]*\"|'[^']*'|[^\s\"'])+")


def harmless(text: str) -> str:
    """`text` with control characters as their escapes (`\\x1b`), so that they are seen and do nothing."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode() for char in lacking), error.end


def fit_streams(*, asked: str = "") -> None:
    """Make standard output and error take every text, whatever their encoding (Windows-1252).

    `asked` is `PYTHONIOENCODING`, which our Python does not look at: it is started apart from its variables.
    """
    codecs.register_error(_HANDLER, _plainer)
    encoding = _known(asked.partition(":")[0])
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding=encoding, errors=_HANDLER)


def _known(encoding: str) -> str | None:
    try:
        return codecs.lookup(encoding).name if encoding else None
    except LookupError:
        return None


def is_unicode(stream: IO[str]) -> bool:
    """Whether the stream takes every character as it is."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


class Harmless:
    """A rich renderable whose texts are made harmless; the styles, which are ours, stay."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self._renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(harmless(segment.text), segment.style)


class HelpFormatter(click.HelpFormatter):
    """click's, but lines are broken between words only; an example that is too long goes on after a backslash."""

    def write_text(self, text: str) -> None:
        width = self.width - self.current_indent
        paragraphs = text.split("\n\n")
        super().write_text("\n\n".join(_fitted(one, width) if "\b" in one else _kept(one) for one in paragraphs))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(first, _kept(second)) for first, second in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        return super().getvalue().replace(_SPACE, " ").replace(_HYPHEN, "-")


class HelpContext(click.Context):
    formatter_class = HelpFormatter


def _kept(text: str) -> str:
    """Text in which a command, and a word with hyphens, are each one word to click."""
    return _COMMAND.sub(lambda found: found[0].replace(" ", _SPACE), text).replace("-", _HYPHEN)


def _fitted(block: str, width: int) -> str:
    """A paragraph whose lines click leaves as they are; of examples, those that are too wide are continued."""
    lines = block.split("\n")
    if not any(line.startswith("Example") for line in lines[:2]):
        return block
    return "\n".join(piece for line in lines for piece in _continued(line, width))


def _continued(line: str, width: int) -> list[str]:
    """A command, broken before options, pipes and redirections where that will do."""
    if len(line) <= width:
        return [line]
    inside = line[: len(line) - len(line.lstrip())]
    parts: list[str] = []
    for word in _WORD.findall(line):
        if parts and parts[-1].startswith(("-", "|", ">")) and " " not in parts[-1] and not word.startswith("-"):
            parts[-1] += f" {word}"  # an option and its value
        else:
            parts.append(word)
    lines = [inside + parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) + len("  \\") > width:
            lines.append(f"{inside}    {part}")
        else:
            lines[-1] += f" {part}"
    goes_on = "`" if "powershell" in line else "\\"
    return [f"{one} {goes_on}" for one in lines[:-1]] + lines[-1:]
