"""The reader of people's files on hostile ones: a document, or the caller's own error with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder import yamlio
from builder.errors import RecipeError
from tests.unit.lock.test_reader_fuzz import NASTY

_RECIPE = """\
name: team
platforms: [osx-arm64, linux-64]
python: "3.12"
dependencies:
  - numpy
  - {conda: matplotlib-base, pypi: matplotlib}
"""


def _load(text: str) -> None:
    refused: RecipeError | None = None
    try:
        yamlio.load(Path("team.yaml"), error=RecipeError, text=text)
    except RecipeError as error:
        refused = error
    assert refused is None or (refused.file == "team.yaml" and refused.plain.strip())


@pytest.mark.parametrize("value", NASTY)
def test_each_nasty_value_in_each_place(value: str) -> None:
    lines = _RECIPE.splitlines()
    for number, line in enumerate(lines):
        key, colon, _ = line.partition(":")
        for text in (f"{key}{colon} {value}", f"{line} {value}", f"{value}: {line}"):
            _load("\n".join([*lines[:number], text, *lines[number + 1 :]]) + "\n")


@settings(max_examples=int(os.environ.get("ENVBUILD_FUZZ_EXAMPLES", "150")), deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    _load(text)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), tmp_path / "none"):
        with pytest.raises(RecipeError):
            yamlio.load(place, error=RecipeError)


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        (b"a: 1\n\0", 2, "not text: it holds a control character"),
        (b"a: 1\n<<<<<<< ours\nb: 1\n=======\nb: 2\n>>>>>>> theirs\n", 2, "both sides of a merge are in it"),
        (b"a: \xe9\n", None, "not UTF-8 text (byte 3)"),
    ],
)
def test_what_is_no_text_of_one_author(tmp_path: Path, content: bytes, line: int | None, told: str) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(RecipeError) as caught:
        yamlio.load(tmp_path / "a.yaml", error=RecipeError)
    assert (caught.value.plain, caught.value.line) == (told, line)
    assert caught.value.hint


def test_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert yamlio.load(tmp_path / "a.yaml", error=RecipeError).data == {"a": 1}


def test_line_ends_of_any_kind(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\r\nb: x\rc: 2\n")
    document = yamlio.load(tmp_path / "a.yaml", error=RecipeError)
    assert document.data == {"a": 1, "b": "x", "c": 2}
    assert document.line(("c",)) == 3
