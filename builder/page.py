"""The one design of every HTML page that envbuild writes: self-contained, light and dark, wide, narrow, on paper."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import TYPE_CHECKING

from builder import __version__

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Made:
    """When and where a page was made. `machine` is empty for what holds on any."""

    at: datetime
    machine: str = ""

    def __str__(self) -> str:
        """`24 November 2026, 11:13 UTC · linux-64 · envbuild 0.1.0`."""
        when = f"{self.at.day} {self.at:%B %Y, %H:%M %Z}".rstrip()
        return " · ".join(filter(None, (when, self.machine, f"envbuild {__version__}")))


def page(*, title: str, introduction: str, body: str, made: Made, style: str = "", heading: str | None = None) -> str:
    """A whole page. `body` is HTML and `style` CSS; all else is text. The heading is the title where none is given."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_style()}{style}</style>\n</head>\n<body>\n"
        f"<header>\n<h1>{escape(heading or title)}</h1>\n"
        f'<p class="introduction">{escape(introduction)}</p>\n<p class="made">{escape(str(made))}</p>\n</header>\n'
        f"{body}\n</body>\n</html>\n"
    )


def _style() -> str:
    return resources.files("builder").joinpath("page.css").read_text(encoding="utf-8")
