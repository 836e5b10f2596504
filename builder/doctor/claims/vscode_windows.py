"""Which window VS Code has for a folder: the folder alone, or a workspace file that names it, in it or above it.

VS Code keeps a folder of state for each window it ever had (`workspaceStorage/*/workspace.json`), and what is open in
`globalStorage/storage.json`. Source: microsoft/vscode, platform/windows/electron-main/windowsStateHandler.ts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings

#: Windows that are remembered; VS Code keeps thousands at most.
_MOST_WINDOWS: Final = 400


@dataclass(frozen=True, kw_only=True)
class Window:
    """The state VS Code keeps for one window: its folder of state, and the folder or workspace file that it shows."""

    state: Path
    shows: Path
    is_workspace: bool


def remembered(around: Surroundings, user: Path) -> Iterator[Window]:
    """Every window of the application whose `User` folder is `user`."""
    storage = user / "workspaceStorage"
    for name in around.disk.entries(storage)[:_MOST_WINDOWS]:
        document = around.json(storage / name / "workspace.json")
        if document is None:
            continue
        for key, is_workspace in (("folder", False), ("workspace", True), ("configuration", True)):
            shown = path_of(around, document.get(key))
            if shown is not None:
                yield Window(state=storage / name, shows=shown, is_workspace=is_workspace)


def workspaces(around: Surroundings, user: Path, windows: Sequence[Window]) -> list[Path]:
    """The workspace files that the project is opened through: none where its folder is opened alone."""
    project, disk = around.project, around.disk
    if project is None:
        return []
    alone = any(not window.is_workspace and disk.same(window.shows, project) for window in windows)
    known = [window.shows for window in windows if window.is_workspace and _holds(around, window.shows, project)]
    inside = [project / name for name in disk.entries(project) if name.endswith(".code-workspace")]
    candidates = list(dict.fromkeys([*known, *inside]))
    opened = list(_opened(around, user))
    if chosen := [file for file in candidates if any(disk.same(file, other) for other in opened)]:
        return chosen
    if alone or any(disk.same(project, other) for other in opened):
        return []
    return candidates


def path_of(around: Surroundings, uri: object) -> Path | None:
    """The path of a `file:///` URI; None for another one (a remote folder)."""
    if not isinstance(uri, str) or not uri.startswith("file:///"):
        return None
    path = unquote(urlsplit(uri).path)
    return around.disk.place(path) if "\0" not in path else None


def _holds(around: Surroundings, workspace: Path, project: Path) -> bool:
    """Whether a workspace file names that folder; its paths are relative to its own folder."""
    document = around.json(workspace)
    folders = document.get("folders") if document is not None else None
    for entry in folders if isinstance(folders, list) else ():
        if not isinstance(entry, dict):
            continue
        path = entry.get("path")
        written = around.disk.place(path, base=workspace.parent) if isinstance(path, str) and "\0" not in path else None
        folder = written or path_of(around, entry.get("uri"))
        if folder is not None and around.disk.same(folder, project):
            return True
    return False


def _opened(around: Surroundings, user: Path) -> Iterator[Path]:
    """What the windows show that are open, or were when VS Code was quit."""
    document = around.json(user / "globalStorage" / "storage.json")
    windows = document.get("windowsState") if document is not None else None
    if not isinstance(windows, dict):
        return
    others = windows.get("openedWindows")
    for window in (windows.get("lastActiveWindow"), *(others if isinstance(others, list) else ())):
        if isinstance(window, dict):
            yield from filter(None, (path_of(around, uri) for uri in _uris(window)))


def _uris(window: dict[str, Any]) -> Iterator[object]:
    yield window.get("folder")
    identifier = window.get("workspaceIdentifier")
    yield identifier.get("configURIPath") if isinstance(identifier, dict) else None
