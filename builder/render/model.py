"""What rendering gives: the files' text, and the same specs as values for the lock stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.platforms import Subdir

ENVIRONMENT_FILE: Final = "environment.yml"
VIRTUAL_PACKAGES_FILE: Final = "virtual-packages.yml"


class SpecLine(Struct, frozen=True, kw_only=True):
    """One dependency as written in environment.yml: a match spec (`numpy >=2`) or a requirement (`keras>=3.5`)."""

    manager: Literal["conda", "pip"]
    name: str
    text: str
    group: str


class PlatformSpecs(Struct, frozen=True, kw_only=True):
    """What environment.yml means on one platform."""

    subdir: Subdir
    conda: tuple[SpecLine, ...]
    pip: tuple[SpecLine, ...]
    virtual_packages: Mapping[str, str]
    """Name → version, or `version build` as in conda-lock's virtual package files (`1 x86_64`)."""
    parity: tuple[str, ...] = ()
    """Conda names whose versions must be the same on every platform."""
    macos: str | None = None
    """The oldest macOS of the target, for wheel tags; None off macOS."""


class Rendered(Struct, frozen=True, kw_only=True):
    """The rendered recipe: the text of its files, and what they mean on every platform."""

    name: str
    channels: tuple[str, ...]
    groups: tuple[str, ...]
    """`main` first."""
    platforms: tuple[PlatformSpecs, ...]
    files: Mapping[str, str]
    """File name in `environments/NAME/` → its whole text."""

    @property
    def environment_files(self) -> tuple[str, ...]:
        """The environment.yml files, the main group's first: what conda-lock calls the sources."""
        return tuple(environment_file(group) for group in self.groups)


def environment_file(group: str) -> str:
    """The file that holds a group's dependencies: conda-lock takes one category a file."""
    return ENVIRONMENT_FILE if group == MAIN_GROUP else f"environment.{group}.yml"
