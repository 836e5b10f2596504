"""What is printed is text: names and messages out of files cannot steer the terminal that they are shown on.

And every terminal shows it: where an encoding has no `✓`, it is told in characters that it has.
"""

from __future__ import annotations

import codecs
import re
import sys
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

#: Control characters of ASCII and Latin-1 but tab and newline, and what turns the direction of writing around.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: What the characters that we write ourselves become where an encoding lacks them. One cell stays one where it can.
_PLAIN: Final = {
    "✓": "+", "✗": "X", "→": "->", "–": "-", "—": "-", "…": "...", "·": ".", "×": "x", "≥": ">=", "≤": "<=",
    "▸": ">", "↑": "^", "↓": "v",
    "‘": "'", "’": "'", "“": '"', "”": '"', "─": "-", "━": "-", "│": "|", "\N{REPLACEMENT CHARACTER}": "?",
}  # fmt: skip
_HANDLER: Final = "envbuild"


def harmless(text: str) -> str:
    """`text` with control characters as their escapes (`\\x1b`), so that they are seen and do nothing."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode() for char in lacking), error.end


def fit_streams() -> None:
    """Make standard output and error take every text, whatever their encoding (`PYTHONIOENCODING`, Windows-1252)."""
    codecs.register_error(_HANDLER, _plainer)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


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
