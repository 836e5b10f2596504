"""Which of several places is full, and what to do about that one."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Sequence

_NO_SPACE: Final = re.compile(r"no space left|disk quota exceeded|file too large|os error (28|122|27)\b", re.IGNORECASE)
#: Less free space than this, in bytes, is none: an installer that failed has deleted what it could not finish.
_FULL: Final = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder that something is written to, and what the user can do when it is full."""

    path: Path
    remedy: str


def is_no_space(reason: str) -> bool:
    """Whether an installer's message says that there was no space, or that a quota was used up."""
    return _NO_SPACE.search(reason) is not None


def prefix_store(prefix: Path) -> Store:
    return Store(path=prefix, remedy="free space there, or choose another place with -p PREFIX")


def temporary_store() -> Store:
    return Store(path=Path(tempfile.gettempdir()), remedy="free space there, or name another folder with TMPDIR")


def no_space(reason: str, stores: Sequence[Store]) -> BuildError:
    """The error for a full disk, naming the place: the one that the message names (last), else the one that is full."""
    full = [store for store in stores if _free(store.path) < _FULL]
    named = [store for store in stores if _named(store, reason) >= 0]
    # A copy names where it comes from first. Of folders in each other, the innermost is meant.
    found = max(named or full or stores[:1], key=lambda store: (_named(store, reason), len(str(store.path))))
    return BuildError(f"the disk is full at {found.path}: {reason}", hint=found.remedy)


def _named(store: Store, reason: str) -> int:
    """Where a message names a place last, or -1."""
    return max(reason.rfind(path) for path in (str(store.path), os.path.realpath(store.path)))


def _free(path: Path) -> int:
    """Bytes that can be written at a path, or at the folder that it would be made in."""
    for folder in (path, *path.parents):
        try:
            return shutil.disk_usage(folder).free
        except OSError:
            continue
    return 0
