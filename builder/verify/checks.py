"""The one table of all checks, static and at runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.verify.runtime.suite import CHECKS as RUNTIME_CHECKS
from builder.verify.static import CHECKS as STATIC_CHECKS

if TYPE_CHECKING:
    from builder.verify.registry import Check

CHECKS: Final[tuple[Check, ...]] = (*STATIC_CHECKS, *RUNTIME_CHECKS)


def by_id() -> dict[str, Check]:
    """Every check by its id."""
    return {check.id: check for check in CHECKS}
