"""What is printed is text: names and messages out of files cannot steer the terminal that they are shown on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

#: Control characters of ASCII and Latin-1 but tab and newline, and what turns the direction of writing around.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """`text` with control characters as their escapes (`\\x1b`), so that they are seen and do nothing."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


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
