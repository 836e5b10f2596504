"""The reference pages are what the code says now, and the JSON page names every key that a verb gives."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from builder.cli import VERBS
from tools import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[3]


@pytest.mark.parametrize("name", reference.pages())
def test_a_generated_page_is_up_to_date(name: str) -> None:
    file = reference.FOLDER / name
    told = file.read_text(encoding="utf-8") if file.exists() else ""
    assert told == reference.pages()[name], f"{name} is out of date: run `python tools/reference.py`"


def _keys(verb: str) -> Iterator[str]:
    """The keys of every `Output(result={…})` that a verb's module writes out."""
    source = (ROOT / Path(*VERBS[verb][0].split("."))).with_suffix(".py").read_text(encoding="utf-8")
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Output":
            for given in call.keywords:
                if given.arg == "result" and isinstance(given.value, ast.Dict):
                    yield from (str(key.value) for key in given.value.keys if isinstance(key, ast.Constant))


@pytest.mark.parametrize("verb", VERBS)
def test_the_json_page_names_every_key(verb: str) -> None:
    page = (reference.FOLDER / "json-output.md").read_text(encoding="utf-8").partition("| verb | `result` |")[2]
    row = next((line for line in page.splitlines() if re.match(rf"\| [^|]*`{verb}`[^|]*\|", line)), None)
    assert row is not None, f"docs/reference/json-output.md does not have `{verb}`"
    assert not [key for key in _keys(verb) if f"`{key}`" not in row]
