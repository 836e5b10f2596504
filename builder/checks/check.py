"""What a check is: which subject it needs, what it catches, and how it looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

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
