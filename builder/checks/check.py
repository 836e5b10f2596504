"""What a check is: which subject it needs, what it catches, and how it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from builder.finding import Finding
from builder.probes.level import Level

if TYPE_CHECKING:
    from builder.checks.subject import Subject

Area = Literal[
    "installation",
    "architecture",
    "linking",
    "signature",
    "packages",
    "blas",
    "openmp",
    "imports",
    "frameworks",
    "numerics",
    "process",
    "user",
]


#: What reading the files of an area, or the machine's settings, is called while it goes on.
DOING: Final[dict[Area, str]] = {
    "installation": "looking at how the environment was made",
    "architecture": "reading for which processor its binaries are",
    "linking": "following what its libraries link",
    "signature": "checking code signatures",
    "packages": "comparing packages with their records",
    "blas": "finding out which BLAS is linked",
    "openmp": "looking for a second OpenMP",
    "imports": "reading what modules need",
    "frameworks": "comparing what belongs to a framework",
    "numerics": "reading what computes",
    "process": "comparing with what your conda says",
    "user": "reading your own settings",
}


class Needs(StrEnum):
    """What a check must have before it: each value is something that a subject may offer."""

    FILES = "files"
    """The files of the environment, on any machine and for any platform."""
    PROCESS = "process"
    """The environment's own Python, running here."""
    MACHINE = "machine"
    """The settings and tools of the user on this machine."""


#: Looks at a subject and says what it found. Nothing at all means that the check does not concern this subject.
Run = Callable[["Subject"], Iterable[Finding]]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check, of one area.

    `catches` says in one sentence what it finds; `otherwise` quotes the error (or the silence) that the user would have
    met without it. `run` yields findings under this check's own id. From `level` on it is part of a verification;
    `hashes` where it waits until the files are hashed, which is done in other processes meanwhile.
    """

    id: str
    area: Area
    needs: Needs
    catches: str
    otherwise: str
    run: Run
    level: Level = Level.DEFAULT
    hashes: bool = False

    @property
    def doing(self) -> str:
        """What its reading is called while it goes on, with its id."""
        return f"{DOING[self.area]} ({self.id})"
