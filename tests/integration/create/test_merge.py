"""Locks that two branches have changed, merged by a real git: by the driver, and afterwards by `lock --resolve`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from builder.channel.archive import PackageSpec
from builder.lock.proof import packages_digest
from builder.lock.read import read_lock
from builder.operations.merge_driver import ATTRIBUTES
from builder.platforms import Subdir
from tests.integration.create.world import package, wait

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import Answer, World

LOCK = "environments/tiny/conda-lock.yml"
_RECIPE = """\
name: tiny
platforms: [linux-64, osx-arm64]
channels: ["{channel}"]
python: "{minor}"
dependencies:
  - words
  # -- what computes
  - prefixed
  # -- what fills
  - filler
  # -- the rest
"""


class Team:
    """A repository with the driver set up, on a channel that has newer packages than the first lock."""

    def __init__(self, world: World, newer: Path) -> None:
        self.world = world
        self.mirror = f"{world.channel.as_uri()}={newer.as_uri()}"
        program = world.root / "bin" / "envbuild"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m builder "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        config = world.root / "config.yaml"
        config.write_text(json.dumps({"mirrors": {world.channel.as_uri(): newer.as_uri()}}))
        self.environ = world.environ(
            ENVBUILD_CONFIG=str(config), PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        )

    @property
    def folder(self) -> Path:
        return self.world.project

    def git(self, *arguments: str, ends: int = 0, **environ: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        program = shutil.which("git") or "git"
        environ = {**self.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true", **environ}
        ended = subprocess.run(
            [program, *who, *arguments], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        assert ended.returncode == ends, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def run(self, *arguments: str, **environ: str) -> Answer:
        return self.world.run(*arguments, **{**self.environ, **environ})

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def change(self, before: str, after: str) -> None:
        recipe = self.folder / "recipes/tiny.yaml"
        text = recipe.read_text()
        assert before in text
        recipe.write_text(text.replace(before, after, 1))

    def versions(self) -> dict[str, str]:
        return {package.name: package.version for package in read_lock(self.folder / LOCK).packages}


@pytest.fixture
def team(world: World) -> Team:
    """On `main`: the lock of tiny at 1.0 of all; the channel has 1.1 of all by now, and `addition` and `another`."""
    from rattler.index import index_fs

    newer = shutil.copytree(world.channel, world.root / "newer", ignore=shutil.ignore_patterns("repodata*"))
    for name, version in (("words", "1.1"), ("filler", "1.1"), ("addition", "1.0"), ("another", "1.0"), ("odd", "1.0")):
        depends = ("filler ==1.0",) if name == "odd" else ()
        spec = PackageSpec(
            name=name, version=version, build="0", subdir=Subdir.NOARCH, noarch="generic", depends=depends
        )
        package(newer, spec, {f"share/{name}.txt": b"newer\n"})
    asyncio.run(index_fs(newer, write_zst=False, write_shards=False))
    recipe = world.project / "recipes/tiny.yaml"
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    recipe.write_text(_RECIPE.format(channel=world.channel.as_uri(), minor=minor))
    (world.project / "environments/tiny/environment.dev.yml").unlink()
    team = Team(world, newer)
    team.run("lock", "tiny").ended(0)
    team.git("init", "-q", "-b", "main")
    team.run("merge-lock", "--install").ended(0)
    team.commit("one")
    return team


def _two_branches(team: Team, *, below: str = "  # -- the rest\n") -> None:
    """`theirs` adds `addition` below a line of the recipe, and updates `words`; `main` adds `another` below `words`."""
    team.git("switch", "-qc", "theirs")
    team.change(below, f"{below}  - addition\n")
    team.run("update", "tiny", "words").ended(0)
    team.commit("addition")
    team.git("switch", "-q", "main")
    team.change("  - words\n", "  - words\n  - another\n")
    team.run("lock", "tiny").ended(0)
    team.commit("another")


_MERGED = {"words": "1.1", "filler": "1.0", "addition": "1.0", "another": "1.0"}


@pytest.mark.parametrize(
    "how", [("merge", "theirs"), ("rebase", "theirs"), ("cherry-pick", "theirs")], ids=lambda how: how[0]
)
def test_both_sides_are_kept_without_a_conflict(team: Team, how: tuple[str, ...]) -> None:
    _two_branches(team)
    assert team.versions()["words"] == "1.0"
    told = team.git(*how)
    assert "CONFLICT" not in told
    assert team.git("status", "--porcelain") == ""
    there = team.versions()
    assert {name: there[name] for name in _MERGED} == _MERGED, "filler has 1.1, which neither side asked for"
    team.run("check", "tiny").ended(0)
    assert "<<<<" not in (team.folder / LOCK).read_text()


def test_both_sides_of_a_criss_cross_merge_are_kept(team: Team) -> None:
    """Each branch has merged the other before, so that what both come from are two commits, with two locks."""
    _two_branches(team)
    team.git("branch", "mine")
    team.git("merge", "-q", "theirs")
    team.git("switch", "-q", "theirs")
    team.git("merge", "-q", "mine")
    team.run("update", "tiny", "filler").ended(0)
    team.commit("filler")
    team.git("switch", "-q", "main")
    team.change("  - another\n", "")
    team.run("lock", "tiny").ended(0)
    team.commit("without another")
    assert len(team.git("merge-base", "--all", "main", "theirs").split()) == 2
    team.git("merge", "theirs")
    assert team.versions().items() >= {"words": "1.1", "filler": "1.1", "addition": "1.0"}.items()
    assert "another" not in team.versions()
    team.run("check").ended(0)
    assert team.git("status", "--porcelain") == ""


def test_in_a_folder_of_another_working_tree(team: Team) -> None:
    """A project below the top of the repository, merged in a linked working tree."""
    (team.folder / "below").mkdir()
    for name in ("recipes", "environments", ".gitattributes"):
        team.git("mv", name, f"below/{name}")
    team.commit("moved")
    _below(team, "theirs", "  # -- the rest\n", "  # -- the rest\n  - addition\n")
    team.git("switch", "-q", "main")
    _below(team, "mine", "  - words\n", "  - words\n  - another\n")
    team.git("worktree", "add", "-q", "../tree", "theirs")
    told = team.git("-C", "../tree", "merge", "mine")
    assert "CONFLICT" not in told
    names = {package.name for package in read_lock(team.world.root / "tree/below" / LOCK).packages}
    assert names >= {"addition", "another"}


def _below(team: Team, branch: str, before: str, after: str) -> None:
    team.git("switch", "-qc", branch)
    recipe = team.folder / "below/recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace(before, after))
    team.run("lock", "tiny", "--project", "below").ended(0)
    team.commit(branch)


def test_a_recipe_in_conflict_is_merged_first_and_the_lock_after_it(team: Team) -> None:
    _two_branches(team, below="  - words\n")
    told = team.git("merge", "theirs", ends=1)
    assert "both sides have changed recipes/tiny.yaml" in told
    assert "envbuild lock tiny --resolve" in told
    assert "<<<<<<< ours" in (team.folder / LOCK).read_text()
    early = team.run("lock", "tiny", "--resolve").ended(2)
    assert "recipes/tiny.yaml" in early.stderr
    assert "<<<<<<<" in (team.folder / LOCK).read_text()
    recipe = team.folder / "recipes/tiny.yaml"
    lines = [
        line
        for line in recipe.read_text().splitlines(keepends=True)
        if line[:7] not in ("<<<<<<<", "=======", ">>>>>>>")
    ]
    recipe.write_text("".join(lines))
    team.run("lock", "tiny", "--resolve").ended(0)
    there = team.versions()
    assert {name: there[name] for name in _MERGED} == _MERGED
    team.run("check", "tiny").ended(0)
    team.commit("merged")
    assert "nothing in" in team.run("lock", "tiny", "--resolve").ended(2).stderr


def test_without_the_driver_the_marks_are_enough(team: Team) -> None:
    """A colleague who has not set it up gets git's conflict marks in every file of the lock."""
    for name in ("name", "driver", "recursive"):
        team.git("config", "--unset", f"merge.envbuild.{name}")
    _two_branches(team)
    team.git("merge", "theirs", ends=1)
    assert "<<<<<<<" in (team.folder / LOCK).read_text()
    shutil.rmtree(team.folder / ".git")
    team.run("lock", "tiny", "--resolve").ended(0)
    there = team.versions()
    assert {name: there[name] for name in _MERGED} == _MERGED
    team.run("check", "tiny").ended(0)


