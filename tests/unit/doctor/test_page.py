"""The HTML page: one file, everything escaped, the wrong arrow red."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from builder.doctor.examine import examine
from builder.doctor.page import render
from builder.doctor.text import Names
from builder.page import Made
from tests.unit.doctor.homes import build, case_names

if TYPE_CHECKING:
    from pathlib import Path

MADE = Made(at=datetime(2026, 11, 24, 9, 30, tzinfo=UTC))


class _Balanced(HTMLParser):
    """Fails on a tag that is closed but was not opened last."""

    void = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<rect/>` opens nothing."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", case_names())
def test_a_page_for_every_home(name: str, tmp_path: Path) -> None:
    home = build(name, tmp_path)
    found = examine(home.request(), home.patient())
    page = render(found, names=Names(home.path, aliases=found.home_names, root=found.root), made=MADE)
    parser = _Balanced()
    parser.feed(page)
    assert not parser.open
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert str(tmp_path) not in page
    assert ('class="verdict bad"' in page) is bool(found.problems)


def test_the_wrong_arrow_is_red_and_the_right_one_is_not(tmp_path: Path) -> None:
    home = build("mac-dataspell-base", tmp_path)
    found = examine(home.request(), home.patient())
    page = render(found, names=Names(home.path, aliases=found.home_names), made=MADE)
    # Each arrow is a curve and its head: one for DataSpell, one for the terminal, one for a new shell.
    assert (page.count('path class="wrong'), page.count('path class="right')) == (2, 2)
    assert page.count('path class="other') == 2


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    home = build("mac-dataspell-base", tmp_path)
    misc = home.path / "projects/mnist/.idea/misc.xml"
    misc.write_text(misc.read_text().replace('"base"', '"&lt;img src=x onerror=alert(1)&gt;"'))
    found = examine(home.request(), home.patient())
    page = render(found, names=Names(home.path), made=MADE)
    assert "<img" not in page
    assert "&lt;img" in page
