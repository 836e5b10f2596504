"""A password planted in every place that envbuild is given one: sent, and in nothing that is written, said or run."""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.create.planted import SECRET, planted, run_watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.create.server import Server
    from tests.integration.create.world import World


@pytest.mark.parametrize("form", ["http://me:{}@{}", "http://{1}/t/{0}"])
def test_mirror(world: World, temporary: Path, serve: Callable[[Path], Server], form: str) -> None:
    """Locked and created from a mirror that wants a password: conda-meta, caches, locks, stamp, reports, logs."""
    server = serve(world.channel)
    if "/t/" in form:
        (world.root / "served" / "t").mkdir(parents=True)
        (world.root / "served" / "t" / SECRET).symlink_to(world.channel)
        server = serve(world.root / "served")
    mirror = world.mirror(form.format(SECRET, server.url.removeprefix("http://")))
    run_watched(world, temporary, "lock", "tiny", *mirror).ended(0)
    run_watched(world, temporary, "create", "tiny", "--no-verify", "--json", *mirror).ended(0)
    world.whole()
    assert any("words-1.0" in path for path in server.requested), "it was not fetched from the mirror"
    assert [path for path in planted(world.root) if "/served/" not in path] == []
    records = b"".join(path.read_bytes() for path in (world.prefix() / "conda-meta").glob("*.json"))
    assert server.url.encode() not in records, "conda-meta names where a package is, not where it was fetched from"
    assert world.channel.as_uri().encode() in records


def test_mirror_that_is_not_there(world: World, temporary: Path) -> None:
    mirror = world.mirror(f"http://me:{SECRET}@127.0.0.1:1/x")
    run_watched(world, temporary, "create", "tiny", "--no-verify", "-v", *mirror).ended(4)
    assert list(planted(world.root)) == []


@pytest.mark.parametrize("pair", [f"me:{SECRET}@host", f"=http://me:{SECRET}@host/x", f"x=ftp:/me:{SECRET}@host/"])
def test_mirror_that_is_none(world: World, temporary: Path, pair: str) -> None:
    run_watched(world, temporary, "create", "tiny", "--mirror", pair).ended(2)


def test_index(world: World, temporary: Path, serve: Callable[[Path], Server]) -> None:
    """uv is given the index by its environment, as the user has it; its own cache is keyed without the password."""
    url = serve(world.index).url.replace("http://", f"http://me:{SECRET}@")
    run_watched(world, temporary, "create", "mixed", "--no-verify", UV_DEFAULT_INDEX=f"{url}/simple").ended(0)
    assert list(planted(world.root)) == []
    closed = f"http://me:{SECRET}@127.0.0.1:1/simple"
    run_watched(world, temporary, "create", "mixed", "--no-verify", "--force", "-v", "--group", "main",
         UV_DEFAULT_INDEX=closed, UV_CACHE_DIR=str(world.root / "other")).ended(4)  # fmt: skip
    assert list(planted(world.root)) == []
    assert [path for path in temporary.iterdir() if "envbuild" in path.name] == []


def _channel_that_asks(world: World, serve: Callable[[Path], Server]) -> Server:
    server = serve(world.channel)
    server.authorization = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    return server


def _netrc(world: World, host: str) -> dict[str, str]:
    file = world.home / ".netrc"
    file.write_text(f"machine {host.partition(':')[0]} login me password {SECRET}\n")
    file.chmod(0o600)
    return {}


def _rattler_auth(world: World, host: str) -> dict[str, str]:
    file = world.root / "auth.json"
    file.write_text(json.dumps({host.partition(":")[0]: {"BasicHTTP": {"username": "me", "password": SECRET}}}))
    return {"RATTLER_AUTH_FILE": str(file)}


def _variable(world: World, host: str) -> dict[str, str]:
    """The configuration names a variable, so that the secret is in no file at all."""
    file = world.home / "config.yaml"
    file.write_text(f"mirrors:\n  {world.channel.as_uri()}: http://me:${{MIRROR_TOKEN}}@{host}\n")
    return {"ENVBUILD_CONFIG": str(file), "MIRROR_TOKEN": SECRET}


#: Each puts the secret where the user may keep it, and gives the environment to run in.
_KEEPERS = (_netrc, _rattler_auth, _variable)