def test_what_cannot_be_solved_is_a_conflict_with_its_reason(team: Team) -> None:
    team.git("switch", "-qc", "theirs")
    team.change("  # -- the rest\n", "  # -- the rest\n  - odd\n")
    team.run("lock", "tiny").ended(0)
    team.commit("odd")
    team.git("switch", "-q", "main")
    team.change("  - words\n", "  - words\n  - filler >=1.1\n")
    team.run("lock", "tiny").ended(0)
    team.commit("filler")
    told = team.git("merge", "theirs", ends=1)
    assert "CONFLICT (content)" in told
    assert "odd" in told
    assert "loosen or leave out" in told
    assert "<<<<<<< ours" in (team.folder / LOCK).read_text()
    assert team.git("show", f":2:{LOCK}") != team.git("show", f":3:{LOCK}")


def test_a_driver_that_is_killed_leaves_nothing_lost(team: Team, serve: Callable[[Path], Server]) -> None:
    """Killed while it waits for the channel's metadata."""
    _two_branches(team)
    for name, commit in (("ours", "main"), ("theirs", "theirs"), ("base", "main~1")):
        (team.folder / name).write_text(team.git("show", f"{commit}:{LOCK}"))
    server = serve(team.world.channel)
    server.stall("repodata")
    process = team.world.start(
        "merge-lock", "base", "ours", "theirs", LOCK, *team.world.mirror(server.url), program=("-m", "builder"),
        **team.environ,
    )  # fmt: skip
    assert server.reached.wait(60)
    process.kill()
    assert wait(process).code == -signal.SIGKILL
    marked = (team.folder / "ours").read_text()
    assert "<<<<<<< ours" in marked
    assert "addition" in marked
    assert "another" in marked


