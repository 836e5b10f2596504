"""`conda doctor` with envbuild's static checks, where envbuild is installed beside conda.

conda imports this module at every start, so nothing else of envbuild is imported before the check runs.
Source: conda/plugins/hookspec.py (`conda_health_checks`) and types.py (`CondaHealthCheck`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conda.plugins import hookimpl
from conda.plugins.types import CondaHealthCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

#: conda's own marks (conda/base/constants.py).
_PASSED, _FAILED, _WARNED = "✅", "❌", "⚠️"
_EVIDENCE = 5


def report(prefix: str, verbose: bool) -> None:
    """Print what the environment's own files say: every check that reads, none that runs."""
    from pathlib import Path

    from builder.checks.verification import STATIC, verified
    from builder.environment.environment import Environment
    from builder.finding import Status
    from builder.probes.level import Level

    # Not the quick level: that a file is gone or was changed is what this is asked for.
    found = verified(Environment(Path(prefix)), host=None, user=None, level=Level.DEFAULT, needs=STATIC).findings
    failed = [finding for finding in found if finding.status is Status.FAIL]
    warned = [finding for finding in found if finding.status is Status.WARN]
    passed = sum(finding.status is Status.PASS for finding in found)
    if not failed:
        words = f"{passed} checks passed" if passed else "nothing could be checked"
        print(f"{_PASSED if passed else _WARNED} envbuild: {words}, none failed.\n")
    for mark, findings in ((_FAILED, failed), (_WARNED, warned if verbose else [])):
        for finding in findings:
            print(f"{mark} {finding.check}: {finding.title}")
            for line in finding.evidence[: None if verbose else _EVIDENCE]:
                print(f"    {line}")
            if finding.remedy is not None:
                print("\n".join(f"  {line}" for line in str(finding.remedy).splitlines()))
            print()


@hookimpl  # type: ignore[untyped-decorator]
def conda_health_checks() -> Iterator[CondaHealthCheck]:
    yield CondaHealthCheck(
        name="envbuild",
        action=report,
        summary="Read every binary and record: architectures, linking, package files, frameworks",
    )
