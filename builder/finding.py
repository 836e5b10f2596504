"""What verification and the doctor say: findings, what to do about them, and the report that holds them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The outcome of one check. `SKIP` means it could not run (the title says why), never that it passed."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Remedy:
    """What to do: one plain sentence, and the commands that do it.

    Each command runs as it is in a POSIX shell (paths are quoted), one after the other. Without commands, the sentence
    alone says what a person has to decide or do.
    """

    say: str
    commands: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The sentence and the commands as lines of text."""
        return "\n".join((self.say, *self.commands))

    def to_json(self) -> dict[str, Any]:
        return {"say": self.say, "commands": list(self.commands)}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of one check.

    `check` is the stable dotted id of a registered check (`builder.checks.catalogue`); `title` one sentence in the
    present tense; `evidence` the raw facts behind it (paths relative to the prefix, symbols, versions), one a line;
    `remedy` what to do about it. `about` names the packages and files (relative to the prefix) concerned: it is how
    the consequences of a defect are found, and is no part of the report.
    """

    check: str
    status: Status
    title: str
    evidence: tuple[str, ...] = ()
    remedy: Remedy | None = None
    about: frozenset[str] = field(default=frozenset(), compare=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "status": self.status.value,
            "title": self.title,
            "evidence": list(self.evidence),
            "remedy": self.remedy.to_json() if self.remedy is not None else None,
        }


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which environment a report is about."""

    prefix: str
    name: str | None = None
    kind: str | None = None
    """Who made it: `envbuild`, `conda`, `venv`, `system Python`, …"""
    subdir: str | None = None
    lock_sha256: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Report:
    """All findings about one environment, in the order of the checks."""

    identity: Identity
    findings: tuple[Finding, ...]
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """True when something was checked and nothing failed; warnings and skipped checks do not fail a report."""
        counts = self.counts()
        return counts["fail"] == 0 and counts["pass"] + counts["warn"] > 0

    def counts(self) -> dict[str, int]:
        counted = Counter(finding.status for finding in self.findings)
        return {status.value: counted[status] for status in Status}

    def to_json(self) -> dict[str, Any]:
        return {
            "environment": asdict(self.identity),
            "ok": self.ok,
            "counts": self.counts(),
            "seconds": round(self.seconds, 3),
            "findings": [finding.to_json() for finding in self.findings],
        }
