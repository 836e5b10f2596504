"""Tables, heat maps, documentation and the verb that shows them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.compat.draw import COLOURS, svg
from builder.compat.load import load_facts
from builder.compat.page import page
from builder.compat.tables import LEGEND, grids, releases
from builder.page import Made
from tools.measuring.document import documents

if TYPE_CHECKING:
    from builder.compat.facts import Facts

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


def test_the_documentation_says_what_the_facts_say(facts: Facts) -> None:
    """After a change of facts: `python tools/measure.py docs`."""
    for name, text in documents(facts).items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, name


def test_every_heat_map_is_well_formed_and_marks_states_by_sign_and_colour(facts: Facts) -> None:
    assert COLOURS.keys() == LEGEND.keys()
    for grid in grids(facts):
        root = ET.fromstring(svg(grid))  # noqa: S314 - our own output
        cells = root.findall("{http://www.w3.org/2000/svg}g")
        assert len(cells) == len(grid.rows) * len(grid.columns) == len(grid.cells)
    assert "<script" not in page(
        grids(facts), made=Made(at=datetime(2026, 11, 24, tzinfo=UTC)), as_of=facts.newest_date
    )


def test_tables_can_be_narrowed(facts: Facts) -> None:
    assert [grid.name for grid in grids(facts)] == [spec.name for spec in facts.grids]
    assert {grid.name for grid in grids(facts, packages=["tensorflow-metal"])} == {"metal", "metal-keras"}
    (first, *_) = grids(facts, packages=["tensorflow"], version="2.18")
    assert first.rows == ("2.18",)
    rows = releases(facts, packages=["tensorflow"], version="2.18", platform="osx-arm64")
    assert {row.platform for row in rows} == {"osx-arm64"}
    assert all(row.version.startswith("2.18") for row in rows)


def envelope(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = run(cli, ["compat", "--json", *words])
    return code, json.loads(capsys.readouterr().out)


def test_explain_answers_with_the_symbol_its_source_and_what_fits(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = envelope(capsys, "explain", "tensorflow=2.18", "tensorflow-metal=1.1.0")
    assert code == 0
    result = answer["result"]
    assert result["answer"] == "refused"
    (refusal, *_) = [reason for reason in result["reasons"] if reason["kind"] == "refuses"]
    assert "__ZN3tsl8internal10LogMessageC1EPKcii" in refusal["statement"]
    assert refusal["established"] == "measured"
    assert refusal["source"]
    assert refusal["measured_on"]
    assert any("tensorflow-metal 1.2.0" in offer for offer in result["nearest"])


def test_the_tables_are_given_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = envelope(capsys, "--package", "tensorflow-metal")
    assert code == 0
    cells = {(c["row"], c["column"]): c for grid in answer["result"]["grids"] for c in grid["cells"]}
    assert cells["1.2.0", "2.19"]["state"] == "works"
    assert cells["1.2.0", "2.20"]["state"] == "fails"
    assert cells["1.2.0", "2.20"]["sources"]


def test_the_tables_are_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["compat"]) == 0
    shown = capsys.readouterr().out
    for grid in ("Keras × TensorFlow", "tensorflow-metal × TensorFlow"):
        assert grid in shown
    assert run(cli, ["compat", "explain", "tensorflow=2.19", "keras=3.12"]) == 0
    assert "From PyPI: compatible" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["explain"], "nothing to explain"),
        (["explain", "tensorflow"], "is not package=version"),
        (["explain", "nosuch=1"], "no fact is about"),
        (["explain", "keras=3.5", "keras=3.6"], "given twice"),
        (["tables"], "no fact is about"),
        (["--package", "nosuch"], "no fact is about"),
        (["--package", "keras", "--version", "9.9"], "no fact is about keras 9.9"),
        (["--package", "keras", "--version", "abc"], "is not a version"),
        (["--version", "2.18"], "narrows the tables of a --package"),
        (["--html", "/proc/none/x.html"], "cannot be written"),
    ],
)
def test_bad_words_end_with_usage_and_no_traceback(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    code, answer = envelope(capsys, *words)
    assert code == 2
    assert says in answer["errors"][0]["message"]
    assert answer["errors"][0]["hint"]


def test_the_heat_maps_are_written_as_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "page.html"
    assert run(cli, ["compat", "--html", str(target)]) == 0
    capsys.readouterr()
    assert target.read_text(encoding="utf-8").count('<table class="grid"') == len(load_facts().grids)
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
