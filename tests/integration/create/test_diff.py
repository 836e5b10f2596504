"""`envbuild diff` on a real git history, two platforms, files, and a real environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.create.world import World


def git(folder: Path, *arguments: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    ended = subprocess.run(
        [shutil.which("git") or "git", *who, *arguments],
        cwd=folder,
        env=environ,
        check=True,
        capture_output=True,
        text=True,
    )
    return ended.stdout.strip()


@pytest.fixture
def history(world: World) -> World:
    """The project as a repository: `one`, where `filler` is in the lock of tiny, and then a commit without it."""
    git(world.project, "init", "-q", "-b", "main")
    git(world.project, "add", ".")
    git(world.project, "commit", "-qm", "one")
    git(world.project, "tag", "one")
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace(", filler", ""))
    world.run("lock", "tiny").ended(0)
    git(world.project, "commit", "-qam", "two")
    return world


def test_between_revisions(history: World) -> None:
    assert "no difference" in history.run("diff", "tiny").ended(0).stdout
    told = history.run("diff", "tiny", "one").ended(0).stdout
    assert told.splitlines() == ["tiny: one → now", "  - filler 1.0  (osx-arm64, linux-64)"]
    back = history.run("diff", "tiny", "HEAD", "HEAD~1", "--json").ended(0).result["comparisons"][0]
    assert (back["before"], back["after"], back["same"]) == ("HEAD", "HEAD~1", False)
    assert [(change["platform"], change["name"], change["kind"]) for change in back["changes"]] == [
        ("osx-arm64", "filler", "added"),
        ("linux-64", "filler", "added"),
    ]
    (file,) = (history.channel / "noarch").glob("filler-*.conda")
    size = {"bytes": file.stat().st_size, "packages": 1, "unknown": 0}
    assert back["downloads"] == {"osx-arm64": size, "linux-64": size}
    every = history.run("diff", "one", "--markdown").ended(0).stdout
    assert "### mixed: one → now\n\nNo difference." in every
    assert "| removed | filler | 1.0 |  | osx-arm64, linux-64 |" in every


def test_a_folder_below_the_repository_is_a_project_too(history: World) -> None:
    moved = history.project / "below"
    moved.mkdir()
    for name in ("recipes", "environments"):
        git(history.project, "mv", name, f"below/{name}")
    git(history.project, "commit", "-qm", "moved")
    assert "no difference" in history.run("diff", "tiny", "HEAD", "--project", "below").ended(0).stdout


def test_a_lock_that_was_not_there_is_all_new(history: World) -> None:
    git(history.project, "rm", "-q", "--cached", "-r", "environments/mixed")
    git(history.project, "commit", "-qm", "no mixed")
    result = history.run("diff", "mixed", "--json").ended(0).result["comparisons"][0]
    assert result["platforms"]["added"] == ["linux-64"]
    assert {change["kind"] for change in result["changes"]} == {"added"}


def test_between_files_and_platforms(history: World) -> None:
    (history.root / "old.yml").write_text(git(history.project, "show", "one:environments/tiny/conda-lock.yml"))
    new = "environments/tiny/conda-lock.yml"
    assert "- filler 1.0" in history.run("diff", "../old.yml", new).ended(0).stdout
    assert "- filler 1.0" in history.run("diff", "tiny", "../old.yml").ended(0).stdout
    told = history.run("diff", "tiny", "--platforms", "linux-64", "osx-arm64").ended(0).stdout
    assert told == "tiny: linux-64 → osx-arm64\n  no difference\n", "Python is the same in another build"


def test_with_an_environment(history: World) -> None:
    git(history.project, "checkout", "-q", "one", "--", "recipes", "environments")
    history.create("tiny").ended(0)
    assert "no difference" in history.run("diff", "tiny", "--prefix", "tiny").ended(0).stdout
    (answer,) = history.run("diff", "tiny", "main", "--prefix", "tiny", "--json").ended(0).result["comparisons"]
    assert [(change["name"], change["kind"]) for change in answer["changes"]] == [("filler", "removed")]
    assert answer["before"] == str(history.prefix())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("tiny", "nonsense"), "'nonsense' is neither a file nor a revision"),
        (("tiny", "HEAD:recipes"), "neither a file nor a revision"),
        (("--", "tiny", "--output=x"), "neither a file nor a revision"),
        (("tiny", "no/such.yml"), "no/such.yml: no such file"),
        (("tiny", "a", "b", "c"), "at most two states"),
        (("nobody", "a", "b"), "at most two states"),
        (("tiny", "recipes/tiny.yaml"), "recipes/tiny.yaml"),
        (("environments/tiny/conda-lock.yml",), "which lock is to be compared"),
        (("mixed", "--platforms", "osx-arm64", "linux-64"), "the lock has no osx-arm64"),
        (("--platforms", "osx-arm64", "linux-64"), "name the recipe"),
        (("tiny", "--prefix", "nobody"), "nobody"),
        (("tiny", "--prefix", "x", "--platforms", "osx-arm64", "linux-64"), "different things"),
    ],
)
def test_what_cannot_be_compared_is_refused(history: World, arguments: tuple[str, ...], told: str) -> None:
    assert told in history.run("diff", *arguments).ended(2).stderr
    assert not (history.project / "x").exists()


def test_outside_a_repository(world: World) -> None:
    told = world.run("diff", "tiny", "HEAD", GIT_CEILING_DIRECTORIES=str(world.root)).ended(2).stderr
    assert "is not in a git repository" in told
    assert "git is not installed" in world.run("diff", "tiny", PATH=str(world.home)).ended(2).stderr
