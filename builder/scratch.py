"""Folders for a moment's work, which do not pile up when we are killed in the middle of it.

Each is locked by the process that works in it, and the kernel takes the lock away when that process ends, however it
does. So the next one of us knows which of them nobody works in any more, and deletes those.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK: Final = ".envbuild-lock"
#: Age in seconds from which a folder without a lock is taken for left behind, and not for just being made.
_ABANDONED: Final = 3600


@contextlib.contextmanager
def scratch(prefix: str, *, folder: Path | None = None) -> Iterator[Path]:
    """A new folder below `folder` (default: the system's temporary one), deleted in the end.

    Deletes first what others of this prefix, of the same user, have left behind. Raises OSError where the folder
    cannot be made.
    """
    parent = Path(tempfile.gettempdir()) if folder is None else folder
    sweep(prefix, folder=parent)
    made = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        unlocked = made / f"{_LOCK}-unlocked"
        held = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Named only now: between its making and its locking another of us would have taken the folder for left.
            unlocked.rename(made / _LOCK)
            yield made
        finally:
            os.close(held)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def sweep(prefix: str, *, folder: Path) -> None:
    """Delete the scratch folders of this prefix and user in which nobody works any more."""
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.name.startswith(prefix)]
    except OSError:
        return
    for left in found:
        with contextlib.suppress(OSError):
            _delete_if_left(left)


def _delete_if_left(left: Path) -> None:
    status = left.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        return
    try:
        held = os.open(left / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        if status.st_mtime < time.time() - _ABANDONED:
            shutil.rmtree(left, ignore_errors=True)
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(held)
