"""VS Code and its forks: the interpreter that was picked, else what the settings say, of the window for one folder.

Two extensions may choose. The Python extension keeps a pick in the *global* state database, the Python Environments
extension in the *workspace's*; a setting is read only while nothing is picked. Sources: microsoft/vscode-python
(interpreterPathService.ts), microsoft/vscode-python-environments (interpreterSelection.ts, condaUtils.ts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from builder.doctor.claims.vscode_launch import launches
from builder.doctor.claims.vscode_settings import (
    Settings,
    expanded,
    profile_of,
    settings_of,
    translated_terminal,
    variables_of,
)
from builder.doctor.claims.vscode_windows import Window, remembered, workspaces
from builder.doctor.formats import DATABASE_LIMIT, FormatError, vscode_row
from builder.doctor.model import Claim, Ide, Interpreter, Place, Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings

#: Folder of its settings → (which IDE, its name, its application on macOS, its folder of extensions).
_APPS: Final[dict[str, tuple[Ide, str, str, str]]] = {
    "Code": (Ide.VSCODE, "VS Code", "Visual Studio Code", ".vscode"),
    "Code - Insiders": (Ide.VSCODE, "VS Code Insiders", "Visual Studio Code - Insiders", ".vscode-insiders"),
    "VSCodium": (Ide.VSCODE, "VSCodium", "VSCodium", ".vscode-oss"),
    "Cursor": (Ide.CURSOR, "Cursor", "Cursor", ".cursor"),
    "Windsurf": (Ide.VSCODE, "Windsurf", "Windsurf", ".windsurf"),
    "Positron": (Ide.VSCODE, "Positron", "Positron", ".positron"),
    "Code - OSS": (Ide.VSCODE, "Code - OSS", "Code - OSS", ".vscode-oss"),
}
_CLASSIC: Final = "ms-python.python"
_MODERN: Final = "ms-python.vscode-python-envs"
_MANAGERS: Final = ("conda", "venv", "system", "pyenv", "poetry", "pipenv", "uv")
_SETTING: Final = "python.defaultInterpreterPath"
_CHANGE: Final = "Command Palette ▸ Python: Select Interpreter"
#: The interpreter whose console Positron starts for a folder. Source: posit-dev/positron, runtimeStartup.ts.
CONSOLES: Final = tuple(f"positron.affiliatedRuntimeMetadata{version}.python" for version in (".v2", ".v1", ""))

#: So many seconds (a month) another build of VS Code must have been used longer to have taken one's place.
_LEFT_BEHIND: Final = 30 * 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class _App:
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
class _Answer:
    """One value with its places, before it is known what it leads to."""

    written: str
    path: Path
    places: tuple[Place, ...]
    picked: bool


def read(around: Surroundings) -> list[Claim]:
    """The claims of every installed VS Code and fork about the project (without one: about an empty window)."""
    found: list[Claim] = []
    apps = list(_apps(around))
    for app in apps:
        by = next((other for other in apps if other.ide is app.ide and other.used > app.used + _LEFT_BEHIND), None)
        for claim in _claims(around, app):
            old = by is not None and app.used > 0
            found.append(
                replace(claim, decisive=False, overruled=f"{by.title} has been used since") if by and old else claim
            )
    if not apps and around.project is not None:
        # The folder has settings, though nobody who would read them was found.
        found += _settings_only(around)
    return found


def _apps(around: Surroundings) -> Iterator[_App]:
    disk = around.disk
    for name, (ide, title, application, extensions) in _APPS.items():
        places = [root / name / "User" for root in around.settings_roots]
        user = next((place for place in places if disk.is_dir(place)), places[0])
        if not disk.is_dir(user):
            # A machine that is reached from elsewhere: the user's own settings and picks are there, not here.
            server = disk.home / f"{extensions}-server" / "data"
            user = server / "User"
            if not disk.is_dir(user) and not disk.is_dir(server / "Machine"):
                continue
        arch, why, _ = around.application(application)
        app = _App(
            ide=ide, title=title, user=user, extensions=disk.home / extensions / "extensions", arch=arch, why=why
        )
        yield _with_windows(around, app)


def _with_windows(around: Surroundings, app: _App) -> _App:
    windows = tuple(remembered(around, app.user))
    opened = tuple(workspaces(around, app.user, windows))
    shown = [path for path in (around.project, *opened) if path is not None]
    ours = tuple(window for window in windows if any(around.disk.same(window.shows, path) for path in shown))
    used = around.disk.modified(app.user / "globalStorage" / "state.vscdb")
    return replace(app, windows=ours, workspaces=opened, used=used)


def _settings_only(around: Surroundings) -> list[Claim]:
    editor = around.disk.home / ".no-editor"
    app = _with_windows(around, _App(ide=Ide.VSCODE, title="VS Code", user=editor, extensions=editor))
    # A committed settings.json may be a colleague's: it counts where VS Code is asked about, or nothing else is used.
    asked = around.asked is not None and bool(around.asked & {Ide.VSCODE, Ide.CURSOR})
    counts = asked or not around.disk.is_dir(around.settings_root / "JetBrains")
    return [replace(claim, decisive=claim.decisive and counts) for claim in _claims(around, app)]


def _claims(around: Surroundings, app: _App) -> list[Claim]:
    profile = profile_of(around, app.user)
    settings = list(settings_of(around, app.user, profile, app.workspaces))
    translated, why, where = translated_terminal(around, settings)
    variables = variables_of(around, settings)
    found: list[Claim] = []
    for answer, system in _answers(around, app, profile, settings):
        interpreter = around.environments.of(answer.path)
        # VS Code falls back to an automatic choice where a mere setting leads nowhere.
        fallback = _automatic(around) if not answer.picked and interpreter.presence is Presence.GONE else None
        found.append(
            Claim(
                ide=app.ide,
                who=app.title,
                what=_what(around, answer, system),
                written=answer.written,
                decided_by=answer.places,
                interpreter=fallback or interpreter,
                decisive=fallback is None,
                overruled=f"{answer.written} does not exist; the folder's own environment is taken"
                if fallback
                else None,
                change=_CHANGE,
                app_arch=app.arch if app.arch == "x86_64" else translated,
                app_why=app.why or why,
                app_place=where if app.why is None else None,
                variables=variables,
            )
        )
    found += _remote_picks(around, app, profile)
    found += _launch_claims(around, app, next((claim.interpreter for claim in found if claim.interpreter), None))
    own = _automatic(around)
    automatic = own or around.active
    # What the folder holds is taken for sure where nothing else is said; of other environments nobody knows.
    sure = own is not None and around.in_scope(app.ide) and around.asked is not None and around.disk.is_dir(app.user)
    here = any(claim.interpreter is not None for claim in found)
    if not here and automatic is not None and (sure or variables or translated or app.arch == "x86_64"):
        found.append(
            Claim(
                ide=app.ide,
                who=app.title,
                what="nothing picked or set",
                written=str(automatic.path),
                decided_by=(Place(file=own.prefix),) if sure and own is not None and own.prefix is not None else (),
                interpreter=automatic,
                decisive=sure,
                change=_CHANGE,
                app_arch=app.arch if app.arch == "x86_64" else translated,
                app_why=app.why or why,
                app_place=where if app.why is None else None,
                variables=variables,
            )
        )
    return found


def _launch_claims(around: Surroundings, app: _App, chosen: Interpreter | None) -> Iterator[Claim]:
    """What F5 starts, where a launch configuration has an interpreter or variables of its own.

    It counts where it is the only one, or where its program is one of the project's that imports a framework.
    """
    configurations = launches(around, app.workspaces)
    for launch in configurations:
        interpreter = around.environments.of(launch.path) if launch.path is not None else chosen
        if interpreter is None or not (launch.path or launch.variables):
            continue
        yield Claim(
            ide=app.ide,
            who=app.title,
            what=f"launch configuration {launch.name}",
            written=launch.written or str(interpreter.path),
            decided_by=(launch.place,),
            interpreter=interpreter,
            decisive=bool(launch.uses) or (len(configurations) == 1 and launch.uses is None),
            overruled=None if len(configurations) == 1 or launch.uses else "one of several launch configurations",
            change=f"in {around.disk.show(launch.place.file)}, remove “{launch.place.key}” there, or set it",
            uses=launch.uses,
            app_arch=app.arch,
            app_why=app.why,
            variables=launch.variables,
        )


def _what(around: Surroundings, answer: _Answer, system: str) -> str:
    folder = f"folder {around.project.name}" if around.project is not None else "no folder open"
    return f"{folder}, {'picked' if answer.picked else 'by setting'}" + (f", {system}" if system else "")


def _automatic(around: Surroundings) -> Interpreter | None:
    """The environment in the folder, which both extensions prefer when nothing else is said."""
    if around.project is None:
        return None
    for name in (".venv", "venv", ".conda", "env"):
        prefix = around.project / name
        if around.environments.is_environment(prefix):
            found = around.environments.of_prefix(prefix)
            if found.presence is Presence.PRESENT:
                return found
    return None


# -- the answers, in VS Code's order -----------------------------------------------------------------------------


def _answers(
    around: Surroundings, app: _App, profile: Path | None, settings: list[Settings]
) -> list[tuple[_Answer, str]]:
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


def _classic(around: Surroundings, app: _App, profile: Path | None, settings: list[Settings]) -> _Answer | None:
    """The Python extension's order: folder pick, folder setting, workspace pick, workspace setting, user setting."""
    return (
        _picked(around, app, profile, [around.project], "WORKSPACE_FOLDER_INTERPRETER_PATH_")
        or _by_setting(around, [scope for scope in settings if scope.scope == "folder"])
        or _picked(around, app, profile, app.workspaces, "WORKSPACE_INTERPRETER_PATH_")
        or _by_setting(around, [scope for scope in settings if scope.scope != "folder"])
    )


