"""Setting up git's merge driver for locks: the lines of `.gitattributes`, and the settings of one clone."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.files import read_ordinary, write_atomically
from builder.git import Git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.workspace import Workspace

DRIVER: Final = "envbuild"
#: Every file that `lock` and `prove` write: they belong together, and so are merged together.
ATTRIBUTES: Final = tuple(
    f"environments/*/{file} merge={DRIVER}"
    for file in ("conda-lock.yml", "environment*.yml", "virtual-packages.yml", "proof.json")
)
_COMMENT: Final = "# Locks are merged by solving again (`envbuild merge-lock --install`, once in each clone)."
_FILE: Final = ".gitattributes"
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class InstallRequest:
    """Which program git is to start; default: `envbuild`, as the user's PATH finds it."""

    program: str = ""


@dataclass(frozen=True, kw_only=True)
class InstallResult:
    """What git was told, and the file that says which files are meant; `written` is False where it said so already."""

    settings: Mapping[str, str]
    attributes: Path
    written: bool


def install(workspace: Workspace, request: InstallRequest) -> InstallResult:
    """Make `merge-lock` the merge driver of this clone for the project's locks. Raises UsageError outside of git."""
    root = workspace.project.root
    git = Git(folder=root, environ=workspace.environ)
    git.top()
    on_path = shutil.which("envbuild", path=workspace.environ.get("PATH")) is not None
    program = "envbuild" if on_path or not request.program else shlex.quote(request.program)
    settings = driver_settings(program)
    for name, value in settings.items():
        git.set(name, value)
    file, written = write_attributes(root)
    return InstallResult(settings=settings, attributes=file, written=written)


def driver_settings(program: str = "envbuild") -> dict[str, str]:
    """git's settings of the driver, by name. A clone must have them in its own configuration: git takes no commands
    from files that are committed.
    """
    return {
        f"merge.{DRIVER}.name": "envbuild: solve the merged recipe again",
        f"merge.{DRIVER}.driver": f"{program} merge-lock %O %A %B %P",
        # Between the ancestors of a criss-cross merge there is no recipe to solve.
        f"merge.{DRIVER}.recursive": "text",
    }


def write_attributes(root: Path) -> tuple[Path, bool]:
    """Add to a project's `.gitattributes` which files the driver is for; the file, and whether anything was missing.

    Raises UsageError for one that cannot be read.
    """
    file = root / _FILE
    there = read_ordinary(file, limit=_MOST_BYTES, error=UsageError).decode() if file.exists() else ""
    wanted = with_attributes(there)
    if wanted != there:
        write_atomically(file, wanted)
    return file, wanted != there


def with_attributes(text: str) -> str:
    """The content of a `.gitattributes`, with the lines that give the files of locks to the driver."""
    missing = [line for line in ATTRIBUTES if line not in text.splitlines()]
    if not missing:
        return text
    head = [] if _COMMENT in text else [_COMMENT]
    begun = text if not text or text.endswith("\n") else f"{text}\n"
    return begun + "".join(f"{line}\n" for line in (*head, *missing))
