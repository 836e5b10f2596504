"""What is imported can be locked: from files, from our own exports, and from an environment that was built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.create.world import HERE, MINOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import World


def test_an_environment_yml(world: World, serve: Callable[[Path], Server]) -> None:
    (world.project / "environment.yml").write_text(
        f"name: theirs\nchannels: ['{world.channel.as_uri()}']\n"
        f"dependencies: [python={MINOR}, words=1.0, pip, {{pip: [tinywheel>=1]}}]\nplatforms: [{HERE}]\n"
    )
    world.run("import", "environment.yml").ended(0)
    index = f"{serve(world.index).url}/simple"
    world.run("lock", "theirs", UV_DEFAULT_INDEX=index).ended(0)
    world.run("check", "theirs").ended(0)
    lock = (world.project / "environments" / "theirs" / "conda-lock.yml").read_text()
    assert "name: words" in lock
    assert "name: tinywheel" in lock


def test_our_own_explicit_list_comes_back_the_same(world: World) -> None:
    """Export, import, lock, export: the same packages."""
    first = world.root / "first.txt"
    world.run("export", "tiny", "--format", "explicit", "--platform", HERE, "-o", str(first)).ended(0)
    world.run("import", str(first), "--name", "again").ended(0)
    world.run("lock", "again").ended(0)
    second = world.run("export", "again", "--format", "explicit").ended(0).stdout

    def packages(text: str) -> set[str]:
        return {line for line in text.splitlines() if "://" in line}

    assert packages(second) == packages(first.read_text())


def test_an_environment_that_was_built(world: World) -> None:
    """What its recipe asked for, and not what that needed."""
    world.create("tiny").ended(0)
    imported = world.run("import", str(world.prefix()), "--name", "copy", "--json").ended(0).result
    text = imported["text"]
    assert "words" in text
    assert "filler" in text
    assert "python_abi" not in text
    assert world.channel.as_uri() in text
    world.run("lock", "copy").ended(0)
