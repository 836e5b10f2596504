"""Version ranges as facts write them: PEP 440, and `2.18` for any 2.18."""

from __future__ import annotations

import re
from functools import cache

from packaging.specifiers import SpecifierSet
from packaging.version import Version


@cache
def parse_range(text: str) -> SpecifierSet:
    """`2.18` and `2.18.*` mean any 2.18, `*` any version, everything else is PEP 440."""
    text = text.strip()
    if text in ("", "*"):
        return SpecifierSet()
    bare = re.fullmatch(r"(\d+(?:\.\d+)*)(?:\.\*)?", text)
    return SpecifierSet(f"=={bare[1]}.*" if bare else text)


@cache
def public_version(text: str) -> Version:
    """A version without what is local to a build: `2.1.0+cpu` is 2.1.0. Raises InvalidVersion."""
    return Version(Version(text).public)


@cache
def in_range(text: str, version: Version) -> bool:
    """Whether a version is in a range as facts write it. Asked of few ranges and versions, many times."""
    return parse_range(text).contains(version, prereleases=True)


def impossible(specifiers: SpecifierSet) -> bool:
    """True when lower and upper bounds exclude each other, as in `>=3,<2` or `==2.18.*,<2`."""
    lower, upper = [], []
    for specifier in specifiers:
        operator, text = specifier.operator, specifier.version
        version = Version(text.removesuffix(".*"))
        if operator in (">=", ">", "==", "===", "~="):
            lower.append((version, operator == ">"))
        if operator in ("<", "<="):
            upper.append((version, operator == "<"))
        elif operator == "~=" or text.endswith(".*"):
            kept = version.release[:-1] if operator == "~=" else version.release
            if operator != "!=":
                upper.append((Version(".".join(map(str, (*kept[:-1], kept[-1] + 1)))), True))
        elif operator in ("==", "==="):
            upper.append((version, False))
    return any(
        low > high or (low == high and (low_open or high_open)) for low, low_open in lower for high, high_open in upper
    )
