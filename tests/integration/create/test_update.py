"""`envbuild update` on a channel that has newer packages: what is named moves, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from builder.channel.archive import PackageSpec
from builder.lock.read import read_lock
from builder.platforms import Subdir
from tests.integration.create.world import package

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.create.world import World


@pytest.fixture
def newer(world: World) -> tuple[str, str]:
    """Arguments to fetch the channel from a copy with newer packages; `addition` is what the new `words` needs."""
    from rattler.index import index_fs

    channel = shutil.copytree(world.channel, world.root / "newer", ignore=shutil.ignore_patterns("repodata*"))
    for name, depends in (("words", ("addition",)), ("filler", ()), ("addition", ())):
        spec = PackageSpec(name=name, version="1.1", build="0", subdir=Subdir.NOARCH, noarch="generic", depends=depends)
        package(channel, spec, {f"share/{name}.txt": b"newer\n"})
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))
    return world.mirror(channel.as_uri())


def _versions(world: World) -> dict[str, str]:
    lock = read_lock(world.project / "environments/tiny/conda-lock.yml")
    return {package.name: package.version for package in lock.packages}


def test_only_what_is_named_moves(world: World, newer: tuple[str, str]) -> None:
    lock = world.project / "environments/tiny/conda-lock.yml"
    before, there = lock.read_bytes(), _versions(world)
    assert {"filler", "words"} <= there.keys(), "both have newer versions, or this proves nothing"
    dry = world.run("update", "tiny", "words", "--dry-run", *newer).ended(0)
    assert lock.read_bytes() == before
    assert f"dry run: {lock} is unchanged" in dry.stdout
    answer = world.run("update", "tiny", "words", *newer).ended(0)
    assert _versions(world) == there | {"words": "1.1", "addition": "1.1"}
    assert "words 1.0 → 1.1 (osx-arm64, linux-64): its update was requested" in answer.stdout
    assert "+ addition 1.1 (osx-arm64, linux-64): words 1.1 needs it" in answer.stdout
    assert answer.stdout.splitlines()[:-1] == dry.stdout.splitlines()[:-1]
    world.run("check", "tiny").ended(0)


def test_all_moves_all_that_can_and_json_says_so(world: World, newer: tuple[str, str]) -> None:
    result = world.run("update", "tiny", "--all", "--json", *newer).ended(0).result
    assert result["written"]
    told = {(move["name"], move["platform"]): move for move in result["moves"]}
    assert {name for name, _ in told} == {"words", "filler", "addition"}
    assert told["filler", "osx-arm64"] == {
        "platform": "osx-arm64",
        "manager": "conda",
        "name": "filler",
        "kind": "moved",
        "before": {"version": "1.0", "build": "0"},
        "after": {"version": "1.1", "build": "0"},
        "why": "its update was requested",
    }
    assert told["addition", "linux-64"]["before"] is None
    again = world.run("update", "tiny", "--all", *newer).ended(0)
    assert "everything is at the newest versions that fit" in again.stdout


def test_what_is_newest_stays_and_is_said(world: World) -> None:
    answer = world.run("update", "tiny", "words").ended(0)
    assert "words stays at 1.0" in answer.stdout
    assert world.run("update", "tiny", "words", "--json").ended(0).result["stayed"] == [
        {"name": "words", "version": "1.0"}
    ]


def _published(channel: Path, moments: dict[str, str]) -> None:
    """Give the packages of a channel these times (the others: 2024), in its metadata as channels have them."""
    for file in channel.glob("*/repodata.json"):
        data = json.loads(file.read_text())
        for name, record in data["packages.conda"].items():
            record.pop("indexed_timestamp", None)
            moment = moments.get(name.rpartition("-")[0], "2024-01-01T00:00:00Z")
            record["timestamp"] = int(datetime.fromisoformat(moment).timestamp() * 1000)
        file.write_text(json.dumps(data))


def test_nothing_is_taken_that_was_published_later(world: World, newer: tuple[str, str]) -> None:
    _published(world.root / "newer", {"words-1.1": "2026-01-31T12:00:00Z", "filler-1.1": "2026-02-01T00:00:01Z"})
    there = _versions(world)
    world.run("update", "tiny", "--all", "--exclude-newer", "2026-01-30", *newer).ended(0)
    assert _versions(world) == there
    world.run("update", "tiny", "--all", "--exclude-newer", "2026-01-31", *newer).ended(0)
    assert _versions(world) == there | {"words": "1.1", "addition": "1.1"}, "a day counts to its end, in UTC"
    world.run("update", "tiny", "--all", "--exclude-newer", "2026-02-01T00:00:02Z", *newer).ended(0)
    assert _versions(world)["filler"] == "1.1"


@pytest.mark.network
def test_nothing_is_taken_from_pypi_that_was_published_later(world: World, newer: tuple[str, str]) -> None:
    """By the times that PyPI gives, through uv: tqdm 4.66.5 is of 2024-08-03, 4.66.6 of 2024-10-28."""
    recipe = world.project / "recipes/mixed.yaml"
    recipe.write_text(recipe.read_text().replace("tinywheel", "tqdm >=4.66"))
    environ = {name: os.environ[name] for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if name in os.environ}
    _published(world.root / "newer", {})
    world.run("lock", "mixed", *newer, **environ).ended(0)
    world.run("update", "mixed", "--all", "--exclude-newer", "2024-09-01", *newer, **environ).ended(0)
    lock = read_lock(world.project / "environments/mixed/conda-lock.yml")
    assert {package.name: package.version for package in lock.packages if package.manager == "pip"} == {
        "tqdm": "4.66.5"
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "which packages of tiny should be updated?"),
        (("words", "--all"), "not both"),
        (("wrods",), "did you mean words?"),
        (("words", "--exclude-newer", "soon"), "'soon' is not a date"),
        (("words", "--exclude-newer", "2026-01-31T12:00"), "has no time zone"),
    ],
)
def test_what_cannot_be_meant_is_refused(world: World, arguments: tuple[str, ...], told: str) -> None:
    lock = world.project / "environments/tiny/conda-lock.yml"
    before = lock.read_bytes()
    assert told in world.run("update", "tiny", *arguments).ended(2).stderr
    assert lock.read_bytes() == before


def test_a_lock_that_is_missing_or_broken_is_not_made_anew(world: World) -> None:
    lock = world.project / "environments/tiny/conda-lock.yml"
    lock.write_text("<<<<<<< ours\n" + lock.read_text())
    broken = lock.read_bytes()
    world.run("update", "tiny", "words").ended(2)
    assert lock.read_bytes() == broken
    lock.unlink()
    assert "run `envbuild lock tiny`" in world.run("update", "tiny", "words").ended(2).stderr
    assert not lock.exists()
