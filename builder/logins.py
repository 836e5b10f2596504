"""Whom uv would say that we are, to the hosts that wheels are fetched from: for `pack`, `mirror` and `prove`.

uv installs wheels, and cannot just fetch them. So what it would send is gathered from where it looks, in its order
(uv's documentation of authentication): the index's URL, UV_INDEX_NAME_USERNAME and _PASSWORD, its own store
(`uv auth login`), and the keyring, where `keyring-provider` is `subprocess`. py-rattler's client knows ~/.netrc itself.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import tomllib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

from builder.credentials import without_credentials
from builder.errors import EnvbuildError, UsageError
from builder.files import read_ordinary
from builder.uv import UvFailure, run_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from builder.uv import Uv

_VARIABLES: Final = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_NAMED: Final = re.compile(r"(?:([A-Za-z0-9._-]+)=)?(\w+://.*)", re.DOTALL)
_MOST_BYTES: Final = 1 << 20
#: Seconds that a keyring may take: it may be one that waits for somebody to type.
_PATIENCE: Final = 20


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who we are to an index at `url` (without credentials), as far as its settings say."""

    url: str
    user: str | None = None
    password: str | None = None

    @property
    def origin(self) -> str:
        return origin(self.url)

    def at(self, place: str) -> str:
        """`place`, a URL without credentials, with this login."""
        scheme, _, rest = place.partition("://")
        secret = f":{quote(self.password, safe='')}" if self.password is not None else ""
        return f"{scheme}://{quote(self.user or '', safe='')}{secret}@{rest}"


def origin(url: str) -> str:
    """Scheme, host and port of a URL: uv sends an index's login for whatever it fetches from there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def find_logins(uv: Uv, urls: Iterable[str]) -> dict[str, str]:
    """For each host of `urls`, or of an index, with a login: `https://HOST` → `https://USER:PASSWORD@HOST`."""
    origins = {origin(url) for url in urls if url.startswith(("https://", "http://"))}
    return asyncio.run(_find(uv, origins)) if origins else {}


async def _find(uv: Uv, origins: set[str]) -> dict[str, str]:
    settings = [_settings(file) for file in uv.config_files]
    known = list(index_logins(uv.environ, settings))
    found = {}
    for place in sorted(origins | {login.origin for login in known if login.url.startswith("http")}):
        there = [login for login in known if login.origin == place]
        login = next((login for login in there if login.password), None) or await _stored(uv, place)
        if login is None and _asks_keyring(uv.environ, settings):
            login = await _in_keyring(uv, [login for login in there if login.user])
        if login is not None:
            found[place] = login.at(place)
    return found


def index_logins(environ: Mapping[str, str], settings: Iterable[Mapping[str, Any]]) -> Iterator[Login]:
    """What variables and uv's settings say of each index. `settings` are the tables of uv's files."""
    for name, url in _indexes(environ, settings):
        user, _, password = urlsplit(url).netloc.rpartition("@")[0].partition(":")
        login = Login(url=without_credentials(url), user=unquote(user) or None, password=unquote(password) or None)
        if name is not None:
            key = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}"
            login = replace(
                login,
                user=environ.get(f"{key}_USERNAME") or login.user,
                password=environ.get(f"{key}_PASSWORD") or login.password,
            )
        yield login


def _indexes(environ: Mapping[str, str], settings: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str | None, str]]:
    for variable in _VARIABLES:
        for word in environ.get(variable, "").split():
            if (match := _NAMED.fullmatch(word)) is not None and _is_url(match[2]):
                yield match[1], match[2]
    for table in settings:
        entries = table.get("index")
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and _is_url(entry.get("url")):
                name = entry.get("name")
                yield name if isinstance(name, str) else None, entry["url"]
        pip = table.get("pip")
        for urls in (pip, table) if isinstance(pip, dict) else (table,):
            more = urls.get("extra-index-url")
            for url in (urls.get("index-url"), *(more if isinstance(more, list) else ())):
                if isinstance(url, str) and _is_url(url):
                    yield None, url


def _is_url(text: object) -> bool:
    """Whether it can be taken apart; uv itself says what is wrong with it."""
    try:
        return isinstance(text, str) and bool(urlsplit(text).netloc)
    except ValueError:
        return False


def _settings(file: Path) -> dict[str, Any]:
    """The table of uv's settings in a file; empty where there are none. uv itself says what is wrong with it."""
    if not file.is_file():
        return {}
    try:
        data = tomllib.loads(read_ordinary(file, limit=_MOST_BYTES, error=UsageError).decode())
    except (EnvbuildError, ValueError, RecursionError):
        return {}
    if file.name != "pyproject.toml":
        return data
    tool = data.get("tool")
    own = tool.get("uv") if isinstance(tool, dict) else None
    return own if isinstance(own, dict) else {}


def _asks_keyring(environ: Mapping[str, str], settings: Iterable[Mapping[str, Any]]) -> bool:
    said = [environ.get("UV_KEYRING_PROVIDER")]
    for table in settings:
        pip = table.get("pip")
        said += [table.get("keyring-provider"), pip.get("keyring-provider") if isinstance(pip, dict) else None]
    return next(filter(None, said), None) == "subprocess"


async def _stored(uv: Uv, place: str) -> Login | None:
    """What uv's own store has, through the helper that it offers other programs (experimental in uv 0.13)."""
    question = json.dumps({"uri": f"{place}/"}).encode()
    arguments = ("auth", "helper", "--protocol=bazel", "get", "--quiet", "--preview-features", "auth-helper")
    try:
        with uv.scratch() as (_, cwd):
            headers = json.loads(await uv.run(arguments, cwd=cwd, given=question))["headers"]
        scheme, _, encoded = headers["Authorization"][0].partition(" ")
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (UvFailure, LookupError, TypeError, AttributeError, ValueError):
        return None
    return Login(url=place, user=user, password=password) if scheme == "Basic" else None


async def _in_keyring(uv: Uv, logins: list[Login]) -> Login | None:
    """What the program `keyring` has for a user of an index: by the index's URL, and then by its host, as uv asks."""
    program = shutil.which("keyring", path=uv.environ.get("PATH"))
    if program is None:
        return None
    for login in logins:
        for service in (login.url, urlsplit(login.url).netloc):
            with uv.scratch() as (_, cwd):
                command = [program, "get", service, login.user or ""]
                try:
                    async with asyncio.timeout(_PATIENCE):
                        said = await run_program(command, cwd=cwd, environ=uv.environment())
                except (UvFailure, OSError, TimeoutError):
                    continue
            if said.strip():
                return replace(login, password=said.rstrip("\r\n"))
    return None
