"""How much of an environment is verified."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """How much is run. QUICK takes about 10 s on two idle, warm cores; FULL also runs what is slow or rarely breaks."""

    QUICK = "quick"
    DEFAULT = "default"
    FULL = "full"

    def includes(self, other: Level) -> bool:
        """Whether what is done at `other` is done at this level too."""
        order = tuple(Level)
        return order.index(self) >= order.index(other)
