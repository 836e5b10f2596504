"""Text is broken between words, and what is to be copied is not broken at all."""

from __future__ import annotations

import pytest
from rich.console import Console

from builder.hanging import aligned, hanging


def drawn(line: str, *, width: int) -> list[str]:
    console = Console(width=width, color_system=None, markup=False, highlight=False)
    with console.capture() as capture:
        console.print(hanging([line]), crop=False)
    return capture.get().splitlines()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("short", ["short"]),
        ("", [""]),
        ("one two three four five", ["one two three four", "  five"]),
        # Under the value of a label, and never so far right that nothing is left of the width.
        ("  lock   a b c d e f g h", ["  lock   a b c d e f", "         g h"]),
        ("a long label here   a b c", ["a long label here", "  a b c"]),
        # … nor where a word would have no room there that it has further left.
        ("  lock    a /path/of/17", ["  lock    a", "    /path/of/17"]),
        # A path stands alone, whole; so does a command in backticks.
        ("see /a/path/that/is/longer/than/this: gone", ["see", "  /a/path/that/is/longer/than/this:", "  gone"]),
        ("run `envbuild sync x`, then go on", ["run", "  `envbuild sync x`,", "  then go on"]),
        ("/a/path/that/is/longer/than/this", ["/a/path/that/is/longer/than/this"]),
        # Two cells a character.
        ("日本語 日本語 日本語 日本語", ["日本語 日本語 日本語", "  日本語"]),
        ("one two three four ✓ five", ["one two three four", "  ✓ five"]),
        ("compared it all (6 s)", ["compared it all", "  (6 s)"]),
        ("a lonely ` is a word of its own", ["a lonely ` is a word", "  of its own"]),
    ],
)
def test_lines(line: str, expected: list[str]) -> None:
    assert drawn(line, width=20) == expected


def test_columns_of_any_script_stand_under_each_other() -> None:
    assert aligned([("研究", "a", "x"), ("name", "bcd", "")]) == ["研究  a    x", "name  bcd"]
