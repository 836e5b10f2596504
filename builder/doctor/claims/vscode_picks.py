"""What VS Code's extensions answer for a folder: the interpreter that was picked, else the one that is set.

Two extensions may choose. The Python extension keeps a pick in the *global* state database, the Python Environments
extension in the *workspace's*; a setting is read only while nothing is picked. Sources: microsoft/vscode-python
(interpreterPathService.ts), microsoft/vscode-python-environments (interpreterSelection.ts, condaUtils.ts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from builder.doctor.claims.vscode_settings import Settings, expanded
from builder.doctor.formats import DATABASE_LIMIT, FormatError, vscode_row
from builder.doctor.model import Claim, Ide, Place, Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.claims.vscode_windows import Window

_CLASSIC: Final = "ms-python.python"
_MODERN: Final = "ms-python.vscode-python-envs"
_MANAGERS: Final = ("conda", "venv", "system", "pyenv", "poetry", "pipenv", "uv")
_SETTING: Final = "python.defaultInterpreterPath"
#: The interpreter whose console Positron starts for a folder. Source: posit-dev/positron, runtimeStartup.ts.
CONSOLES: Final = tuple(f"positron.affiliatedRuntimeMetadata{version}.python" for version in (".v2", ".v1", ""))


@dataclass(frozen=True, kw_only=True)
class App:
    ide: Ide
    title: str
    user: Path
    """The `User` folder."""
    extensions: Path
    arch: str | None = None
    why: str | None = None
    windows: tuple[Window, ...] = ()
    """Those that show the project."""
    workspaces: tuple[Path, ...] = ()
    """The workspace files that the project is opened through."""
    used: float = 0.0
    """When its state was last written (seconds since the epoch); 0 where it has none."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One value with its places, before it is known what it leads to."""

    written: str
    path: Path
    places: tuple[Place, ...]
    picked: bool


def answers(around: Surroundings, app: App, profile: Path | None, settings: list[Settings]) -> list[tuple[Answer, str]]:
    if (console := _console(around, app)) is not None:
        return [(console, "")]
    classic = _classic(around, app, profile, settings)
    governs = next(
        (value for scope in settings if isinstance(value := scope.get("python.useEnvironmentsExtension"), bool)), None
    )
    installed = any(name.startswith(_MODERN) for name in around.disk.entries(app.extensions))
    if governs is False or not (installed or governs):
        return [(classic, "")] if classic else []
    modern = _modern(around, app, settings)
    if governs is True:
        return [(modern, "")] if modern else []
    if classic is None or modern is None or around.disk.same(classic.path, modern.path):
        answer = modern or classic
        return [(answer, "")] if answer else []
    one, other = (around.environments.of(answer.path) for answer in (classic, modern))
    if one.prefix is not None and other.prefix is not None and around.disk.same(one.prefix, other.prefix):
        return [(classic, "")]
    return [(classic, "Python extension"), (modern, "Python Environments extension")]


def _classic(around: Surroundings, app: App, profile: Path | None, settings: list[Settings]) -> Answer | None:
    """The Python extension's order: folder pick, folder setting, workspace pick, workspace setting, user setting."""
    return (
        _picked(around, app, profile, [around.project], "WORKSPACE_FOLDER_INTERPRETER_PATH_")
        or _by_setting(around, [scope for scope in settings if scope.scope == "folder"])
        or _picked(around, app, profile, app.workspaces, "WORKSPACE_INTERPRETER_PATH_")
        or _by_setting(around, [scope for scope in settings if scope.scope != "folder"])
    )


def _picked(
    around: Surroundings, app: App, profile: Path | None, shown: Sequence[Path | None], prefix: str
) -> Answer | None:
    """The pick for one of those folders or workspace files; a named profile's database before the default one's."""
    for state in [folder for folder in (profile, app.user) if folder is not None]:
        file = state / "globalStorage" / "state.vscdb"
        row = _row(around, file, _CLASSIC)
        for path in shown:
            key, value = _pick(around, row, path, prefix)
            if key and value:
                place = Place(file=file, key=f"{_CLASSIC} ▸ {key}")
                return Answer(written=value, path=around.disk.place(value), places=(place,), picked=True)
    return None


def remote_picks(around: Surroundings, app: App, profile: Path | None) -> Iterator[Claim]:
    """What is picked for a folder of this path on other machines: shown, for it is easily taken for this one's."""
    file = (profile or app.user) / "globalStorage" / "state.vscdb"
    key_of_folder = re.compile(r"(?P<remote>[^/]+)_WORKSPACE_FOLDER_INTERPRETER_PATH_(?P<folder>/.*)")
    for key, value in (_row(around, file, _CLASSIC) or {}).items():
        match = key_of_folder.fullmatch(key)
        if match is None or not isinstance(value, str) or around.project is None:
            continue
        if around.disk.same(around.disk.place(match["folder"]), around.project):
            yield Claim(
                ide=app.ide,
                who=app.title,
                what=f"picked on {match['remote']}",
                written=value,
                decided_by=(Place(file=file, key=f"{_CLASSIC} ▸ {key}"),),
                decisive=False,
                overruled="another machine's folder of the same path",
            )


