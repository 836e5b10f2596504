"""The one table of checks: what each catches, and the error the user would otherwise have met.

Each family of checks declares its own `CHECKS` tuple beside its code; this module joins them, so that
documentation, `--json` consumers and tests see one table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from builder.frameworks.model import Claim

Area = Literal["process", "architecture", "linking", "signature", "packages", "frameworks", "numerics", "user"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A registered check.

    `catches` says in one sentence what it finds; `otherwise` quotes the error (or the silence) the user
    would have met without it.
    """

    id: str
    area: Area
    catches: str
    otherwise: str


def claimed(claim: Claim) -> Check:
    """A check that a framework's file brings."""
    return Check(id=claim.id, area=claim.area, catches=claim.catches, otherwise=claim.otherwise)
