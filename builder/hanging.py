"""Text on a terminal of any width: broken between words only, and continued under where it began.

A path, a URL or a command in backticks is never broken: one that is wider than the terminal stands on a line of its
own, where the terminal itself wraps it, so that what is copied is whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

#: What is kept together: words, commands in backticks, and `(6 s)`, with what touches them; each with the spaces after
#: it. A sign that stands alone (`✓`, `→`) begins what follows it.
_PIECE: Final = re.compile(r"(?:(?<![^ \t])[^\w\s`] (?=[^ \t]))?(?:`[^`\n]+`|\(\d+ \w+\)|[^ \t`]|`)+[ \t]*|[ \t]+")
#: Where the value of a `label   value` line begins.
_GAP: Final = re.compile(r"(?<=\S)\s{2,}(?=\S)")


def breaks(text: str, *, width: int, rest: int) -> list[int]:
    """Where to break one line so that the first is no wider than `width`, and the others, `rest` cells in, neither."""
    from rich.cells import cell_len

    found: list[int] = []
    room = width
    for piece in _PIECE.finditer(text):
        wide = cell_len(piece[0].rstrip())
        if wide > room and piece.start() > 0 and text[: piece.start()].strip():
            found.append(piece.start())
            room = width - rest
        room -= cell_len(piece[0])
    return found


def column(line: str, *, width: int) -> int:
    """How far in the continuation of `line` begins.

    Under its value, where that is in the left half and leaves room for every word that has room at all; else a bit in.
    """
    from rich.cells import cell_len

    inside = len(line) - len(line.lstrip()) + 2
    words = [cell_len(piece[0].rstrip()) for piece in _PIECE.finditer(line)]
    widest = max((word for word in words if word <= width - inside), default=0)
    begins = [cell_len(line[: gap.end()]) for gap in _GAP.finditer(line)]
    return max((place for place in begins if place <= min(width // 2, width - widest)), default=inside)


class Hanging:
    """Lines of text as a rich renderable. `rest` is where continuations begin; None finds it for each line."""

    def __init__(self, text: Text, *, rest: int | None = None) -> None:
        self._text = text
        self._rest = rest

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        for line in self._text.split("\n", allow_blank=True):
            plain = line.plain
            rest = column(plain, width=options.max_width) if self._rest is None else self._rest
            for number, part in enumerate(line.divide(breaks(plain, width=options.max_width, rest=rest))):
                part.rstrip()
                whole = Text.assemble(" " * rest, part) if number else part
                whole.no_wrap, whole.overflow = True, "ignore"
                yield whole


def hanging(lines: Iterable[str]) -> RenderableType:
    """Plain lines, each continued under where its value began."""
    from rich.text import Text

    return Hanging(Text("\n".join(lines)))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row, its cells under each other; the last column may be of any width."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
