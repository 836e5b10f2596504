"""One step of a probe that reached its end, with everything it is judged against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder.finding import Finding, Remedy, Status

if TYPE_CHECKING:
    from builder.checks.remedy import Repair
    from builder.checks.subject import Subject
    from builder.environment.environment import Environment
    from builder.environment.stamp import Expectations
    from builder.platforms import Subdir
    from builder.probes.harness import Step


@dataclass(frozen=True, kw_only=True)
class Case:
    """A finished step of a probe of `whole`, and short ways to say what it means."""

    step: Step
    whole: Subject

    @property
    def check(self) -> str:
        return self.step.check

    @property
    def subject(self) -> str:
        """What the step was about: a module, an operation, a device; empty where there is only one."""
        return self.step.subject

    @property
    def facts(self) -> dict[str, Any]:
        """What the step found out, as the probe said it."""
        return self.step.facts

    @property
    def seconds(self) -> float:
        return self.step.seconds

    @property
    def environment(self) -> Environment:
        return self.whole.environment

    @property
    def expectations(self) -> Expectations:
        return self.whole.expectations

    @property
    def subdir(self) -> Subdir:
        """The platform of the environment; nothing runs where that is not known."""
        subdir = self.whole.subdir
        if subdir is None:
            raise ValueError("the environment's platform is not known")
        return subdir

    @property
    def repair(self) -> Repair:
        return self.whole.repair

    def passed(self, title: str, *evidence: str) -> Finding:
        return self._finding(Status.PASS, title, evidence, None)

    def warned(self, title: str, *evidence: str, remedy: Remedy) -> Finding:
        return self._finding(Status.WARN, title, evidence, remedy)

    def failed(self, title: str, *evidence: str, remedy: Remedy) -> Finding:
        return self._finding(Status.FAIL, title, evidence, remedy)

    def skipped(self, title: str, *evidence: str) -> Finding:
        return self._finding(Status.SKIP, title, evidence, None)

    def _finding(self, status: Status, title: str, evidence: tuple[str, ...], remedy: Remedy | None) -> Finding:
        return Finding(check=self.check, status=status, title=title, evidence=evidence, remedy=remedy)
