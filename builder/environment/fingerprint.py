"""What tells, without reading a file, that an environment is as it was: the state of each entry, as git's index has it.

Each file, folder and link counts with its name, kind, permissions, owner, size, inode, and the times of its content and
of its state (mtime, ctime), a link with where it leads. Programs can set the first of the times, as whoever hides an
edit does, but not the second. What this cannot see: a disk that gives back other bytes than were written, and whoever
may write to the disk itself or set the machine's clock.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """The state of a folder with all that is in it."""

    digest: str
    files: int
    newest: int
    """The latest time in it, of content or state, in nanoseconds since the epoch."""
    leaves: bool
    """Whether a link leads out of it, to what is not looked at here."""


def fingerprint(folder: Path) -> Fingerprint:
    """The state of `folder`. Raises OSError where a part of it cannot be looked at."""
    root = os.path.realpath(folder)
    state = hashlib.sha256(f"{root}\0{os.path.normpath(folder)}".encode(errors="surrogateescape"))
    files = newest = 0
    leaves = False
    pending = [root]
    while pending:
        here = pending.pop()
        lines = []
        with os.scandir(here) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                newest = max(newest, found.st_mtime_ns, found.st_ctime_ns)
                to = ""
                if stat.S_ISDIR(found.st_mode):
                    pending.append(entry.path)
                elif stat.S_ISLNK(found.st_mode):
                    to = os.readlink(entry.path)  # noqa: PTH115 - tens of thousands of entries
                    leaves = leaves or not _inside(root, entry.path, to)
                else:
                    files += 1
                lines.append(
                    f"{entry.name}\0{found.st_mode} {found.st_uid} {found.st_gid} {found.st_size} {found.st_dev} "
                    f"{found.st_ino} {found.st_mtime_ns} {found.st_ctime_ns}\0{to}"
                )
        # The order of a folder's entries is no part of its state.
        state.update("\n".join((here, *sorted(lines), "")).encode(errors="surrogateescape"))
        pending.sort()
    return Fingerprint(digest=state.hexdigest(), files=files, newest=newest, leaves=leaves)


def _inside(root: str, link: str, to: str) -> bool:
    """Whether a link leads, in the end, to a place inside. Only what is written as leaving is followed."""
    if "/" not in to and to != "..":
        return True
    real = os.path.realpath(link)
    return real == root or real.startswith(f"{root}/")
