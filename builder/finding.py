"""What verification and the doctor say: findings, and the report that holds them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The outcome of one check. `SKIP` means it could not run (the evidence says why), never that it holds."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One result of one check.

    `check` is the stable dotted id of a registered check (`builder.checks.registry`); `title` one sentence
    in the present tense; `evidence` the raw facts behind it (paths relative to the prefix, symbols,
    versions), one a line; `remedy` what to do, as a command where there is one.
    """

    check: str
    status: Status
    title: str
    evidence: tuple[str, ...] = ()
    remedy: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"status": self.status.value, "evidence": list(self.evidence)}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which environment a report is about."""

    prefix: str
    name: str | None = None
    subdir: str | None = None
    lock_sha256: str | None = None
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Report:
    """All findings about one environment, in the order the checks ran."""

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
