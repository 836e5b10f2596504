"""Requirements of what is installed, judged for the platform and Python that the environment is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builder.wheels import marker_environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.requirements import Requirement

    from builder.checks.survey import Survey
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """`counted` requirements were looked at. Lines for those of a wrong version, and for those not installed."""

    counted: int
    wrong: tuple[str, ...]
    absent: tuple[str, ...]
    about: frozenset[str]
    """The packages concerned, on both sides."""


def unmet(distributions: Iterable[Distribution], environment: Environment, *, survey: Survey) -> Unmet:
    """Every requirement of these distributions that the environment does not meet."""
    markers = marker_environment(survey.target, survey.python_minor or "3.11")
    versions: dict[str, str] = {canonicalize_name(record.name): record.version for record in environment.conda_records}
    versions |= {dist.name: dist.version for dist in environment.distributions}
    wrong: list[str] = []
    absent: list[str] = []
    about: set[str] = set()
    counted = 0
    for dist in distributions:
        for requirement in dist.requirements():
            if not _applies(requirement, markers):
                continue
            counted += 1
            name = canonicalize_name(requirement.name)
            found = versions.get(name)
            if found is None:
                absent.append(f"{dist.name} {dist.version} requires {requirement}: not installed")
            elif not _satisfied(requirement, found):
                needed = f"{requirement.name}{requirement.specifier}"
                wrong.append(f"{dist.name} {dist.version} requires {needed}: {found} is installed")
            else:
                continue
            about |= {dist.name, name}
    return Unmet(counted=counted, wrong=tuple(wrong), absent=tuple(absent), about=frozenset(about))


def _satisfied(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # a version that is none cannot be judged


def _applies(requirement: Requirement, environment: dict[str, str]) -> bool:
    """Whether the requirement's marker holds; one that compares what cannot be compared does not."""
    try:
        return requirement.marker is None or requirement.marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, ValueError):
        return False
