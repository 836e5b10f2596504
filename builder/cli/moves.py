"""What a new lock changes against the old one, as `--json` gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.lock.model import LockedPackage
    from builder.lock.moves import Move


def moves_json(moves: Iterable[Move]) -> list[dict[str, Any]]:
    """One object for each package of each platform; a side is null where the package was, or is, not there."""
    return [
        {
            "platform": move.subdir.value,
            "manager": move.manager,
            "name": move.name,
            "kind": move.kind,
            "before": _side(move.before),
            "after": _side(move.after),
            "why": move.why,
        }
        for move in moves
    ]


def _side(package: LockedPackage | None) -> dict[str, str] | None:
    return {"version": package.version, "build": package.build} if package is not None else None
