"""What every format is given, and what it gives."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from packaging.utils import canonicalize_name

from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir
    from builder.render.model import Rendered


class Format(StrEnum):
    """The formats that can be asked for, by the name on the command line."""

    EXPLICIT = "explicit"
    ENVIRONMENT = "environment"
    PIXI = "pixi"
    PIXI_LOCK = "pixi-lock"
    PYLOCK = "pylock"
    REQUIREMENTS = "requirements"
    DOCKERFILE = "dockerfile"
    SBOM_CYCLONEDX = "sbom-cyclonedx"
    SBOM_SPDX = "sbom-spdx"


@dataclass(frozen=True, kw_only=True)
class Export:
    """A sound lock, and the part of it that is asked for."""

    name: str
    lock: Lock
    platforms: tuple[Subdir, ...]
    """In the lock's order; exactly one for a format of one platform."""
    groups: tuple[str, ...] = (MAIN_GROUP,)
    rendered: Rendered | None = None
    """What was asked for, as the files beside the lock say it; None where they are not there."""
    digest: str = ""
    """SHA-256 (hex) of the lock file: what a name that is to be unique to it is made from."""
    created: datetime | None = None
    """The moment that a format wants to be told; formats that can do without never tell it."""

    def on(self, subdir: Subdir, *, manager: Literal["conda", "pip"] | None = None) -> tuple[LockedPackage, ...]:
        """The packages of one platform that the chosen groups need."""
        return tuple(
            package for package in self.lock.on(subdir, manager=manager) if set(package.groups) & set(self.groups)
        )

    def wheels(self) -> Iterator[tuple[str, str, tuple[LockedPackage, ...]]]:
        """The PyPI part by name and version, sorted: what all platforms have of it is one entry."""
        entries: defaultdict[tuple[str, str], list[LockedPackage]] = defaultdict(list)
        for subdir in self.platforms:
            for package in self.on(subdir, manager="pip"):
                entries[canonicalize_name(package.name), package.version].append(package)
        for (name, version), packages in sorted(entries.items()):
            yield name, version, tuple(packages)

    @property
    def pythons(self) -> tuple[str, ...]:
        """The versions of conda's Python on the chosen platforms, each once; empty for an environment without one."""
        found = (
            package.version
            for subdir in self.platforms
            for package in self.on(subdir, manager="conda")
            if package.name == "python"
        )
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The file's text, and in a sentence each what it could not hold."""

    text: str
    left_out: tuple[str, ...] = ()


def names(packages: Sequence[LockedPackage]) -> str:
    """Some of the packages by name, for a sentence about what is left out."""
    from builder.wording import listing

    return listing(sorted({package.name for package in packages}))
