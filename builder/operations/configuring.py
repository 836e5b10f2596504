"""Show every setting that counts in a run, with its value and where it is from; secrets are masked, hosts are not."""

from __future__ import annotations

import json
import netrc
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from builder.credentials import named_credentials, redact, without_credentials
from builder.errors import EnvbuildError, UsageError
from builder.files import read_ordinary
from builder.uv import IGNORED_VARIABLES
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.workspace import Workspace

_DEFAULT: Final = "default"
_COMMAND_LINE: Final = "command line"
_MASK: Final = "***"
#: Variables whose value is a secret by their name.
_SECRET: Final = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|API_?KEY|CREDENTIAL(?!S?_DIR)", re.IGNORECASE)
#: Variables of others that decide where something comes from and how it is fetched.
_NETWORK: Final = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
)
_MOST_BYTES: Final = 1 << 20
#: uv's own settings that say where packages come from.
_UV_KEYS: Final = (
    "index",
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "index-strategy",
    "keyring-provider",
)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as it is in this run."""

    area: str
    """`envbuild`, `uv`, `credentials` or `network`."""
    name: str
    value: str
    source: str
    """`FILE:LINE`, `$VARIABLE`, `command line` or `default`."""


def show_config(workspace: Workspace) -> tuple[Setting, ...]:
    """Every setting with its source. Files are read, nobody is asked: a keyring is not opened."""
    return (*_own(workspace), *_uv(workspace), *_credentials(workspace), *_network(workspace))


def _own(workspace: Workspace) -> Iterator[Setting]:
    environ, config, project = workspace.environ, workspace.config, workspace.project
    how = "its recipes/ or environments/" if project.found else "working directory; no project was found"
    yield Setting(area="envbuild", name="project", value=str(project.root), source=how)
    if config.file is not None:
        there = "" if config.file.is_file() else " (not there)"
        source = "$ENVBUILD_CONFIG" if environ.get("ENVBUILD_CONFIG") else _DEFAULT
        yield Setting(area="envbuild", name="config file", value=f"{config.file}{there}", source=source)
    for channel, place in sorted(workspace.mirror_places.items()):
        from_file = config.mirrors.get(channel) == place
        source = config.place("mirrors", channel) if from_file else _COMMAND_LINE
        yield Setting(area="envbuild", name=f"mirror of {channel}", value=redact(place), source=source)
    source = config.place("envs_dir") if config.envs_dir else _DEFAULT
    yield Setting(area="envbuild", name="environments", value=str(workspace.store.places.target), source=source)
    for name, value, variables in (
        ("own data", project.state, ("XDG_DATA_HOME",)),
        ("conda packages", workspace.package_cache, ("RATTLER_CACHE_DIR", "XDG_CACHE_HOME")),
    ):
        yield Setting(area="envbuild", name=name, value=str(value), source=_variable(environ, *variables))
    asked = "$ENVBUILD_OFFLINE" if environ.get("ENVBUILD_OFFLINE") else _COMMAND_LINE if workspace.offline else _DEFAULT
    yield Setting(area="envbuild", name="offline", value="yes" if workspace.offline else "no", source=asked)


def _variable(environ: Any, *names: str) -> str:
    return next((f"${name}" for name in names if environ.get(name)), _DEFAULT)


def _uv(workspace: Workspace) -> Iterator[Setting]:
    environ = workspace.environ
    yield Setting(
        area="uv",
        name="cache",
        value=str(workspace.uv.cache),
        source=_variable(environ, "UV_CACHE_DIR", "XDG_CACHE_HOME"),
    )
    for file in workspace.uv.config_files:
        yield from _uv_settings(file)
    for name in sorted(environ):
        if name.startswith("UV_") and name != "UV_CACHE_DIR":
            ignored = " (ignored: envbuild says this itself)" if name in IGNORED_VARIABLES else ""
            yield Setting(area="uv", name=name, value=f"{_masked(name, environ[name])}{ignored}", source=f"${name}")


def _uv_settings(file: Path) -> Iterator[Setting]:
    if not file.is_file():
        return
    try:
        text = read_ordinary(file, limit=_MOST_BYTES, error=UsageError).decode()
        data = tomllib.loads(text)
    except (EnvbuildError, ValueError, RecursionError) as problem:
        reason = problem.plain if isinstance(problem, EnvbuildError) else "not valid TOML"
        yield Setting(area="uv", name=file.name, value=f"unreadable: {redact(reason)}", source=str(file))
        return
    if file.name == "pyproject.toml":
        tool = data.get("tool")
        own = tool.get("uv") if isinstance(tool, dict) else None
        data = own if isinstance(own, dict) else {}
    for key in _UV_KEYS:
        if key in data:
            line = next((number for number, line in enumerate(text.splitlines(), start=1) if key in line), None)
            value = redact(_told(data[key]))
            yield Setting(area="uv", name=key, value=value, source=f"{file}:{line}" if line else str(file))


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_told(item)}" for key, item in value.items() if not _SECRET.search(str(key)))
    return "; ".join(map(_told, value)) if isinstance(value, list) else str(value)


def _credentials(workspace: Workspace) -> Iterator[Setting]:
    """Who has credentials for which hosts. The secrets themselves are read over."""
    environ, home = workspace.environ, workspace.home
    file = Path(environ.get("NETRC") or home / ".netrc")
    if file.is_file():
        yield Setting(area="credentials", name="netrc", value=_hosts(_netrc_hosts(file)), source=str(file))
    given = environ.get("RATTLER_AUTH_FILE")
    file = Path(given) if given else home / ".rattler" / "credentials.json"
    if file.is_file():
        source = f"{file}{' ($RATTLER_AUTH_FILE)' if given else ''}"
        yield Setting(area="credentials", name="rattler auth", value=_hosts(_rattler_hosts(file)), source=source)
    base = environ.get("UV_CREDENTIALS_DIR")
    data = environ.get("XDG_DATA_HOME")
    folder = Path(base) if base else (Path(data) if data else home / ".local" / "share") / "uv" / "credentials"
    if (folder / "credentials.toml").is_file():
        value = _hosts(_uv_hosts(folder / "credentials.toml"))
        yield Setting(area="credentials", name="uv auth", value=value, source=str(folder / "credentials.toml"))
    yield from _named_by_channels(workspace)
    yield Setting(
        area="credentials",
        name="keyring",
        value="the system's is asked by rattler for conda channels; the program by uv where keyring-provider says so",
        source=_DEFAULT,
    )


def _named_by_channels(workspace: Workspace) -> Iterator[Setting]:
    """The variables that channels of the project's recipes name: whether they are set, never to what."""
    project = workspace.project
    recipes = project.recipe_files()
    named: dict[str, list[str]] = {}
    hosts: dict[str, list[str]] = {}
    for name, file in project.own_recipe_files().items():
        try:
            recipe = project.recipe(name, recipes=recipes)
        except EnvbuildError:
            # Which variables it names cannot be told; what is wrong with it, `envbuild check` says.
            yield Setting(
                area="credentials",
                name=f"channels of {name}",
                value=f"not known: see `envbuild check {name}`",
                source=str(file),
            )
            continue
        for number, channel in enumerate(recipe.channels):
            for variable in named_credentials(channel):
                named.setdefault(variable, []).append(str(project.recipes / recipe.where("channels", number)))
                hosts.setdefault(variable, []).append(urlsplit(without_credentials(channel)).netloc)
    for variable, places in sorted(named.items()):
        state = "set" if workspace.environ.get(variable) else "NOT set"
        value = f"{state}; for {listing(tuple(dict.fromkeys(hosts[variable])))}"
        yield Setting(area="credentials", name=f"${variable}", value=value, source=listing([*dict.fromkeys(places)]))


