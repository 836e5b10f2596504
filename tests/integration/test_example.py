"""The example repository of a team is one that works: its lock is sound and its recipe's, and it builds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import pytest

from builder.cli import cli
from builder.cli.session import run

EXAMPLE: Final = Path(__file__).parents[2] / "docs" / "examples" / "team"


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of it, of a colleague with an empty home."""
    clone = tmp_path / "team"
    shutil.copytree(EXAMPLE, clone)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir(clone)
    return clone


def test_its_lock_is_sound_and_its_recipes(team: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["check", "digits"]) == 0, capsys.readouterr()


def test_its_schema_is_the_one_that_envbuild_has(team: Path) -> None:
    shipped = Path(__file__).parents[2] / "recipes" / "recipe.schema.json"
    assert (team / "recipes" / "recipe.schema.json").read_bytes() == shipped.read_bytes()


def test_an_altered_recipe_is_noticed(team: Path) -> None:
    recipe = team / "recipes" / "digits.yaml"
    recipe.write_text(recipe.read_text().replace("- numpy\n", "- numpy\n  - pandas\n"))
    assert run(cli, ["check", "digits"]) == 1


@pytest.mark.network
@pytest.mark.heavy
def test_it_builds_and_classifies_digits(team: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From PyPI, which is what every machine can reach; the recipe's own snippet trains a classifier."""
    assert run(cli, ["create", "digits", "--source", "pypi", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    checks = {(finding["check"], finding["status"]) for finding in result["verification"]["findings"]}
    assert ("import.alone", "pass") in checks
    assert result["verification"]["ok"]
