"""What every judge of a finished step uses: the shape of a judge, and short ways to say pass, warn, fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder.finding import Finding, Status

if TYPE_CHECKING:
    from builder.checks.context import Context
    from builder.checks.remedy import Packages
    from builder.environment.stamp import Expectations
    from builder.platforms import Subdir
    from builder.probes.harness import Step


@dataclass(frozen=True, kw_only=True)
class Case:
    """A step that reached its end, with everything it is judged against."""

    step: Step
    context: Context
    packages: Packages

    @property
    def check(self) -> str:
        return self.step.check

    @property
    def subject(self) -> str:
        return self.step.subject

    @property
    def expectations(self) -> Expectations:
        return self.context.expectations

    @property
    def subdir(self) -> Subdir:
        return self.context.subdir

    @property
    def repair(self) -> Packages:
        return self.packages

    @property
    def facts(self) -> dict[str, Any]:
        return self.step.facts

    def passed(self, title: str, *evidence: str) -> Finding:
        return self._finding(Status.PASS, title, evidence, None)

    def warned(self, title: str, *evidence: str, remedy: str) -> Finding:
        return self._finding(Status.WARN, title, evidence, remedy)

    def failed(self, title: str, *evidence: str, remedy: str) -> Finding:
        return self._finding(Status.FAIL, title, evidence, remedy)

    def skipped(self, title: str, *evidence: str) -> Finding:
        return self._finding(Status.SKIP, title, evidence, None)

    def _finding(self, status: Status, title: str, evidence: tuple[str, ...], remedy: str | None) -> Finding:
        return Finding(check=self.step.check, status=status, title=title, evidence=evidence, remedy=remedy)


#: Turns the facts of a finished step into a finding; None when it has nothing to say.
Judge = Callable[[Case], Finding | None]
