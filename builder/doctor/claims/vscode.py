"""VS Code and its forks: which are installed, and what each of them runs for the folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from builder.doctor.claims.vscode_launch import launches
from builder.doctor.claims.vscode_picks import Answer, App, answers, remote_picks
from builder.doctor.claims.vscode_settings import (
    profile_of,
    settings_of,
    translated_terminal,
    variables_of,
)
from builder.doctor.claims.vscode_windows import remembered, workspaces
from builder.doctor.model import Claim, Ide, Interpreter, Place, Presence

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_CHANGE: Final = "Command Palette ▸ Python: Select Interpreter"

#: So many seconds (a month) another build of VS Code must have been used longer to have taken one's place.
_LEFT_BEHIND: Final = 30 * 24 * 3600.0


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


def _apps(around: Surroundings) -> Iterator[App]:
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
        app = App(ide=ide, title=title, user=user, extensions=disk.home / extensions / "extensions", arch=arch, why=why)
        yield _with_windows(around, app)


def _with_windows(around: Surroundings, app: App) -> App:
    windows = tuple(remembered(around, app.user))
    opened = tuple(workspaces(around, app.user, windows))
    shown = [path for path in (around.project, *opened) if path is not None]
    ours = tuple(window for window in windows if any(around.disk.same(window.shows, path) for path in shown))
    used = around.disk.modified(app.user / "globalStorage" / "state.vscdb")
    return replace(app, windows=ours, workspaces=opened, used=used)


def _settings_only(around: Surroundings) -> list[Claim]:
    editor = around.disk.home / ".no-editor"
    app = _with_windows(around, App(ide=Ide.VSCODE, title="VS Code", user=editor, extensions=editor))
    # A committed settings.json may be a colleague's: it counts where VS Code is asked about, or nothing else is used.
    asked = around.asked is not None and bool(around.asked & {Ide.VSCODE, Ide.CURSOR})
    counts = asked or not around.disk.is_dir(around.settings_root / "JetBrains")
    return [replace(claim, decisive=claim.decisive and counts) for claim in _claims(around, app)]


def _claims(around: Surroundings, app: App) -> list[Claim]:
    profile = profile_of(around, app.user)
    settings = list(settings_of(around, app.user, profile, app.workspaces))
    translated, why, where = translated_terminal(around, settings)
    variables = variables_of(around, settings)
    found: list[Claim] = []
    for answer, system in answers(around, app, profile, settings):
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
                # Of an empty window nobody says that it is used, unless `--ide` does.
                decisive=fallback is None and (around.project is not None or around.asked is not None),
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
    found += remote_picks(around, app, profile)
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


def _launch_claims(around: Surroundings, app: App, chosen: Interpreter | None) -> Iterator[Claim]:
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


def _what(around: Surroundings, answer: Answer, system: str) -> str:
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
