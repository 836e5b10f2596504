"""What reading the files of an environment showed, kept so that the same files need not be read again.

The rules, as git has them for its index:

- it is taken only where every entry of the environment has the name, kind, permissions, owner, size, inode, and the
  times of content and state that it had before its files were read, and envbuild is the same
  (`environment.fingerprint`, `operations.records`);
- it is kept only where nothing had changed within two seconds of the reading, or during it: a later change in the same
  tick of the file system's clock would not show;
- only where nothing failed, for an environment that envbuild made and that no link leads out of;
- `verify --full`, `create` and `sync` read everything. What was not read is said.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from builder.environment.fingerprint import fingerprint
from builder.finding import Finding, Remedy, Status
from builder.operations.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.workspace import Workspace

_FOLDER: Final = "verified"
#: The check that compares the content of files with what was recorded of it.
_CONTENT: Final = "pkg.integrity"
#: As coarse as the clock of any file system that environments are on (the FAT family's), in nanoseconds.
_TICK: Final = 2_000_000_000


@dataclass(frozen=True, kw_only=True)
class Unread:
    """That files were not read again. `of` is when they were, in UTC (ISO 8601)."""

    files: int
    of: str

    @property
    def told(self) -> str:
        return (
            f"{self.files:,} files were not read again: their sizes, inodes and times are those of {self.of}, when "
            "they were right. This does not see what a damaged disk changes; --full reads everything"
        )


class Seen:
    """What was seen in one environment. `question` is all that the findings depend on besides its files."""

    def __init__(self, workspace: Workspace, prefix: Path, *, question: str) -> None:
        self._prefix = prefix
        self._clock = workspace.clock
        self._question = hashlib.sha256(question.encode()).hexdigest()
        named = hashlib.sha256(os.fsencode(os.path.realpath(prefix))).hexdigest()
        self._record = Record(workspace.project.state / _FOLDER / f"{named[:32]}.json", facts=workspace.facts_folder)
        self.unread: Unread | None = None
        """Set where what earlier runs saw was taken."""

    def read(self, work: Callable[[], list[Finding]]) -> list[Finding]:
        """The findings of `work`, which reads the files, or those that it gave of the very same files."""
        began = self._clock()
        try:
            before = fingerprint(self._prefix)
        except OSError:
            return work()
        kept = self._record.read()
        found = _findings(kept.get(self._question), before.digest)
        if found is not None:
            self.unread = Unread(files=before.files, of=str(kept[self._question]["of"]))
            return [_dated(finding, self.unread) for finding in found]
        found = work()
        if self._is_to_be_kept(found) and not before.leaves and before.newest < began.timestamp() * 1e9 - _TICK:
            self._keep(kept, before.digest, found, of=began.isoformat(timespec="seconds"))
        return found

    def _is_to_be_kept(self, found: list[Finding]) -> bool:
        from builder.checks.engine import is_crash
        from builder.frameworks import registry

        bad = any(finding.status is Status.FAIL or is_crash(finding) for finding in found)
        return bool(found) and not bad and not registry.from_outside()

    def _keep(self, kept: dict[str, Any], digest: str, found: list[Finding], *, of: str) -> None:
        try:
            if fingerprint(self._prefix).digest != digest:
                return
        except OSError:
            return
        findings = [finding.to_json() | {"about": sorted(finding.about)} for finding in found]
        # What was seen of files that have changed since is of no use any more.
        same = {question: entry for question, entry in kept.items() if entry.get("state") == digest}
        self._record.write(same | {self._question: {"state": digest, "of": of, "findings": findings}})


def _dated(finding: Finding, unread: Unread) -> Finding:
    """Of the files' content, the report says when it was read."""
    if finding.check != _CONTENT:
        return finding
    told = f"read on {unread.of}; since then no file has another size, inode or time"
    return replace(finding, evidence=(*finding.evidence, told))


def _findings(entry: Any, digest: str) -> list[Finding] | None:
    try:
        if entry is None or entry["state"] != digest:
            return None
        return [_finding(one) for one in entry["findings"]] or None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _finding(data: dict[str, Any]) -> Finding:
    remedy = data["remedy"]
    return Finding(
        check=str(data["check"]),
        status=Status(data["status"]),
        title=str(data["title"]),
        evidence=tuple(map(str, data["evidence"])),
        remedy=None if remedy is None else Remedy(str(remedy["say"]), tuple(map(str, remedy["commands"]))),
        about=frozenset(map(str, data["about"])),
    )