@pytest.mark.parametrize("keeper", _KEEPERS, ids=lambda keeper: keeper.__name__)
def test_who_keeps_the_credentials(
    world: World, temporary: Path, serve: Callable[[Path], Server], keeper: Callable[[World, str], dict[str, str]]
) -> None:
    """Locked, built and exported from a channel that asks who is there; and by every verb the secret is kept."""
    server = _channel_that_asks(world, serve)
    host = server.url.removeprefix("http://")
    run_watched(world, temporary, "update", "tiny", "--all", *world.mirror(server.url)).ended(4)
    mirror = () if keeper is _variable else world.mirror(server.url)
    environ = keeper(world, host)
    files = set(planted(world.root))
    run_watched(world, temporary, "update", "tiny", "--all", *mirror, **environ).ended(0)
    run_watched(world, temporary, "create", "tiny", "--no-verify", "-v", *mirror, **environ).ended(0)
    world.whole()
    assert any("words-1.0" in path for path in server.requested)
    for arguments in (
        ("config", "show"),
        ("config", "show", "--json"),
        ("export", "tiny", "--format", "explicit", "--platform", "linux-64"),
        ("export", "tiny", "--format", "sbom-spdx", "--platform", "linux-64"),
        ("import", str(world.prefix()), "--dry-run", "--name", "copy"),
        ("diff", "tiny", "--prefix", "tiny"),
        ("status", "tiny"),
        ("list", "--environments"),
        ("doctor",),
    ):
        run_watched(world, temporary, *arguments, **environ)
    assert set(planted(world.root)) == files


@pytest.mark.parametrize("form", ["http://me:${{OURS}}@{}", "http://{}/t/${{OURS}}"])
def test_a_channel_is_its_own_mirror_with_a_variable(
    world: World, temporary: Path, serve: Callable[[Path], Server], form: str
) -> None:
    """The advice for a private channel: the recipe and the lock name it without credentials, the user's own
    configuration with a variable.
    """
    if "/t/" in form:
        (world.root / "served" / "t").mkdir(parents=True)
        (world.root / "served" / "t" / SECRET).symlink_to(world.channel)
        server = serve(world.root / "served")
    else:
        server = _channel_that_asks(world, serve)
    recipe = world.project / "recipes" / "tiny.yaml"
    recipe.write_text(recipe.read_text().replace(world.channel.as_uri(), server.url))
    config = world.home / "config.yaml"
    config.write_text(f"mirrors:\n  {server.url}: {form.format(server.url.removeprefix('http://'))}\n")
    environ = {"ENVBUILD_CONFIG": str(config), "OURS": SECRET}
    run_watched(world, temporary, "lock", "tiny", **environ).ended(0)
    lock = (world.project / "environments" / "tiny" / "conda-lock.yml").read_text()
    assert f"url: {server.url}/noarch/words-1.0" in lock
    run_watched(world, temporary, "create", "tiny", "--no-verify", **environ).ended(0)
    assert [path for path in planted(world.root) if "/served/" not in path] == []


def test_config_show_names_hosts_and_hides_secrets(world: World, temporary: Path) -> None:
    _netrc(world, "channel.example")
    environ = _rattler_auth(world, "*.prefix.example")
    config = world.root / "uv" / "uv.toml"
    config.parent.mkdir()
    config.write_text(f'keyring-provider = "disabled"\nindex-url = "https://me:{SECRET}@index.example/simple"\n')
    answer = run_watched(
        world, temporary, "config", "show", "--json", "--mirror", f"own=https://me:{SECRET}@mirror.example",
        XDG_CONFIG_HOME=str(world.root), UV_NO_CONFIG="", UV_INDEX_OWN_PASSWORD=SECRET, HTTPS_PROXY=f"http://me:{SECRET}@proxy.example",
        **environ,
    ).ended(0)  # fmt: skip
    settings = {one["name"]: (one["value"], one["source"]) for one in answer.result["settings"]}
    assert settings["netrc"] == ("channel.example", str(world.home / ".netrc"))
    assert settings["rattler auth"][0] == "*.prefix.example"
    assert settings["index-url"] == ("https://***@index.example/simple", f"{config}:2")
    assert settings["mirror of own"] == ("https://***@mirror.example", "command line")
    assert settings["UV_INDEX_OWN_PASSWORD"] == ("***", "$UV_INDEX_OWN_PASSWORD")
    assert settings["HTTPS_PROXY"][0] == "http://***@proxy.example"
    assert settings["conda packages"][1] == "$RATTLER_CACHE_DIR"