def _picked(
    around: Surroundings, app: _App, profile: Path | None, shown: Sequence[Path | None], prefix: str
) -> _Answer | None:
    """The pick for one of those folders or workspace files; a named profile's database before the default one's."""
    for state in [folder for folder in (profile, app.user) if folder is not None]:
        file = state / "globalStorage" / "state.vscdb"
        row = _row(around, file, _CLASSIC)
        for path in shown:
            key, value = _pick(around, row, path, prefix)
            if key and value:
                place = Place(file=file, key=f"{_CLASSIC} ▸ {key}")
                return _Answer(written=value, path=around.disk.place(value), places=(place,), picked=True)
    return None


def _remote_picks(around: Surroundings, app: _App, profile: Path | None) -> Iterator[Claim]:
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


def _by_setting(around: Surroundings, settings: list[Settings]) -> _Answer | None:
    for scope in settings:
        value = scope.get(_SETTING)
        if isinstance(value, str) and value not in ("", "python"):
            path = expanded(around, value)
            if path is None:
                return None
            return _Answer(written=value, path=path, places=(scope.place(_SETTING),), picked=False)
    return None


def _modern(around: Surroundings, app: _App, settings: list[Settings]) -> _Answer | None:
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
            return _Answer(written=written, path=around.disk.place(written), places=(*places, place), picked=True)
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


def _stored_picks(around: Surroundings, app: _App) -> Iterator[tuple[str, str, Place]]:
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


def _console(around: Surroundings, app: _App) -> _Answer | None:
    """Positron: the interpreter whose console it starts again when the folder is opened."""
    if app.title != "Positron" or around.project is None:
        return None
    for file in (window.state / "state.vscdb" for window in app.windows):
        for key in CONSOLES:
            metadata = (_row(around, file, key) or {}).get("metadata")
            path = metadata.get("runtimePath") if isinstance(metadata, dict) else None
            if isinstance(path, str) and path.startswith(("/", "~")):
                place = Place(file=file, key=key)
                return _Answer(written=path, path=around.disk.place(path), places=(place,), picked=True)
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
