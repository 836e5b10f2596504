"""What in an environment is not its own to judge: Debian's packages for its system Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment

#: Where they lie. dpkg knows their files (`debsums`) and RECORD does not (Debian Python Policy).
_FOLDER: Final = "/lib/python3/dist-packages"


def is_debians(folder: Path) -> bool:
    """Whether a site folder is the one that Debian's own packages are in."""
    return str(folder).endswith(_FOLDER)


def installed(environment: Environment) -> list[Distribution]:
    """The distributions, except those of Debian's package manager, which patches and splits what it packages."""
    return [dist for dist in environment.distributions if not is_debians(dist.site)]
