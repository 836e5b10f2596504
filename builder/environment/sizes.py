"""How much of the disk a folder takes, and how much deleting it would give back."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: The unit of `st_blocks`, whatever the file system's own. Source: stat(2).
_BLOCK = 512


@dataclass(frozen=True, kw_only=True)
class Size:
    """Bytes on the disk."""

    taken: int = 0
    freed: int = 0
    """Without what has other names outside the folder (hard links), which deleting it leaves."""

    def __add__(self, other: Size) -> Size:
        return Size(taken=self.taken + other.taken, freed=self.freed + other.freed)


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What a moment's look at a folder found. Files with several names count for each."""

    taken: int
    """Bytes on the disk."""
    whole: bool
    """Whether all of it was seen."""


def measured_within(path: Path, *, seconds: float) -> Glance:
    """How much of the disk a folder takes, as far as that can be seen in so long."""
    until, taken = time.monotonic() + seconds, 0
    pending = [str(path)]
    while pending and time.monotonic() < until:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        taken += entry.stat(follow_symlinks=False).st_blocks * _BLOCK
        except OSError:
            continue
    return Glance(taken=taken, whole=not pending)


def size_of(path: Path) -> Size:
    """The size of a file or folder; links are not followed, and what cannot be read counts as nothing."""
    taken = freed = 0
    several: dict[tuple[int, int], list[int]] = {}
    pending = [str(path)]
    while pending:
        here = pending.pop()
        try:
            with os.scandir(here) as entries:
                statuses = [
                    (entry.path, entry.stat(follow_symlinks=False), entry.is_dir(follow_symlinks=False))
                    for entry in entries
                ]
        except NotADirectoryError:
            statuses = [(here, os.lstat(here), False)]
        except OSError:
            continue
        for name, status, is_folder in statuses:
            bytes_of = status.st_blocks * _BLOCK
            if is_folder:
                pending.append(name)
            elif status.st_nlink > 1:
                seen = several.setdefault((status.st_dev, status.st_ino), [bytes_of, status.st_nlink, 0])
                seen[2] += 1
                continue
            taken += bytes_of
            freed += bytes_of
    for bytes_of, links, names in several.values():
        taken += bytes_of
        freed += bytes_of if names >= links else 0
    return Size(taken=taken, freed=freed)
