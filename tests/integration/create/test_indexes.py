"""The index that packages come from: whose configuration names it, with which credentials, and what is left of them."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.integration.create.world import TINY_MODULE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import World

PLANTED = "pl4nted-S3CR3T"


@pytest.fixture
def private(world: World, serve: Callable[[Path], Server]) -> Server:
    """The index of `mixed`'s wheel, which wants a user and a password."""
    server = serve(world.index)
    server.authorization = "Basic " + base64.b64encode(f"me:{PLANTED}".encode()).decode()
    return server


def _found(world: World, secret: str) -> list[Path]:
    """Every file below the world's root that has the secret in its name or content."""
    return [
        path
        for path in world.root.rglob("*")
        if secret in path.name or (path.is_file() and not path.is_symlink() and secret.encode() in path.read_bytes())
    ]


def test_planted_credentials_are_nowhere(world: World, private: Server) -> None:
    """Locked and created from an index with credentials in its URL: no file, no cache and no message has them."""
    url = private.url.replace("://", f"://me:{PLANTED}@")
    world.root.joinpath("project/environments/mixed/conda-lock.yml").unlink()
    said = [
        world.run("lock", "mixed", UV_DEFAULT_INDEX=f"{url}/simple").ended(0),
        world.create("mixed", UV_DEFAULT_INDEX=f"{url}/simple").ended(0),
        world.run("update", "mixed", "--all", UV_DEFAULT_INDEX=f"{url.replace('S3CR3T', 'S3CR3T-wrong')}/simple").ended(
            4
        ),
        world.create("mixed", "--force", UV_DEFAULT_INDEX=f"{url}/nothing", UV_CACHE_DIR=f"{world.root}/c2").ended(4),
    ]
    encoded = private.authorization.removeprefix("Basic ") if private.authorization else ""
    for secret in (PLANTED, encoded):
        assert _found(world, secret) == []
        assert not any(secret in f"{answer.stdout}{answer.stderr}" for answer in said)


@pytest.mark.parametrize(("before", "after"), [(f"me:{PLANTED}@", ""), ("", f"/t/{PLANTED}")])
def test_planted_credentials_of_a_mirror_are_nowhere(
    world: World, serve: Callable[[Path], Server], before: str, after: str
) -> None:
    """Sent to the mirror, and in no record of a package, no cache and no message."""
    folder = world.root / "served"
    folder.mkdir()
    # A token is a part of the path, which the server takes as it is.
    path = folder / after.strip("/") if after else folder
    path.mkdir(parents=True, exist_ok=True)
    shutil.copytree(world.channel, path / "channel")
    server = serve(folder)
    if before:
        server.authorization = "Basic " + base64.b64encode(f"me:{PLANTED}".encode()).decode()
    mirror = world.mirror(f"{server.url.replace('://', f'://{before}')}{after}/channel")
    (world.project / "environments/tiny/conda-lock.yml").unlink()
    said = [
        world.run("lock", "tiny", *mirror).ended(0),
        world.create("tiny", *mirror).ended(0),
        world.run("lock", "tiny", "--mirror", f"nonsense{mirror[1].partition('=')[2]}").ended(2),
        world.run("lock", "tiny", *(argument.replace("/channel", "/gone") for argument in mirror)),
    ]
    shutil.rmtree(folder)
    encoded = server.authorization.removeprefix("Basic ") if server.authorization else PLANTED
    for secret in (PLANTED, encoded):
        assert _found(world, secret) == []
        assert not any(secret in f"{answer.stdout}{answer.stderr}" for answer in said)


def test_index_that_wants_credentials(world: World, private: Server) -> None:
    host = private.url.removeprefix("http://")
    answers = [
        world.run("update", "mixed", "--all", UV_DEFAULT_INDEX=f"{private.url}/simple", UV_HTTP_RETRIES="0").ended(4),
        world.create("mixed", UV_DEFAULT_INDEX=f"{private.url}/simple", UV_HTTP_RETRIES="0").ended(4),
    ]
    for answer in answers:
        assert f"{host} wants credentials" in answer.stderr
        assert f"uv auth login {host}" in answer.stderr


