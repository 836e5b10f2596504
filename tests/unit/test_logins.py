"""Logins of indexes are found where uv finds them, with the real uv and the real keyring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from builder.logins import find_logins, index_logins
from builder.uv import Uv, bundled_uv

SECRET = "pl4nted: T0K3N/@"
QUOTED = "pl4nted%3A%20T0K3N%2F%40"
INDEX = "http://127.0.0.1:1/simple"
WHEEL = "http://127.0.0.1:1/files/x-1-py3-none-any.whl"

_BACKEND = """
from keyring.backend import KeyringBackend


class Ours(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        return {PASSWORD!r} if (service, username) == ({SERVICE!r}, "me") else None

    def set_password(self, service, username, password): ...

    def delete_password(self, service, username): ...
"""


def _uv(home: Path, **environ: str) -> Uv:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return Uv(environ={"HOME": str(home), "PATH": path, "UV_CACHE_DIR": str(home / "cache"), **environ})


def _keyring(home: Path, service: str) -> None:
    """A keyring of the user's, chosen as its documentation says."""
    (home / "our_keyring.py").write_text(_BACKEND.format(PASSWORD=SECRET, SERVICE=service))
    config = home / ".config" / "python_keyring" / "keyringrc.cfg"
    config.parent.mkdir(parents=True)
    config.write_text(f"[backend]\ndefault-keyring=our_keyring.Ours\nkeyring-path={home}\n")


def test_variables_and_settings_in_every_form() -> None:
    environ = {
        "UV_INDEX": "own=https://me:secret@one.example/simple?a=b https://two.example/simple",
        "UV_DEFAULT_INDEX": "https://you:other@three.example:8443/simple?a=b",
        "UV_INDEX_THE_FOURTH_USERNAME": "me",
        "UV_INDEX_THE_FOURTH_PASSWORD": SECRET,
    }
    tables = (
        {"index": [{"name": "the-fourth", "url": "https://four.example/simple"}, {"url": 5}, 6], "pip": []},
        {"index-url": "https://me@five.example/x", "pip": {"extra-index-url": ["https://me:p%40w@six.example/x"]}},
    )
    found = {login.origin: login.at(login.origin) for login in index_logins(environ, tables) if login.user}
    assert found == {
        "https://one.example": "https://me:secret@one.example",
        "https://three.example:8443": "https://you:other@three.example:8443",
        "https://four.example": f"https://me:{QUOTED}@four.example",
        "https://five.example": "https://me@five.example",
        "https://six.example": "https://me:p%40w@six.example",
    }


@pytest.mark.parametrize("url", ["http://[::1/simple", "http://", "nothing", "http://me:pw@[x]/simple"])
def test_what_is_no_url_has_no_login(tmp_path: Path, url: str) -> None:
    table = {"index": [{"url": url}], "index-url": url, "extra-index-url": [url]}
    assert [login for login in index_logins({"UV_INDEX": f"{url} own={url}"}, [table]) if login.password] == []
    assert find_logins(_uv(tmp_path, UV_DEFAULT_INDEX=url), [WHEEL]) == {}


def test_settings_of_the_user_and_of_the_project(tmp_path: Path) -> None:
    user = tmp_path / ".config" / "uv" / "uv.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[[index]]\nurl = "http://me:one@127.0.0.1:1/simple"\n')
    (tmp_path / "pyproject.toml").write_text('[[tool.uv.index]]\nurl = "http://me:two@127.0.0.1:2/simple"\n')
    uv = _uv(tmp_path)
    assert find_logins(uv, [WHEEL]) == {"http://127.0.0.1:1": "http://me:one@127.0.0.1:1"}
    both = Uv(environ=uv.environ, project=tmp_path)
    assert find_logins(both, [WHEEL])["http://127.0.0.1:2"] == "http://me:two@127.0.0.1:2"
    user.write_text("[[index")
    assert find_logins(uv, [WHEEL]) == {}
    assert find_logins(_uv(tmp_path, UV_NO_CONFIG="1"), [WHEEL, "file:///x.whl"]) == {}


def test_what_uv_keeps(tmp_path: Path) -> None:
    uv = _uv(tmp_path)
    subprocess.run(
        [bundled_uv(), "auth", "login", INDEX, "--username", "me", "--password", "-", "--quiet"],
        input=SECRET.encode(), env=uv.environment(), check=True, capture_output=True,
    )  # fmt: skip
    assert find_logins(uv, [WHEEL]) == {"http://127.0.0.1:1": f"http://me:{QUOTED}@127.0.0.1:1"}
    assert find_logins(uv, ["http://127.0.0.1:2/x.whl"]) == {}


@pytest.mark.parametrize("service", [INDEX, "127.0.0.1:1"])
def test_what_the_keyring_keeps(tmp_path: Path, service: str) -> None:
    _keyring(tmp_path, service)
    index = INDEX.replace("://", "://me@")
    asked = _uv(tmp_path, UV_DEFAULT_INDEX=index, UV_KEYRING_PROVIDER="subprocess")
    assert find_logins(asked, [WHEEL]) == {"http://127.0.0.1:1": f"http://me:{QUOTED}@127.0.0.1:1"}


def test_the_keyring_is_asked_where_uv_would_ask_it_only(tmp_path: Path) -> None:
    _keyring(tmp_path, INDEX)
    index = INDEX.replace("://", "://me@")
    assert find_logins(_uv(tmp_path, UV_DEFAULT_INDEX=index), [WHEEL]) == {}
    assert find_logins(_uv(tmp_path, UV_DEFAULT_INDEX=INDEX, UV_KEYRING_PROVIDER="subprocess"), [WHEEL]) == {}
    none = _uv(tmp_path, UV_DEFAULT_INDEX=index, UV_KEYRING_PROVIDER="subprocess", PATH="/bin")
    assert find_logins(none, [WHEEL]) == {}


def test_a_keyring_that_waits_for_somebody_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.logins._PATIENCE", 0.2)
    program = tmp_path / "bin" / "keyring"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    index = INDEX.replace("://", "://me@")
    asked = _uv(tmp_path, UV_DEFAULT_INDEX=index, UV_KEYRING_PROVIDER="subprocess", PATH=f"{program.parent}:/bin")
    assert find_logins(asked, [WHEEL]) == {}
