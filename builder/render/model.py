"""What rendering gives: the files' text, and the same specs as values for the lock stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from builder.plan.model import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from builder.plan.model import Source
    from builder.platforms import Subdir

ENVIRONMENT_FILE: Final = "environment.yml"
VIRTUAL_PACKAGES_FILE: Final = "virtual-packages.yml"


@dataclass(frozen=True, kw_only=True)
class SpecLine:
    """One dependency as written in environment.yml: a match spec (`numpy >=2`) or a requirement (`keras>=3.5`)."""

    manager: Literal["conda", "pip"]
    name: str
    text: str
    group: str


@dataclass(frozen=True, kw_only=True)
class PlatformSpecs:
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


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The rendered recipe: the specs of every platform at once, and the text of the files when it is asked for."""

    name: str
    source: Source
    channels: tuple[str, ...]
    groups: tuple[str, ...]
    platforms: tuple[PlatformSpecs, ...]
    write: Callable[[Rendered], Mapping[str, str]] = field(repr=False, compare=False)
    """Renders the templates. Solving needs the specs only and may begin before the text is there."""

    @cached_property
    def files(self) -> Mapping[str, str]:
        """File name in `environments/NAME/` → its whole text. Raises TemplateError."""
        return self.write(self)

    @property
    def environment_files(self) -> tuple[str, ...]:
        """The environment.yml files, the main group's first: what conda-lock calls the sources."""
        return tuple(environment_file(group) for group in self.groups)


def environment_file(group: str) -> str:
    """The file that holds a group's dependencies: conda-lock takes one category a file."""
    return ENVIRONMENT_FILE if group == MAIN_GROUP else f"environment.{group}.yml"
