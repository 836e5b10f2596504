"""What uv installs is what was locked, whatever its cache, the user's shell or other people's files say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.create.world import MINOR, TINY_MODULE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import World

SITE = f"lib/python{MINOR}/site-packages"


@pytest.fixture
def index(world: World, serve: Callable[[Path], Server]) -> str:
    return f"{serve(world.index).url}/simple"


def _module(world: World) -> Path:
    return world.prefix("mixed") / SITE / "tinywheel.py"


@pytest.mark.parametrize("mode", [None, "hardlink", "symlink", "clone"])
def test_an_edited_module_is_not_the_next_environments(world: World, index: str, mode: str | None) -> None:
    """Hard links, which uv falls back to where a file system cannot clone, would make the edit the cache's."""
    environ = {"UV_DEFAULT_INDEX": index} | ({"UV_LINK_MODE": mode} if mode else {})
    world.create("mixed", **environ).ended(0)
    module = _module(world)
    assert not module.is_symlink()
    assert module.stat().st_nlink == 1
    with module.open("a") as stream:
        stream.write("VALUE = 'edited'\n")
    world.create("mixed", "--force", **environ).ended(0)
    assert _module(world).read_text() == TINY_MODULE


def test_an_edited_cache_is_found_out(world: World, index: str) -> None:
    """By whatever other tool: what is installed is compared with its RECORD, and fetched anew."""
    world.create("mixed", UV_DEFAULT_INDEX=index).ended(0)
    cached = [path for path in (world.root / "uv-cache").rglob("tinywheel.py") if path.is_file()]
    assert cached
    for path in cached:
        path.write_text("VALUE = 'poisoned'\n")
    world.create("mixed", "--force", UV_DEFAULT_INDEX=index).ended(0)
    assert _module(world).read_text() == TINY_MODULE
    for path in cached:
        path.unlink()
    world.create("mixed", "--force", UV_DEFAULT_INDEX=index).ended(0)
    assert _module(world).read_text() == TINY_MODULE


@pytest.mark.parametrize("file", ["uv.toml", "pyproject.toml"])
def test_a_planted_configuration_decides_nothing(world: World, index: str, file: str) -> None:
    """Any user of the machine may leave one in the folder for temporary files; only one's own counts."""
    shared = world.root / "shared-tmp"
    shared.mkdir()
    section = "" if file == "uv.toml" else "[tool.uv]\n"
    (shared / file).write_text(f'{section}index-url = "http://127.0.0.1:1/planted"\n')
    settings = world.home / ".config" / "uv"
    settings.mkdir(parents=True)
    (settings / "uv.toml").write_text(f'index-url = "{index}"\n')
    environ = {"TMPDIR": str(shared), "UV_NO_CONFIG": "0", "UV_DEFAULT_INDEX": ""}
    world.create("mixed", **environ).ended(0)
    assert [path.name for path in shared.iterdir() if path.name.startswith("envbuild")] == []


def test_the_projects_own_configuration_counts(world: World, index: str) -> None:
    (world.project / "uv.toml").write_text(f'index-url = "{index}"\n')
    world.create("mixed", UV_NO_CONFIG="0", UV_DEFAULT_INDEX="").ended(0)