def test_index_that_a_colleague_has_not_configured(
    world: World, serve: Callable[[Path], Server], tmp_path: Path
) -> None:
    """A colleague's uv asks another index, which has no such package: exit 4, which host, and how to name it."""
    (tmp_path / "empty" / "simple").mkdir(parents=True)
    other = serve(tmp_path / "empty")
    for run in (world.create, world.run):
        arguments = ("mixed",) if run == world.create else ("update", "mixed", "--all")
        answer = run(*arguments, UV_DEFAULT_INDEX=f"{other.url}/simple").ended(4)
        assert "tinywheel was locked from 127.0.0.1:" in answer.stderr
        assert "set UV_INDEX=http://127.0.0.1:" in answer.stderr
    assert not world.prefix("mixed").exists()


@pytest.mark.parametrize("verb", ["update", "create"])
def test_a_planted_uv_toml_chooses_no_index(world: World, serve: Callable[[Path], Server], verb: str) -> None:
    """Any user of the machine can write one into the system's temporary folder, below which uv is run."""
    temporary = world.root / "tmp"
    temporary.mkdir()
    evil, index = serve(world.index), serve(world.index)
    for folder in (temporary, world.project.parent):
        (folder / "uv.toml").write_text(f'index-url = "{evil.url}/simple"\n[[index]]\nurl = "{evil.url}/simple"\n')
    (world.home / ".config" / "uv").mkdir(parents=True)
    (world.home / ".config" / "uv" / "uv.toml").write_text(f'index-url = "{index.url}/simple"\n')
    run = world.run if verb == "update" else world.create
    arguments = ("update", "mixed", "--all") if verb == "update" else ("mixed",)
    config = str(world.home / ".config")
    run(*arguments, TMPDIR=str(temporary), UV_NO_CONFIG="0", XDG_CONFIG_HOME=config).ended(0)
    assert index.requested
    assert not evil.requested


def test_the_projects_uv_toml_counts(world: World, serve: Callable[[Path], Server]) -> None:
    index = serve(world.index)
    (world.project / "uv.toml").write_text(f'index-url = "{index.url}/simple"\n')
    world.run("update", "mixed", "--all", UV_NO_CONFIG="0").ended(0)
    world.create("mixed", UV_NO_CONFIG="0").ended(0)
    assert len([path for path in index.requested if path.endswith("tinywheel/")]) >= 2


def test_files_are_not_those_of_uvs_cache(world: World, serve: Callable[[Path], Server]) -> None:
    """Linked, an edit in the environment would be one in the cache, and in every environment made from it later."""
    index = serve(world.index)
    (world.home / "uv.toml").write_text('link-mode = "symlink"\n')
    world.create("mixed", UV_DEFAULT_INDEX=f"{index.url}/simple", UV_LINK_MODE="symlink").ended(0)
    (file,) = world.prefix("mixed").rglob("tinywheel.py")
    assert not file.is_symlink()
    assert file.stat().st_nlink == 1
    file.write_text("VALUE = 'edited'\n")
    world.create("mixed", "--force", UV_DEFAULT_INDEX=f"{index.url}/simple").ended(0)
    assert file.read_text() == TINY_MODULE


def test_a_package_that_no_index_has(world: World, serve: Callable[[Path], Server]) -> None:
    """Two runs of uv find out at about the same time; one that had ended already was killed, with a traceback."""
    recipe = world.project / "recipes" / "mixed.yaml"
    recipe.write_text(recipe.read_text().replace("tinywheel", "no-such-package-at-all"))
    index = serve(world.index)
    for _ in range(3):
        answer = world.run("lock", "mixed", UV_DEFAULT_INDEX=f"{index.url}/simple").ended(3)
        assert "has a package called" in answer.stderr
        assert "no-such-package-at-all" in answer.stderr
        assert "ProcessLookupError" not in answer.stderr
        assert "asyncio" not in answer.stderr
