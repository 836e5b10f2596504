"""`envbuild lock --all`: every recipe of a project, by one process or several, whatever is wrong with one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.lock.read import read_lock
from tests.integration.create.world import wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.create.server import Server
    from tests.integration.create.world import World


@pytest.fixture
def many(world: World) -> World:
    """Six recipes beside tiny, one of which nothing can satisfy and one that is no recipe; mixed is out of the way."""
    recipes = world.project / "recipes"
    (recipes / "mixed.yaml").unlink()
    (world.project / "environments/mixed/conda-lock.yml").unlink()
    text = (recipes / "tiny.yaml").read_text()
    for number in range(1, 5):
        (recipes / f"more{number}.yaml").write_text(text.replace("name: tiny", f"name: more{number}"))
    impossible = text.replace("name: tiny", "name: impossible").replace("filler]", '"filler >=9"]')
    (recipes / "impossible.yaml").write_text(impossible)
    (recipes / "nonsense.yaml").write_text("name: nonsense\nplatforms: none\n")
    return world


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_all_are_locked_but_those_that_cannot_be(many: World, jobs: str) -> None:
    answer = many.run("lock", "--all", "--jobs", jobs, "--json").ended(3)
    locks = {entry["name"]: entry for entry in answer.result["locks"]}
    assert list(locks) == ["impossible", "more1", "more2", "more3", "more4", "nonsense", "tiny"]
    assert {name for name, entry in locks.items() if not entry["ok"]} == {"impossible", "nonsense"}
    assert "nonsense.yaml:2" in locks["nonsense"]["message"]
    one = read_lock(many.project / "environments/more1/conda-lock.yml")
    assert all(
        read_lock(many.project / f"environments/{name}/conda-lock.yml").packages == one.packages
        for name in ("more2", "more3", "more4")
    )
    assert not (many.project / "environments/impossible/conda-lock.yml").exists()
    again = many.run("lock", "--all", "--jobs", jobs).ended(3)
    assert "more3: up to date" in again.stdout
    assert "impossible: NOT locked" in again.stdout
    assert "error: " in again.stderr


def test_one_alone_and_all_give_the_same_bytes(many: World) -> None:
    many.run("lock", "more1").ended(0)
    folder = many.project / "environments/more1"
    alone = {file.name: file.read_bytes() for file in folder.iterdir()}
    for file in folder.iterdir():
        file.unlink()
    many.run("lock", "--all", "--jobs", "2").ended(3)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == alone


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_its_processes_end_with_it(many: World, serve: Callable[[Path], Server], number: signal.Signals) -> None:
    server = serve(many.channel)
    server.stall("repodata")
    process = many.start("lock", "--all", "--jobs", "2", *many.mirror(server.url), program=("-m", "builder"))
    assert server.reached.wait(60)
    children = _descendants(process.pid)
    assert children
    process.send_signal(number)
    answer = wait(process)
    if number is signal.SIGINT:
        answer.ended(130)
    for _ in range(100):
        if not any(_alive(child) for child in children):
            break
        time.sleep(0.05)
    assert [child for child in children if _alive(child)] == []


def _descendants(parent: int) -> list[int]:
    listed = subprocess.run(["/bin/ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found, new = [], {parent}
    while new:
        new = {pid for pid, above in pairs if above in new}
        found += sorted(new)
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a recipe, or lock all"),
        (("tiny", "--all"), "not both"),
        (("tiny", "--jobs", "2"), "--jobs is for many recipes"),
        (("--all", "--resolve"), "one lock at a time"),
        (("--all", "--jobs", "0"), "0 is not in the range"),
        (("--all", "--source", "pypi"), "one at a time"),
    ],
)
def test_what_cannot_be_meant_is_refused(world: World, arguments: tuple[str, ...], told: str) -> None:
    assert told in world.run("lock", *arguments).ended(2).stderr


def test_nothing_to_lock_is_no_success(world: World) -> None:
    (world.root / "empty").mkdir()
    assert "nothing to lock" in world.run("lock", "--all", "--project", str(world.root / "empty")).ended(1).stderr
    assert os.listdir(world.root / "empty") == []  # noqa: PTH208
