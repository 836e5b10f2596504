"""The one table of all checks, static and at runtime, and the page that documents it.

`python -m builder.checks.catalogue > docs/reference/checks.md` writes that page; a test keeps the two equal.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, get_args

from builder.checks.reading import CHECKS as STATIC_CHECKS
from builder.checks.registry import Area
from builder.checks.running import CHECKS as RUNTIME_CHECKS

if TYPE_CHECKING:
    from builder.checks.registry import Check

CHECKS: Final[tuple[Check, ...]] = (*STATIC_CHECKS, *RUNTIME_CHECKS)

_HEAD: Final = """\
# Checks

Every check of `envbuild verify`, by area. A finding names its check by this id. *Reads* checks work on any machine, for
any platform; *runs* checks need a machine that can run the environment.
"""

_COLUMNS: Final = "| check | | catches | what you would have met |\n|---|---|---|---|\n"


def by_id() -> dict[str, Check]:
    """Every check by its id."""
    return {check.id: check for check in CHECKS}


def page() -> str:
    """docs/reference/checks.md."""
    parts = [_HEAD]
    for area in get_args(Area):
        checks = [check for check in CHECKS if check.area == area]
        if checks:
            parts.append(f"\n## {area.capitalize()}\n\n{_COLUMNS}")
            parts += [
                f"| `{check.id}` | {'reads' if check in STATIC_CHECKS or check.id == 'pkg.locked' else 'runs'} "
                f"| {_cell(check.catches)} | {_cell(check.otherwise)} |\n"
                for check in checks
            ]
    return "".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