def test_a_variable_that_is_not_set(world: World, temporary: Path) -> None:
    environ = _variable(world, "127.0.0.1:1")
    del environ["MIRROR_TOKEN"]
    answer = run_watched(world, temporary, "update", "tiny", "--all", **environ).ended(2)
    assert "MIRROR_TOKEN, which is not set" in answer.stderr


def test_uv_is_given_what_netrc_has(world: World, temporary: Path, serve: Callable[[Path], Server]) -> None:
    index = serve(world.index)
    index.authorization = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    arguments = ("create", "mixed", "--no-verify")
    run_watched(world, temporary, *arguments, UV_DEFAULT_INDEX=f"{index.url}/simple").ended(4)
    _netrc(world, index.url.removeprefix("http://"))
    run_watched(world, temporary, *arguments, UV_DEFAULT_INDEX=f"{index.url}/simple").ended(0)
    assert [path for path in planted(world.root) if not path.endswith(".netrc")] == []


def _uv_store(world: World, url: str) -> dict[str, str]:
    """As `uv auth login` keeps it."""
    folder = world.home / ".local" / "share" / "uv" / "credentials"
    folder.mkdir(parents=True)
    entry = f'service = "{url}/"\nusername = "me"\nscheme = "basic"\npassword = "{SECRET}"\n'
    (folder / "credentials.toml").write_text(f"[[credential]]\n{entry}")
    return {"UV_DEFAULT_INDEX": f"{url}/simple"}


def _keyring(world: World, url: str) -> dict[str, str]:
    """The real `keyring`, with a backend that has the password in a file."""
    (world.home / "our_keyring.py").write_text(
        "from pathlib import Path\nfrom keyring.backend import KeyringBackend\n\n\n"
        "class Ours(KeyringBackend):\n    priority = 1\n    set_password = delete_password = None\n\n"
        "    def get_password(self, service, username):\n"
        "        return Path(__file__).with_name('password').read_text() if username == 'me' else None\n"
    )
    (world.home / "password").write_text(SECRET)
    config = world.home / ".config" / "python_keyring" / "keyringrc.cfg"
    config.parent.mkdir(parents=True)
    config.write_text(f"[backend]\ndefault-keyring=our_keyring.Ours\nkeyring-path={world.home}\n")
    return {
        "UV_DEFAULT_INDEX": f"{url.replace('://', '://me@')}/simple",
        "UV_KEYRING_PROVIDER": "subprocess",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.mark.parametrize("keeper", [_uv_store, _keyring], ids=lambda keeper: keeper.__name__)
def test_who_keeps_an_indexs_login(
    world: World, temporary: Path, serve: Callable[[Path], Server], keeper: Callable[[World, str], dict[str, str]]
) -> None:
    """uv asks them itself; what packs wheels asks them as uv does."""
    index = serve(world.index)
    index.authorization = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
    environ = keeper(world, index.url)
    kept = set(planted(world.root))
    run_watched(world, temporary, "update", "mixed", "--all", **environ).ended(0)
    run_watched(world, temporary, "create", "mixed", "--no-verify", **environ).ended(0)
    run_watched(world, temporary, "pack", "mixed", **environ).ended(0)
    assert set(planted(world.root)) == kept


def test_what_cannot_be_read_is_said_and_no_error(world: World, temporary: Path) -> None:
    (world.home / ".netrc").write_text("machine\n")
    (world.home / ".rattler").mkdir()
    (world.home / ".rattler" / "credentials.json").write_text("[" * 100_000)
    (world.root / "uv").mkdir()
    (world.root / "uv" / "uv.toml").write_text("[index\n")
    answer = run_watched(
        world, temporary, "config", "show", "--json", XDG_CONFIG_HOME=str(world.root), UV_NO_CONFIG=""
    ).ended(0)
    settings = {one["name"]: one["value"] for one in answer.result["settings"]}
    assert settings["netrc"] == settings["rattler auth"] == "unreadable"
    assert settings["uv.toml"].startswith("unreadable")
