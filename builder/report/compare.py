"""What changed between two reports: since the last green run, or beside a colleague's machine."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder.errors import UsageError
from builder.files import read_ordinary
from builder.finding import Finding, Identity, Remedy, Report, Status

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of a comparison. `kind`: worse, better, other, new or gone (by the worst status of a check)."""

    kind: str
    check: str
    before: str
    after: str
    titles: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "check": self.check,
            "before": self.before,
            "after": self.after,
            "titles": list(self.titles),
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences of the environment itself (lock, platform, versions) and of each check's outcome."""

    identity: tuple[Change, ...]
    checks: tuple[Change, ...]

    @property
    def same(self) -> bool:
        return not self.identity and not self.checks

    def to_json(self) -> dict[str, Any]:
        return {
            "same": self.same,
            "identity": [change.to_json() for change in self.identity],
            "checks": [change.to_json() for change in self.checks],
        }


#: A report of an environment with a few hundred findings has less than one MB.
_MOST_BYTES = 64_000_000
_SEVERITY = {Status.PASS: 0, Status.SKIP: 1, Status.WARN: 2, Status.FAIL: 3}


def load(file: Path) -> Report:
    """A report from what `envbuild verify NAME --json` printed (or its `result` alone). Raises UsageError."""
    try:
        data = json.loads(read_ordinary(file, limit=_MOST_BYTES, error=UsageError))
        if "envbuild" in data:
            data = data["result"].get("verification") or data["result"]
        environment = data["environment"]
        return Report(
            identity=Identity(
                prefix=environment["prefix"],
                name=environment.get("name"),
                kind=environment.get("kind"),
                subdir=environment.get("subdir"),
                lock_sha256=environment.get("lock_sha256"),
                versions=dict(environment.get("versions") or {}),
            ),
            findings=tuple(
                Finding(
                    check=entry["check"],
                    status=Status(entry["status"]),
                    title=entry["title"],
                    evidence=tuple(entry.get("evidence", ())),
                    remedy=_remedy(entry.get("remedy")),
                )
                for entry in data["findings"]
            ),
            seconds=float(data.get("seconds", 0)),
        )
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}", hint="`envbuild verify NAME --json > report.json` makes one"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            "this is not a report of `envbuild verify NAME --json`",
            file=file,
            hint="`envbuild verify NAME --json > report.json` makes one",
        ) from error


def _remedy(told: Any) -> Remedy | None:
    """A remedy as JSON; reports of earlier versions have it as one text."""
    if told is None or isinstance(told, str):
        return Remedy(told) if told else None
    return Remedy(str(told["say"]), tuple(map(str, told["commands"])))


def compare(before: Report, after: Report) -> Comparison:
    """What differs in `after`. A check is compared by the statuses of its findings, worst first."""
    return Comparison(identity=tuple(_identity(before.identity, after.identity)), checks=tuple(_checks(before, after)))


def _identity(before: Identity, after: Identity) -> list[Change]:
    pairs = {"platform": (before.subdir, after.subdir), "lock": (before.lock_sha256, after.lock_sha256)}
    names = dict.fromkeys((*before.versions, *after.versions))
    pairs |= {name: (before.versions.get(name), after.versions.get(name)) for name in names}
    return [
        Change(kind="other", check=name, before=_short(old), after=_short(new))
        for name, (old, new) in pairs.items()
        if old != new
    ]


def _short(value: str | None) -> str:
    return "none" if value is None else value[:12] if len(value) == 64 else str(value)


def _checks(before: Report, after: Report) -> list[Change]:
    old, new = _outcomes(before), _outcomes(after)
    changes: list[Change] = []
    for check in dict.fromkeys((*old, *new)):
        had, has = old.get(check), new.get(check)
        if had == has:
            continue
        titles = tuple(
            finding.title
            for finding in after.findings
            if finding.check == check and finding.status in (Status.FAIL, Status.WARN)
        )
        changes.append(Change(kind=_kind(had, has), check=check, before=_told(had), after=_told(has), titles=titles))
    order = {"worse": 0, "other": 1, "new": 2, "gone": 3, "better": 4}
    return sorted(changes, key=lambda change: order[change.kind])


def _outcomes(report: Report) -> dict[str, Counter[Status]]:
    found: dict[str, Counter[Status]] = {}
    for finding in report.findings:
        found.setdefault(finding.check, Counter())[finding.status] += 1
    return found


def _kind(had: Counter[Status] | None, has: Counter[Status] | None) -> str:
    if had is None or has is None:
        return "new" if had is None else "gone"
    worst_before, worst_after = (max(_SEVERITY[status] for status in outcome) for outcome in (had, has))
    if worst_after > max(worst_before, _SEVERITY[Status.SKIP]):
        return "worse"
    # What is skipped says nothing either way.
    return "better" if worst_before > max(worst_after, _SEVERITY[Status.SKIP]) else "other"


def _told(outcome: Counter[Status] | None) -> str:
    if outcome is None:
        return "not run"
    ordered = sorted(outcome, key=lambda status: -_SEVERITY[status])
    return ", ".join(f"{outcome[status]} {status.value}" for status in ordered)
