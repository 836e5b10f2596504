"""Every format with what it needs: the one table that the operation and the command line read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Final

from builder.credentials import named_credentials, without_credentials
from builder.exports.model import Format

if TYPE_CHECKING:
    from builder.exports.model import Export, Exported
    from builder.lock.model import Lock


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a format is like. `module` is imported when something is exported."""

    module: str
    one_platform: bool = False
    """Whether one file is for one platform."""
    linux_only: bool = False
    wants_rendered: bool = False
    """Whether it says what was asked for, which is in the files beside the lock."""
    expands: bool = False
    """Whether its tool puts variables of the environment into channels' URLs."""
    every_group: bool = False
    """Whether it always holds all groups, since it can tell them apart."""


FORMATS: Final[dict[Format, Traits]] = {
    Format.EXPLICIT: Traits(module="explicit", one_platform=True),
    Format.ENVIRONMENT: Traits(module="environment", one_platform=True, expands=True),
    Format.PIXI: Traits(module="pixi", wants_rendered=True, every_group=True),
    Format.PIXI_LOCK: Traits(module="pixi_lock", every_group=True),
    Format.PYLOCK: Traits(module="pylock"),
    Format.REQUIREMENTS: Traits(module="requirements"),
    Format.DOCKERFILE: Traits(module="dockerfile", one_platform=True, linux_only=True),
    Format.SBOM_CYCLONEDX: Traits(module="cyclonedx", one_platform=True),
    Format.SBOM_SPDX: Traits(module="spdx", one_platform=True),
}


def export(wanted: Export, form: Format) -> Exported:
    """The lock in this format. Raises UsageError for what it cannot be.

    Where the format's tool would not expand them, variables that name credentials are left out.
    """
    traits = FORMATS[form]
    private = [] if traits.expands else [channel for channel in wanted.lock.channels if named_credentials(channel)]
    if not traits.expands:
        wanted = replace(wanted, lock=_without_names(wanted.lock))
    exported: Exported = import_module(f"builder.exports.{traits.module}").export(wanted)
    left = tuple(
        f"the variables that name the credentials of {clean}; give these to the tool that is to install from it"
        for clean in map(without_credentials, private)
        if clean in exported.text
    )
    return replace(exported, left_out=(*exported.left_out, *left))


def _without_names(lock: Lock) -> Lock:
    if not any(named_credentials(text) for text in (*lock.channels, *(package.url for package in lock.packages))):
        return lock
    packages = tuple(replace(package, url=without_credentials(package.url)) for package in lock.packages)
    channels = tuple(without_credentials(channel) if "://" in channel else channel for channel in lock.channels)
    return replace(lock, packages=packages, channels=channels)
