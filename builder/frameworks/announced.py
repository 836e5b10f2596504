"""Entry points of a group, looked for without `importlib.metadata` where nobody announces any.

To import that module and have it parse what every installed distribution announces takes longer than all else that
finding the frameworks does, and hardly anybody has one from outside. So the files that it would read are looked at
for the group's name first. Where something else than folders on `sys.path` may answer, it is asked in any case.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint


def announced(group: str) -> Sequence[EntryPoint]:
    """What `importlib.metadata.entry_points` gives for a group, sorted by name."""
    if not _is_named(group):
        return ()
    from importlib.metadata import entry_points

    return sorted(entry_points(group=group), key=lambda entry: entry.name)


def _is_named(group: str) -> bool:
    """Whether any distribution may announce something for the group: never False where one does."""
    others = (finder for finder in sys.meta_path if finder is not PathFinder)
    if any(hasattr(finder, "find_distributions") for finder in others):
        return True
    return any(_is_named_in(folder, group.encode()) for folder in sys.path)


def _is_named_in(folder: str, group: bytes) -> bool:
    try:
        names = os.listdir(folder or ".")  # noqa: PTH208 - a path for each of hundreds of names takes its time
    except NotADirectoryError:
        return True  # an archive, perhaps
    except OSError:
        return False
    return any(group in text for text in _texts(folder, names))


def _texts(folder: str, names: Iterable[str]) -> Iterable[bytes]:
    for name in names:
        if name.lower().endswith((".dist-info", "egg-info")):
            try:
                yield Path(folder, name, "entry_points.txt").read_bytes()
            except OSError:
                continue
