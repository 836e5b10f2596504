"""The lowest glibc (and libstdc++) that a set of binaries runs on: the newest symbol version that one of them wants.

glibc refuses to load a file that wants a version it does not define: `version `GLIBC_2.34' not found (required by …)`.
What a library of the environment itself provides (conda's libstdc++) makes no demand on the system.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from builder.binaries.elf.tree import ElfBinary

#: Versions that are no numbers: what glibc defines when it understands packed relative relocations (2.36), and the
#: LSB's mark of GNU_IFUNC-like features of x86 (2.26).
_NAMED: Final = {"GLIBC_ABI_DT_RELR": (2, 36)}
_VERSION: Final = re.compile(r"(GLIBC|GLIBCXX|CXXABI|GCC)_(\d+(?:\.\d+)*)")
Release = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Demand:
    """The newest version of one family that is wanted from the system, and the binary that wants it."""

    version: str
    binary: ElfBinary


@dataclass(frozen=True, kw_only=True)
class ElfFloor:
    """What binaries want of the system: family (`GLIBC`, `GLIBCXX`, `CXXABI`, `GCC`) → the newest version wanted."""

    demands: Mapping[str, Demand]

    @property
    def glibc(self) -> Release | None:
        """The lowest glibc, as (2, 28); None where nothing needs it."""
        found = self.demands.get("GLIBC")
        return release_of(found.version) if found is not None else None

    def above(self, glibc: Release) -> bool:
        """Whether the binaries need a newer glibc than that."""
        return self.glibc is not None and self.glibc > glibc


def release_of(version: str) -> Release:
    """`GLIBC_2.34` → (2, 34); the empty tuple for what is no numbered version (`GLIBC_PRIVATE`)."""
    if version in _NAMED:
        return _NAMED[version]
    match = _VERSION.fullmatch(version)
    return tuple(int(part) for part in match[2].split(".")) if match else ()


def lowest_glibc(binaries: Iterable[ElfBinary], links: Mapping[str, Mapping[str, ElfBinary | None]]) -> ElfFloor:
    """What `binaries` want of the system; `links` (rel → NEEDED name → binary) says what they find in the prefix."""
    newest: dict[str, Demand] = {}
    for binary in binaries:
        for needs in binary.needs:
            if links.get(binary.rel, {}).get(needs.library) is not None:
                continue
            for version in needs.versions:
                release = release_of(version)
                family = version.partition("_")[0]
                known = newest.get(family)
                if release and (known is None or release > release_of(known.version)):
                    newest[family] = Demand(version=version, binary=binary)
    return ElfFloor(demands=newest)
