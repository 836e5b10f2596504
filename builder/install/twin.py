"""A twin of an environment to work on: it shares the files that nobody writes into, and costs almost nothing.

Packages hard-code their prefix, so what is to be repaired must be repaired in its place. The twin takes that place, and
the environment as it was waits beside it: whatever happens to the work, it is still there.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from builder.progress import Progress

#: Written anew in place by installers and by us.
_METADATA: Final = "conda-meta/"
_TASK: Final = "twin"
_TOLD_EVERY: Final = 2_000


def make_twin(
    source: Path, target: Path, *, shared: Collection[str], progress: Progress, known: Collection[str] | None = None
) -> None:
    """Fill the folder `target` with what is in `source`.

    Files named in `shared` (relative paths), and bytecode, which Python replaces as a whole, become hard links:
    installers delete such files before they write others. All others are copied, since some installer may open them
    for writing, as is everything where the file system has no hard links. With `known`, files that are neither in it
    nor bytecode nor conda's own notes stay behind. Raises OSError.
    """
    done = 0
    pending = [""]
    folders: list[str] = []
    while pending:
        below = pending.pop()
        folders.append(below)
        with os.scandir(source / below) as entries:
            for entry in entries:
                rel = f"{below}{entry.name}"
                if known is not None and not entry.is_dir(follow_symlinks=False) and not _belongs(rel, known):
                    continue
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), target / rel)  # noqa: PTH211, PTH115 - as it is, unresolved
                elif entry.is_dir(follow_symlinks=False):
                    (target / rel).mkdir(exist_ok=True)
                    pending.append(f"{rel}/")
                else:
                    _file(entry, target / rel, link=rel in shared or rel.endswith(".pyc"))
                done += 1
                if done % _TOLD_EVERY == 0:
                    progress.update(_TASK, "setting the present environment aside", completed=done)
    for below in folders:
        # After what is in them: their permissions may forbid to write.
        shutil.copymode(source / below, target / below)
    progress.done(_TASK, "set the present environment aside")


def _belongs(rel: str, known: Collection[str]) -> bool:
    return rel in known or rel.endswith(".pyc") or rel.startswith(_METADATA)


def _file(entry: os.DirEntry[str], target: Path, *, link: bool) -> None:
    regular = stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
    if link or not regular:
        try:
            os.link(entry.path, target, follow_symlinks=False)
        except OSError:
            # No hard links here, too many of them, or another file system below the prefix.
            if not regular:
                return
        else:
            return
    shutil.copy2(entry.path, target)


def shared_files(files: Collection[str]) -> frozenset[str]:
    """Those of an environment's recorded files that its twin may share."""
    return frozenset(rel for rel in files if not rel.startswith(_METADATA))
