"""Where files may be written: by a path that the user gave, and in the project's own folders."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from builder.errors import BuildError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def require_writable(*files: Path | None) -> None:
    """Refuse a file that could not be written, before the work whose result it is to hold.

    Only a regular file is ever replaced: not a device (`--html /dev/null` would leave a file in its place), and nothing
    through a link, which somebody else may have laid. Raises UsageError.
    """
    for file in files:
        if file is not None and (reason := _reason(file)):
            raise UsageError(f"{file} cannot be written: {reason}", hint="choose a file in a folder you may write to")


def _reason(file: Path) -> str | None:
    try:
        mode = file.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        folder = next(parent for parent in file.parents if parent.exists())
        if not folder.is_dir():
            return f"{folder} is not a folder"
        return None if os.access(folder, os.W_OK | os.X_OK) else f"no permission in {folder}"
    except OSError as error:
        return error.strerror or str(error)
    if stat.S_ISDIR(mode):
        return "it is a folder"
    if stat.S_ISLNK(mode):
        return "it is a symbolic link"
    if not stat.S_ISREG(mode):
        return "it is not a regular file"
    return None if os.access(file.parent, os.W_OK | os.X_OK) else f"no permission in {file.parent}"


def require_own_folder(folder: Path) -> None:
    """Refuse a folder for rendered files and locks (`environments/NAME`) that lies elsewhere, by a link of its own or
    of the folder around it: whoever laid the link would choose what is overwritten. Raises UsageError.
    """
    for place in (folder, folder.parent):
        if place.is_symlink():
            raise UsageError(
                f"{place} is a symbolic link to {os.path.realpath(place)}, and nothing is written through it",
                hint="put a folder in its place, or work in the project that it leads to with --project DIR",
            )


def write_output(file: Path, text: str) -> None:
    """Write a file that `require_writable` let through. Raises UsageError where it can no longer be written."""
    from builder.files import write_atomically

    require_writable(file)
    try:
        write_atomically(file, text)
    except BuildError as error:
        reason = error.plain.partition(": ")[2]
        raise UsageError(f"{file} cannot be written: {reason}", hint=error.hint) from None