def test_proofs_of_the_very_same_packages_are_kept(team: Team) -> None:
    """Both sides have proven; after the merge only what is proven of just these packages is said to be."""
    from builder.lock.proof import PlatformProof, dump_proofs

    def prove(*platforms: str) -> None:
        lock = read_lock(team.folder / LOCK)
        proofs = {
            name: PlatformProof(
                packages=1, digest=packages_digest(lock.on(Subdir(name))), proven=True, system="glibc",
                judged_for=None, holds_from=None,
            )
            for name in platforms
        }  # fmt: skip
        (team.folder / "environments/tiny/proof.json").write_text(dump_proofs("tiny", proofs))

    prove("linux-64")
    team.commit("proof")
    team.git("switch", "-qc", "theirs")
    team.change("  # -- the rest\n", "  # -- the rest\n  - {conda: addition, platforms: [osx-arm64]}\n")
    team.run("lock", "tiny").ended(0)
    prove("linux-64", "osx-arm64")
    team.commit("addition on a Mac")
    team.git("switch", "-q", "main")
    team.change("  - words\n", "  - words\n  - {conda: another, platforms: [osx-arm64]}\n")
    team.run("lock", "tiny").ended(0)
    prove("linux-64", "osx-arm64")
    team.commit("another on a Mac")
    team.git("merge", "theirs")
    (state,) = team.run("check", "tiny", "--json").ended(0).result["locks"]
    proofs = {name: proof["state"] for name, proof in state["proofs"].items()}
    assert proofs == {"linux-64": "proven", "osx-arm64": "not proven"}


def test_install_says_what_it_did_and_may_be_run_again(team: Team) -> None:
    attributes = (team.folder / ".gitattributes").read_text()
    assert all(line in attributes.splitlines() for line in ATTRIBUTES)
    assert team.git("config", "merge.envbuild.driver") == "envbuild merge-lock %O %A %B %P\n"
    again = team.run("merge-lock", "--install", "--json").ended(0).result
    assert not again["written"]
    assert (team.folder / ".gitattributes").read_text() == attributes
    shutil.rmtree(team.folder / ".git")
    assert "git init" in team.run("merge-lock", "--install").ended(2).stderr
    assert "four files" in team.run("merge-lock", "a", "b").ended(2).stderr
