"""The static half of verification: what files alone prove about an environment, on any machine.

`findings(prefix)` runs every check here and never runs anything of the prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.binaries.hashing import Hasher, Job
from builder.checks import (
    architecture,
    blas,
    duplicates,
    elf_linking,
    linking,
    packages,
    signature,
    targets,
)
from builder.checks.registry import claimed
from builder.checks.survey import Scope, Survey
from builder.frameworks import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.checks.registry import Check
    from builder.environment.environment import Environment
    from builder.finding import Finding

CHECKS: Final[tuple[Check, ...]] = (
    *architecture.CHECKS,
    *linking.CHECKS,
    *duplicates.CHECKS,
    *targets.CHECKS,
    *blas.CHECKS,
    *signature.CHECKS,
    *(claimed(claim) for claim in registry.claims() if claim.match is not None),
    *packages.CHECKS,
)


def findings(
    prefix: Environment, *, scope: Scope = Scope.FULL, progress: Callable[[str], None] | None = None
) -> tuple[Finding, ...]:
    """Every static finding about `prefix`, in the order of `CHECKS`.

    QUICK looks at architectures and libraries only; FULL at every file and every symbol, hashing in child processes
    meanwhile. `progress` is told what is being done. A check without a defect reports one `pass`; damaged files become
    findings, and nothing is raised for what a prefix holds.
    """
    survey = Survey(prefix, scope=scope, progress=progress)
    if scope is Scope.QUICK:
        found = [*architecture.check(survey), *linking.check(survey), *elf_linking.check(survey)]
        return _ordered(found)
    owned = prefix.owners
    with Hasher([*_page_jobs(survey), *packages.jobs(survey, owned)]) as hasher:
        found = [
            *architecture.check(survey),
            *linking.check(survey),
            *targets.check(survey),
            *elf_linking.check(survey),
            *duplicates.check(survey),
            *blas.check(survey),
            *(finding for claim in registry.claims() if claim.match is not None for finding in claim.match(survey)),
        ]
        survey.tell("hashing files")
        answers = hasher.answers()
    found += [*signature.check(survey, answers), *packages.check(survey, owned, answers)]
    return _ordered(found)


def _page_jobs(survey: Survey) -> list[Job]:
    """The binaries whose signatures matter: those with an arm64 slice, for a Mac with Apple silicon."""
    if not survey.is_mac or survey.arch != "arm64":
        return []
    return [
        Job(kind="pages", path=binary.path, size=binary.size) for binary in survey.inventory.binaries if binary.serves
    ]


def _ordered(found: list[Finding]) -> tuple[Finding, ...]:
    order = {check.id: place for place, check in enumerate(CHECKS)}
    return tuple(sorted(found, key=lambda finding: order[finding.check]))
