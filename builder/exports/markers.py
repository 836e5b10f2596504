"""PEP 508 markers for platforms, as short as telling them apart allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from builder.platforms import Subdir


def marker(wanted: Collection[Subdir], of: Sequence[Subdir]) -> str | None:
    """The marker that is true on the platforms `wanted` and on no other of `of`; None where all are wanted."""
    if set(wanted) >= set(of):
        return None
    return " or ".join(_one(subdir) for subdir in of if subdir in wanted)


def environments(of: Sequence[Subdir]) -> list[str]:
    """One marker for each platform: where a file made for these platforms may be used."""
    return [_one(subdir) for subdir in of]


def _one(subdir: Subdir) -> str:
    system = "darwin" if subdir.is_osx else "linux"
    return f"sys_platform == '{system}' and platform_machine == '{subdir.machine}'"
