"""What verbs draw is readable at 60 columns, and answers in its first line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from rich.console import Console

from builder.cli.draw_compat import explained, tables
from builder.cli.draw_plan import drawn
from builder.compat.explain import explain_by_origin, parse
from builder.compat.load import load_facts
from builder.compat.tables import grids
from builder.plan.make import make_plans
from builder.plan.terms import Source
from builder.project import Project

if TYPE_CHECKING:
    from rich.console import RenderableType

ROOT = Path(__file__).parents[3]


def shown(renderable: RenderableType, *, width: int) -> list[str]:
    console = Console(width=width, color_system=None, markup=False, highlight=False, emoji=False)
    with console.capture() as capture:
        console.print(renderable, crop=False)
    return [line.rstrip().replace("\N{NO-BREAK SPACE}", " ") for line in capture.get().splitlines()]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_tables_fit(width: int) -> None:
    """Three of five tables once had headers of one letter."""
    lines = shown(tables(grids(load_facts()), (), ()), width=width)
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    turned = [line for line in lines if line.startswith("  ")]
    assert bool(turned) is (width < 200)
    assert not [line for line in turned if line.endswith(("✓", "✗", "!", "~", "·", "?", "–"))]


def test_a_table_says_the_same_in_both_forms() -> None:
    (grid,) = (one for one in grids(load_facts()) if one.name == "keras")
    narrow = " ".join(shown(tables([grid], (), ()), width=80)).split()
    wide = shown(tables([grid], (), ()), width=300)
    row = next(line for line in wide if line.startswith("2.16 "))
    works = [column for column, sign in zip(grid.columns, row.split()[1:], strict=True) if sign == "✓"]
    told = " ".join(narrow)
    assert f"2.16 ✓ {works[0]} to {works[-1]}" in told


def test_an_explanation_answers_first() -> None:
    facts = load_facts()
    words = ("tensorflow=2.19", "numpy=2.3")
    (first, *rest) = shown(explained(explain_by_origin(parse(words, facts), subdir=None, facts=facts)), width=300)
    assert first == "tensorflow 2.19.1 and numpy 2.3.5: not compatible from PyPI; compatible from conda-forge"
    assert sum("passed 14 functional steps" in line for line in rest) == 1  # what both rest on is said once


@pytest.mark.parametrize(
    ("provider", "source", "said"),
    [
        ("conda-forge", Source.CONDA_FORGE, "from conda-forge"),
        ("pypi", Source.CONDA_FORGE, "from PyPI, over a conda Python"),
        ("metal", Source.CONDA_FORGE, "from PyPI, over a conda Python"),
        ("pypi", Source.PYPI, "from PyPI, over this machine's Python"),
    ],
)
def test_show_says_whose_python_the_wheels_are_laid_over(
    tmp_path: Path, provider: str, source: Source, said: str
) -> None:
    recipe = Project(root=ROOT, state=tmp_path, found=True).recipe("ml-m1-metal")
    asked = structs.replace(recipe, framework=structs.replace(recipe.framework, provider=provider))
    plans = tuple(make_plans(asked, facts=load_facts(), source=source).values())
    lines = shown(drawn(plans, details=False), width=200)
    assert [line.partition(";")[0] for line in lines if line.startswith("from ")] == [said]


def test_show_says_once_what_platforms_share(tmp_path: Path) -> None:
    recipe = Project(root=ROOT, state=tmp_path, found=True).recipe("ml-m1-metal")
    plans = tuple(make_plans(recipe, facts=load_facts()).values())
    lines = shown(drawn(plans, details=False), width=60)
    assert max(map(len, lines)) <= 60
    whole = " ".join(" ".join(lines).split())
    assert whole.startswith("ml-m1-metal on osx-arm64 and linux-64: python 3.")
    assert whole.count("the newest Python the recipe allows") == 1
    assert whole.count("asked for by the recipe: ipykernel") == 1
    on_mac = whole.partition("only on osx-arm64")[2].partition("only on")[0]
    assert "tensorflow-metal ==" in on_mac