def _hosts(found: list[str] | None) -> str:
    if found is None:
        return "unreadable"
    return ", ".join(sorted(found)) or "no host"


def _netrc_hosts(file: Path) -> list[str] | None:
    try:
        read_ordinary(file, limit=_MOST_BYTES, error=UsageError)
        return list(netrc.netrc(os.fspath(file)).hosts)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError, EnvbuildError):
        return None


def _rattler_hosts(file: Path) -> list[str] | None:
    try:
        data = json.loads(read_ordinary(file, limit=_MOST_BYTES, error=UsageError))
    except (ValueError, RecursionError, EnvbuildError):
        return None
    return [redact(str(host)) for host in data] if isinstance(data, dict) else None


def _uv_hosts(file: Path) -> list[str] | None:
    try:
        data = tomllib.loads(read_ordinary(file, limit=_MOST_BYTES, error=UsageError).decode())
    except (ValueError, RecursionError, EnvbuildError):
        return None
    entries = data.get("credential")
    services = (
        [entry.get("service") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    )
    return [redact(str(service)) for service in services if service]


def _network(workspace: Workspace) -> Iterator[Setting]:
    for name in (*_NETWORK, *(name.lower() for name in _NETWORK)):
        if workspace.environ.get(name):
            yield Setting(area="network", name=name, value=_masked(name, workspace.environ[name]), source=f"${name}")


def _masked(name: str, value: str) -> str:
    return _MASK if _SECRET.search(name) else redact(value)
