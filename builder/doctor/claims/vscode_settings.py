"""VS Code's settings: of the folder, the workspace, the profile and the user, and what else they decide."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder.doctor.claims.vscode_windows import path_of
from builder.doctor.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.formats import Document


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A settings file and its scope, the strongest first in a list of them."""

    scope: str
    file: Path
    document: Document
    nested: bool = False
    """In a `.code-workspace` the settings are one level down."""

    def get(self, key: str) -> Any:
        values = self.document.get("settings") if self.nested else self.document.value
        return values.get(key) if isinstance(values, dict) else None

    def place(self, key: str) -> Place:
        return Place(file=self.file, line=self.document.line(key), key=key)


def settings_of(
    around: Surroundings, user: Path, profile: Path | None, workspaces: Iterable[Path]
) -> Iterator[Settings]:
    """Folder, workspace, machine (of a server), profile and user settings, the strongest first."""
    if around.project is not None:
        file = around.project / ".vscode" / "settings.json"
        if (document := around.json(file)) is not None:
            yield Settings(scope="folder", file=file, document=document)
        for workspace in workspaces:
            if (document := around.json(workspace)) is not None and document.get("settings"):
                yield Settings(scope="workspace", file=workspace, document=document, nested=True)
    for folder in (user.parent / "Machine", profile, user):
        if folder is not None and (document := around.json(folder / "settings.json")) is not None:
            yield Settings(scope="user", file=folder / "settings.json", document=document)


def profile_of(around: Surroundings, user: Path) -> Path | None:
    """The folder of the named profile the project is opened with; None for the default one."""
    document = around.json(user / "globalStorage" / "storage.json")
    associations = document.get("profileAssociations") if document is not None else None
    workspaces = associations.get("workspaces") if isinstance(associations, dict) else None
    for uri, profile in workspaces.items() if isinstance(workspaces, dict) else ():
        folder = path_of(around, uri)
        if (
            folder is not None
            and around.project is not None
            and isinstance(profile, str)
            and re.fullmatch(r"[\w-]+", profile)
            and around.disk.same(folder, around.project)
            and around.disk.is_dir(user / "profiles" / profile)
        ):
            return user / "profiles" / profile
    return None


def expanded(around: Surroundings, value: str) -> Path | None:
    """A setting's path with VS Code's variables put in; None for a bare command or an unknown variable."""
    project = around.project
    environ = around.machine.environ

    def variable(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("workspaceFolder") or name == "workspaceRoot":
            return str(project) if project is not None else found[0]
        if name == "userHome":
            return str(around.disk.home)
        if name.startswith("env:"):
            known = {"HOME": str(around.disk.home)} | dict(environ)
            return known.get(name[4:], found[0])
        return found[0]

    text = re.sub(r"\$\{([^}]*)\}", variable, value)
    if "${" in text or ("/" not in text and "\\" not in text and text != "."):
        return None
    if re.match(r"[A-Za-z]:\\", text):
        text = "/" + text  # a Windows path from a colleague's settings: it leads nowhere here
    return around.disk.place(text, base=project)


def translated_terminal(around: Surroundings, settings: list[Settings]) -> tuple[str | None, str | None, Place | None]:
    """Whether the default terminal profile starts its shell as x86_64 (`arch -x86_64 zsh`)."""
    if not around.machine.is_mac:
        return None, None, None
    name = next((v for scope in settings if (v := scope.get("terminal.integrated.defaultProfile.osx"))), None)
    for scope in settings:
        profiles = scope.get("terminal.integrated.profiles.osx")
        profile = profiles.get(name) if isinstance(profiles, dict) and isinstance(name, str) else None
        if isinstance(profile, dict):
            words = [str(profile.get("path", "")), *map(str, profile.get("args") or ())]
            if words[0].rpartition("/")[2] == "arch" and any(word in ("-x86_64", "x86_64") for word in words):
                place = scope.place("terminal.integrated.profiles.osx")
                return "x86_64", f"its terminal profile “{name}” starts the shell as x86_64", place
    return None, None, None


def variables_of(around: Surroundings, settings: list[Settings]) -> dict[str, tuple[str, Place]]:
    """Variables that VS Code adds to its terminal."""
    found: dict[str, tuple[str, Place]] = {}
    key = f"terminal.integrated.env.{'osx' if around.machine.is_mac else 'linux'}"
    for scope in reversed(settings):
        values = scope.get(key)
        for name, value in values.items() if isinstance(values, dict) else ():
            if isinstance(value, str):
                found[name] = (value, Place(file=scope.file, line=scope.document.line(name), key=name))
    return found
