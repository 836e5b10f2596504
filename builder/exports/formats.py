"""Every format with what it needs: the one table that the operation and the command line read."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

from builder.exports.model import Format

if TYPE_CHECKING:
    from builder.exports.model import Export, Exported


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a format is like. `module` is imported when something is exported."""

    module: str
    one_platform: bool = False
    """Whether one file is for one platform."""
    linux_only: bool = False
    wants_rendered: bool = False
    """Whether it says what was asked for, which is in the files beside the lock."""
    every_group: bool = False
    """Whether it always holds all groups, since it can tell them apart."""


FORMATS: Final[dict[Format, Traits]] = {
    Format.EXPLICIT: Traits(module="explicit", one_platform=True),
    Format.ENVIRONMENT: Traits(module="environment", one_platform=True),
    Format.PIXI: Traits(module="pixi", wants_rendered=True, every_group=True),
    Format.PIXI_LOCK: Traits(module="pixi_lock", every_group=True),
    Format.PYLOCK: Traits(module="pylock"),
    Format.REQUIREMENTS: Traits(module="requirements"),
    Format.DOCKERFILE: Traits(module="dockerfile", one_platform=True, linux_only=True),
    Format.SBOM_CYCLONEDX: Traits(module="cyclonedx", one_platform=True),
    Format.SBOM_SPDX: Traits(module="spdx", one_platform=True),
}


def export(wanted: Export, form: Format) -> Exported:
    """The lock in this format. Raises UsageError for what it cannot be."""
    exported: Exported = import_module(f"builder.exports.{FORMATS[form].module}").export(wanted)
    return exported
