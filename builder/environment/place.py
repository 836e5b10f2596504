"""The names in and beside a prefix by which we and our own next run know what is going on there."""

from __future__ import annotations

import glob
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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

    def trash(self) -> Path:
        return self.prefix.with_name(f".{self.prefix.name}.envbuild-trash-{os.getpid()}-{time.monotonic_ns()}")

    def leftovers(self) -> list[Path]:
        return sorted(self.prefix.parent.glob(f".{glob.escape(self.prefix.name)}.envbuild-trash-*"))
