"""The names in and beside a prefix by which we and our own next run know what is going on there."""

from __future__ import annotations

import fcntl
import glob
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: How many files are looked at before a folder is taken for something that people care about.
_MOST_DEBRIS: Final = 20_000
#: In a prefix that was begun by us and is not finished.
BUILDING: Final = Path("conda-meta") / "envbuild.building"


@dataclass(frozen=True)
class Place:
    """A prefix and the names beside it that `create` and `remove` use.

    NAME/conda-meta/envbuild.building   begun by us and not finished; the prefix appears with this mark
    .NAME.envbuild-old                  the previous environment, moved aside
    .NAME.envbuild-trash-*              something not yet begun, or on its way to deletion
    .NAME.envbuild-lock                 held while one of us is at work here; stays
    """

    prefix: Path
    held: int = -1
    """The descriptor of the lock. A child process that inherits it keeps the place locked until it ends too."""

    @property
    def old(self) -> Path:
        return self.prefix.with_name(f".{self.prefix.name}.envbuild-old")

    @property
    def lock_file(self) -> Path:
        return self.prefix.with_name(f".{self.prefix.name}.envbuild-lock")

    @property
    def is_building(self) -> bool:
        """Whether the prefix is one that was begun and not finished. Never true of what others made."""
        return not self.prefix.is_symlink() and (self.prefix / BUILDING).is_file()

    @property
    def is_free(self) -> bool:
        """Whether nothing is there, or an empty folder."""
        if not os.path.lexists(self.prefix):
            return True
        return not self.prefix.is_symlink() and self.prefix.is_dir() and not any(self.prefix.iterdir())

    @property
    def is_debris(self) -> bool:
        """Whether nothing is there but folders and bytecode: what a process that outlived a killed one wrote there."""
        if self.prefix.is_symlink() or not self.prefix.is_dir() or self.prefix.is_mount() or self.is_free:
            return False
        seen = 0
        for folder, folders, files in os.walk(self.prefix):
            seen += len(files) + 1
            if seen > _MOST_DEBRIS or any(os.path.islink(f"{folder}/{name}") for name in folders):  # noqa: PTH114
                return False
            if files and (not folder.endswith("/__pycache__") or not all(name.endswith(".pyc") for name in files)):
                return False
        return True

    def trash(self) -> Path:
        return self.prefix.with_name(f".{self.prefix.name}.envbuild-trash-{os.getpid()}-{time.monotonic_ns()}")

    def leftovers(self) -> list[Path]:
        return sorted(self.prefix.parent.glob(f".{glob.escape(self.prefix.name)}.envbuild-trash-*"))


def is_locked(place: Place) -> bool:
    """Whether another process is at work here. Where there is no lock file, nobody ever was."""
    try:
        held = os.open(place.lock_file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(held)
    return False


def hold(prefix: Path, *, waiting: Callable[[], None] | None = None) -> int:
    """Take the lock of a prefix; gives the descriptor that holds it, which children may inherit.

    `waiting` is called once if somebody else has it, and then it is waited for; without `waiting`, BlockingIOError is
    raised instead. Raises OSError where the lock file cannot be made, or is a link.
    """
    path = Place(prefix).lock_file
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is None:
                    raise
                waiting()
                fcntl.flock(held, fcntl.LOCK_EX)
            if _is_still(held, path):
                return held
        except BaseException:
            os.close(held)
            raise
        # Whoever had it before has removed the environment, and the lock file with it.
        os.close(held)


def _is_still(held: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(held), path.lstat())
    except FileNotFoundError:
        return False
