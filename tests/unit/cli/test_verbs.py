"""Verbs on input that a user can get wrong, without the network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.resources import shipped

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home" / "data"))
    monkeypatch.setenv("ENVBUILD_CONFIG", str(tmp_path / "none.yaml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--group", "docs"], "--group goes with --platform"),
        (["--platform", "linux-64", "--group", "docs"], "has no group docs"),
    ],
)
def test_render_refuses_a_group_it_would_ignore(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert run(cli, ["render", "ml-m1", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_render_writes_the_files_of_every_recipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """As pre-commit calls it, with the files of all recipes that changed, and by names."""
    (tmp_path / "recipes").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "recipes" / f"{name}.yaml").write_text(f"name: {name}\nextends: ml-base\n")
    assert run(cli, ["render", "recipes/one.yaml", "two", "recipes/two.yaml", "--offline", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert (result["name"], result["names"]) == (None, ["one", "two"])
    assert {Path(file).parent.name for file in result["files"]} == {"one", "two"}
    assert all(Path(file).is_file() for file in result["files"])
    assert run(cli, ["render", "three", "--offline", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["name"] == "three"
    assert run(cli, ["render", "one", "two", "--platform", "linux-64"]) == 2


def test_verify_of_nothing_is_no_success(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A mistyped folder must not turn CI green."""
    (tmp_path / "empty").mkdir()
    assert run(cli, ["verify", "./empty", "--static", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "failed"
    assert not told["result"]["ok"]
    assert told["errors"][0]["message"] == "nothing could be checked"


def test_create_refuses_a_foreign_folder_before_it_solves(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """There is no network here: solving first would end with another error. Nothing is left beside the folder."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.tex").write_text("mine")
    before = sorted(tmp_path.iterdir())
    assert run(cli, ["create", "torch-m1", "-p", "work", "--channel", "http://127.0.0.1:9/none"]) == 2
    assert "that envbuild did not make" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_lock_says_why_a_channel_cannot_be_reached() -> None:
    """The gateway tells the cause only to whoever asked first, which is the fetch before the solve."""
    # In a process of its own: locking imports a part of conda-lock only, which other tests want whole.
    command = [sys.executable, "-m", "builder", "lock", "data-m1", "--channel", "http://127.0.0.1:9/none"]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "ENVBUILD_OFFLINE": ""}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert ended.returncode == 4
    assert "coalesced" not in ended.stderr
    assert "Connection refused" in ended.stderr


def test_check_tells_an_unsound_lock_from_a_stale_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "environments" / "ml-m1"
    shutil.copytree(shipped("environments") / "ml-m1", folder)
    lock = folder / "conda-lock.yml"
    text = lock.read_text()
    with (folder / "environment.yml").open("a") as stream:
        stream.write("# edited\n")
    assert run(cli, ["check", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["result"]["locks"][0]["state"]) == ("failed", "NOT up to date")
    lock.write_text(text.replace("https://conda.anaconda.org/conda-forge/", "https://elsewhere.example/forge/", 1))
    assert run(cli, ["check", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["result"]["locks"][0]["state"]) == ("error", "NOT sound")
