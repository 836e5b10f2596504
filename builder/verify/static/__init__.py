"""The static half of verification: what files alone prove about an environment, on any machine.

`findings(prefix)` runs every check here and never runs anything of the prefix; `drawing(prefix)` gives an SVG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.macho.hashing import Hasher, Job
from builder.verify.static import (
    check_arch,
    check_blas,
    check_duplicates,
    check_elf,
    check_frameworks,
    check_linking,
    check_packages,
    check_signature,
    check_targets,
)
from builder.verify.static import (
    drawing as _drawing,
)
from builder.verify.static.survey import Scope, Survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.verify.finding import Finding
    from builder.verify.prefix import Prefix
    from builder.verify.registry import Check

__all__ = ["CHECKS", "Scope", "drawing", "findings"]

CHECKS: Final[tuple[Check, ...]] = (
    *check_arch.CHECKS,
    *check_linking.CHECKS,
    *check_duplicates.CHECKS,
    *check_targets.CHECKS,
    *check_blas.CHECKS,
    *check_signature.CHECKS,
    *check_frameworks.CHECKS,
    *check_packages.CHECKS,
)


def findings(
    prefix: Prefix, *, scope: Scope = Scope.FULL, progress: Callable[[str], None] | None = None
) -> tuple[Finding, ...]:
    """Every static finding about `prefix`, in the order of `CHECKS`.

    QUICK looks at architectures and libraries only; FULL at every file and every symbol, hashing in child processes
    meanwhile. `progress` is told what is being done. A check without a defect reports one `pass`; damaged files become
    findings, and nothing is raised for what a prefix holds.
    """
    survey = Survey(prefix, scope=scope, progress=progress)
    if scope is Scope.QUICK:
        found = [*check_arch.check(survey), *check_linking.check(survey), *check_elf.check(survey)]
        return _ordered(found)
    owned = check_packages.Owned(prefix)
    with Hasher([*_page_jobs(survey), *check_packages.jobs(survey, owned)]) as hasher:
        found = [
            *check_arch.check(survey),
            *check_linking.check(survey),
            *check_targets.check(survey),
            *check_elf.check(survey),
            *check_duplicates.check(survey),
            *check_blas.check(survey),
            *check_frameworks.check(survey),
        ]
        survey.tell("hashing files")
        answers = hasher.answers()
    found += [*check_signature.check(survey, answers), *check_packages.check(survey, owned, answers)]
    return _ordered(found)


def drawing(prefix: Prefix) -> str:
    """A self-contained SVG of who links which BLAS, OpenMP and framework library."""
    return _drawing.draw(Survey(prefix, scope=Scope.QUICK))


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
