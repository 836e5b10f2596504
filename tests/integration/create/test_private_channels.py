"""Channels whose URLs name variables for their credentials, from the recipe to every verb that fetches from them.

The server asks for a login, or has its channel behind a token; what is sent is in nothing that is written, said or run.
"""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING

from builder.lock.read import read_lock
from tests.integration.create.planted import SECRET, planted, run_watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import World

LOGIN = {"ACME_USER": "me", "ACME_TOKEN": SECRET}
#: How a channel at HOST is written.
FORMS = {"login": "http://${ACME_USER}:${ACME_TOKEN}@HOST", "token": "http://HOST/t/${ACME_TOKEN}/ours"}


def _serve(world: World, serve: Callable[[Path], Server], form: str) -> tuple[str, Server]:
    """The channel as a recipe writes it, and who serves it."""
    if form == "login":
        server = serve(world.channel)
        server.authorization = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    else:
        folder = world.root / "served" / "t" / SECRET
        folder.mkdir(parents=True)
        (folder / "ours").symlink_to(world.channel)
        server = serve(world.root / "served")
    return FORMS[form].replace("HOST", server.url.removeprefix("http://")), server


def _name(world: World, channel: str) -> None:
    recipe = world.project / "recipes" / "tiny.yaml"
    recipe.write_text(recipe.read_text().replace(world.channel.as_uri(), channel))


def _leaks(world: World) -> list[str]:
    return [path for path in planted(world.root) if "/served/" not in path]


def test_from_the_recipe_to_every_verb(world: World, temporary: Path, serve: Callable[[Path], Server]) -> None:
    channel, server = _serve(world, serve, "login")
    _name(world, channel)

    def run(*arguments: str, environ: dict[str, str] = LOGIN) -> str:
        return run_watched(world, temporary, *arguments, **environ).ended(0).stdout

    run("lock", "tiny")
    file = world.project / "environments" / "tiny" / "conda-lock.yml"
    lock = read_lock(file)
    assert lock.channels == (channel,)
    assert all(package.url.startswith(f"{channel}/") for package in lock.packages)
    assert "used_env_vars:\n    - ACME_TOKEN\n    - ACME_USER\n" in file.read_text()
    # What needs no package needs no value either.
    run("check", environ={})
    run("show", "tiny", environ={})
    assert channel in run("export", "tiny", "--format", "environment", "--platform", "linux-64", environ={})
    assert "$" not in run("export", "tiny", "--format", "sbom-spdx", "--platform", "linux-64", environ={})
    run("create", "tiny", "--no-verify", "-v")
    records = b"".join(path.read_bytes() for path in (world.prefix() / "conda-meta").glob("*.json"))
    assert b"ACME" not in records
    assert world.whole().channels == (server.url,)
    (world.prefix() / "bin" / "say-words").write_text("edited")
    shutil.rmtree(world.root / "rattler-cache")
    run("sync", "tiny", "--no-verify")
    run("status", "tiny", environ={})
    server.requested.clear()
    run("pack", "tiny", "--platform", "linux-64", "-o", str(world.root / "tiny.tar"))
    run("mirror", str(world.root / "mirror"), "tiny")
    assert sum("/words-1.0" in path for path in server.requested) == 2
    assert [path.name for path in (world.root / "mirror").iterdir() if "ACME" in path.name] == []
    run("unpack", str(world.root / "tiny.tar"), "-p", str(world.root / "unpacked"), "--no-verify", environ={})
    assert _leaks(world) == []


def test_a_token_in_the_path(world: World, temporary: Path, serve: Callable[[Path], Server]) -> None:
    channel, server = _serve(world, serve, "token")
    _name(world, channel)
    run_watched(world, temporary, "lock", "tiny", **LOGIN).ended(0)
    run_watched(world, temporary, "create", "tiny", "--no-verify", **LOGIN).ended(0)
    assert world.whole().channels == (f"{server.url}/ours",)
    assert _leaks(world) == []


def test_nothing_moves_when_a_channel_comes_to_name_variables(
    world: World, temporary: Path, serve: Callable[[Path], Server]
) -> None:
    """What was locked from it by netrc stays; the lock has the new names."""
    channel, server = _serve(world, serve, "login")
    file = world.project / "environments" / "tiny" / "conda-lock.yml"
    file.write_text(file.read_text().replace(world.channel.as_uri(), server.url))
    _name(world, channel)
    assert run_watched(world, temporary, "lock", "tiny", "--json", **LOGIN).ended(0).result["moves"] == []
    assert read_lock(file).channels == (channel,)


def test_a_variable_that_is_not_set(world: World, temporary: Path, serve: Callable[[Path], Server]) -> None:
    channel, server = _serve(world, serve, "login")
    _name(world, channel)
    answer = run_watched(world, temporary, "lock", "tiny", ACME_USER="me").ended(4)
    assert f"the channel {channel} names $ACME_TOKEN, which is not set" in answer.stderr
    assert "export ACME_TOKEN=" in answer.stderr
    assert server.requested == []
    # The hint's other way: the login is where netrc has it.
    host = server.url.removeprefix("http://").partition(":")[0]
    (world.home / ".netrc").write_text(f"machine {host} login me password {SECRET}\n")
    (world.home / ".netrc").chmod(0o600)
    run_watched(world, temporary, "lock", "tiny", "--mirror", f"{server.url}={server.url}").ended(0)
    assert read_lock(world.project / "environments" / "tiny" / "conda-lock.yml").channels == (channel,)
    assert [path for path in _leaks(world) if not path.endswith(".netrc")] == []


def test_a_lock_cannot_ask_for_what_the_recipe_does_not_name(
    world: World, temporary: Path, serve: Callable[[Path], Server]
) -> None:
    """A lock from elsewhere names a variable of the user: its host is not asked, until the user says so."""
    channel, server = _serve(world, serve, "login")
    file = world.project / "environments" / "tiny" / "conda-lock.yml"
    file.write_text(file.read_text().replace(world.channel.as_uri(), channel))
    answer = run_watched(world, temporary, "create", "tiny", "--no-verify", **LOGIN).ended(4)
    assert f"to be sent to {server.url.removeprefix('http://')}" in answer.stderr
    assert "so nothing is sent" in answer.stderr
    assert server.requested == []
    # The remedy that the refusal names.
    config = world.home / "config.yaml"
    config.write_text(f"mirrors: {{{server.url}: '{channel}'}}\n")
    assert f"`{config.read_text().strip()}`" in answer.stderr
    run_watched(world, temporary, "create", "tiny", "--no-verify", ENVBUILD_CONFIG=str(config), **LOGIN).ended(0)
    assert _leaks(world) == []


def test_another_tools_lock_names_variables(world: World, temporary: Path, serve: Callable[[Path], Server]) -> None:
    """conda-lock's own lock of a channel with variables; what it says is carried into a recipe."""
    channel, _ = _serve(world, serve, "token")
    file = world.root / "their" / "conda-lock.yml"
    file.parent.mkdir()
    text = (world.project / "environments" / "tiny" / "conda-lock.yml").read_text()
    file.write_text(text.replace(world.channel.as_uri(), channel))
    run_watched(world, temporary, "import", str(file), "--name", "theirs").ended(0)
    assert channel in (world.project / "recipes" / "theirs.yaml").read_text()
