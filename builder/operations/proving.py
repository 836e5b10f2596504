"""The proof of an environment that was built or repaired, kept as a report for whoever asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.finding import Status
from builder.install.create import Proof
from builder.operations.verifying import verify_prefix
from builder.probes.level import Level

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Report
    from builder.workspace import Workspace


class Prover:
    """Verifies an environment when an installer asks for its proof; `report` is what came of it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.report: Report | None = None

    def __call__(self, prefix: Path) -> Proof:
        self.report = verify_prefix(self._workspace, prefix, building=True)
        return Proof(level=Level.DEFAULT, passed=self.report.ok, blameless=self.is_blameless)

    @property
    def is_blameless(self) -> bool:
        return self.report is not None and is_blameless(self.report)


def is_blameless(report: Report) -> bool:
    """Whether all that failed lies on the user's side (their settings, their user site) and not in the environment."""
    from builder.checks.catalogue import by_id

    checks = by_id()
    failed = [finding.check for finding in report.findings if finding.status is Status.FAIL]
    return bool(failed) and all(check in checks and checks[check].area == "user" for check in failed)
