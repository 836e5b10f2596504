"""Wheel tags of what is installed: for which platform and Python a distribution was made.

Source: PEP 425, and the platform compatibility tags specification.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from builder.environment.distributions import Distribution
    from builder.platforms import Subdir

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


def why_unfit(tags: tuple[str, ...], *, subdir: Subdir | None, version: tuple[int, int] | None) -> str | None:
    """Why none of a wheel's tags fits, or None where one does (or neither platform nor Python is known)."""
    split = [tuple(tag.rsplit("-", 2)) for tag in tags if tag.count("-") >= 2]
    platforms = [parts[2] for parts in split]
    if subdir is not None and not any(_platform_fits(platform, subdir) for platform in platforms):
        return f"is not for {subdir}"
    if version is not None and not any(_python_fits(parts[0], parts[1], version) for parts in split):
        return f"is not for Python {version[0]}.{version[1]}"
    return None


def _platform_fits(platform: str, subdir: Subdir) -> bool:
    if platform == "any":
        return True
    if subdir.is_osx:
        return platform.startswith("macosx_") and platform.endswith((f"_{subdir.machine}", "_universal2"))
    return "linux" in platform and platform.endswith(f"_{subdir.machine}")


def _python_fits(python: str, abi: str, version: tuple[int, int]) -> bool:
    for one in python.split("."):
        if one in ("py2.py3", "py3", "py2", f"py{version[0]}{version[1]}"):
            return one != "py2"
        match = _CPYTHON.fullmatch(one) or re.fullmatch(r"py(\d)(\d+)", one)
        if match is not None:
            wanted = (int(match[1]), int(match[2]))
            bound = one.startswith("cp") and abi not in ("abi3", "none")
            if wanted == version or (not bound and wanted <= version):
                return True
    return False
