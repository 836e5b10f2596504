"""How verification tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

#: Called with a short phrase each time something new is begun; may be called from several threads.
Progress = Callable[[str], None]


class Level(StrEnum):
    """How much is run. QUICK takes about 10 s on two idle, warm cores; FULL also runs what is slow or rarely breaks."""

    QUICK = "quick"
    DEFAULT = "default"
    FULL = "full"
