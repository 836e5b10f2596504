"""Wheel tags of what is installed: for which platform and Python a distribution was made."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from builder.environment.distributions import Distribution

_CPYTHON: Final = re.compile(r"cp(\d)(\d+)t?")


def tags_of(dist: Distribution) -> tuple[str, ...]:
    """The tags that WHEEL names; empty for what was not installed from a wheel."""
    lines = (dist.read("WHEEL") or "").splitlines()
    return tuple(line[4:].strip() for line in lines if line.startswith("Tag:"))


def usual_python(dists: tuple[Distribution, ...]) -> tuple[int, int] | None:
    """The Python that most version-bound wheels are for, in a folder that does not say."""
    counts: Counter[tuple[int, int]] = Counter()
    for dist in dists:
        for tag in tags_of(dist):
            python, _, rest = tag.partition("-")
            match = _CPYTHON.fullmatch(python)
            if match and not rest.startswith("abi3"):
                counts[int(match[1]), int(match[2])] += 1
    return counts.most_common(1)[0][0] if counts else None