def _pick(around: Surroundings, row: Mapping[str, Any] | None, folder: Path | None, prefix: str) -> tuple[str, str]:
    """The key and the value of the pick for a folder; folders are compared as folders, not as texts."""
    for key, value in (row or {}).items():
        if folder is None or not key.startswith(prefix):
            continue
        if isinstance(value, dict):
            value = value.get("data")  # written with an expiry
        if isinstance(value, str) and value not in ("", "python"):
            written = key[len(prefix) :]
            if written.startswith("/") and around.disk.same(around.disk.place(written), folder):
                return key, value
    return "", ""


def _by_setting(around: Surroundings, settings: list[Settings]) -> Answer | None:
    for scope in settings:
        value = scope.get(_SETTING)
        if isinstance(value, str) and value not in ("", "python"):
            path = expanded(around, value)
            if path is None:
                return None
            return Answer(written=value, path=path, places=(scope.place(_SETTING),), picked=False)
    return None


def _modern(around: Surroundings, app: App, settings: list[Settings]) -> Answer | None:
    """The Python Environments extension's order: pythonProjects, defaultEnvManager, then the setting of a path.

    With a manager named, its stored pick counts; without one it takes CONDA_PREFIX of VS Code's own process, which no
    file tells.
    """
    manager, places = _manager(around, settings)
    by_setting = _by_setting(around, settings)
    if manager is None and by_setting is not None:
        return by_setting
    for name, written, place in _stored_picks(around, app):
        if manager in (None, name):
            return Answer(written=written, path=around.disk.place(written), places=(*places, place), picked=True)
    return None


def _manager(around: Surroundings, settings: list[Settings]) -> tuple[str | None, tuple[Place, ...]]:
    for scope in settings:
        projects = scope.get("python-envs.pythonProjects")
        for entry in projects if isinstance(projects, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("path"), str) and around.project is not None:
                folder = expanded(around, entry["path"] or ".")
                if folder is not None and around.disk.same(folder, around.project):
                    name = str(entry.get("envManager", "")).rpartition(":")[2]
                    return name or None, (scope.place("python-envs.pythonProjects"),)
    for scope in settings:
        if isinstance(value := scope.get("python-envs.defaultEnvManager"), str):
            return value.rpartition(":")[2], (scope.place("python-envs.defaultEnvManager"),)
    return None, ()


def _stored_picks(around: Surroundings, app: App) -> Iterator[tuple[str, str, Place]]:
    if around.project is None:
        return
    for file in (window.state / "state.vscdb" for window in app.windows):
        row = _row(around, file, _MODERN) or {}
        for manager in _MANAGERS:
            key = f"{_MODERN}:{manager}:WORKSPACE_SELECTED"
            chosen = row.get(key)
            for path, value in chosen.items() if isinstance(chosen, dict) else ():
                if isinstance(value, str) and value and around.disk.same(around.disk.place(path), around.project):
                    yield manager, value, Place(file=file, key=key)


def _console(around: Surroundings, app: App) -> Answer | None:
    """Positron: the interpreter whose console it starts again when the folder is opened."""
    if app.title != "Positron" or around.project is None:
        return None
    for file in (window.state / "state.vscdb" for window in app.windows):
        for key in CONSOLES:
            metadata = (_row(around, file, key) or {}).get("metadata")
            path = metadata.get("runtimePath") if isinstance(metadata, dict) else None
            if isinstance(path, str) and path.startswith(("/", "~")):
                place = Place(file=file, key=key)
                return Answer(written=path, path=around.disk.place(path), places=(place,), picked=True)
    return None


def _row(around: Surroundings, file: Path, key: str) -> dict[str, Any] | None:
    """One named row of a state database; the backup of the last quit where the database itself is damaged."""
    disk = around.disk
    for candidate in (file, file.with_name(file.name + ".backup")):
        real, presence = disk.follow(candidate)
        if presence is not Presence.PRESENT or not disk.is_file(candidate):
            continue
        try:
            if real.stat().st_size > DATABASE_LIMIT * 10:
                disk.skip(candidate, "a database larger than any VS Code writes")
                continue
            return vscode_row(real, key)
        except FormatError as error:
            disk.skip(candidate, str(error))
        except OSError as error:
            disk.skip(candidate, error.strerror or str(error))
    return None
