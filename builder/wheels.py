"""What a target accepts from PyPI: which wheels fit it, and how environment markers read there.

The target is described, never asked: nothing of the machine or the Python that runs envbuild is taken into account.
Tags: PEP 425, 600 (manylinux) and 656 (musllinux), as `packaging.tags` has them; markers: PEP 508.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms, parse_tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion

from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.requirements import Requirement

#: glibc 2.x levels that have an older name (PEP 600).
_LEGACY_MANYLINUX: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
#: The oldest manylinux level there is for a machine.
_OLDEST_MANYLINUX: Final = {Subdir.LINUX_64: 5, Subdir.LINUX_AARCH64: 17}
#: Pythons that a marker is tried with where none is chosen yet.
_PYTHONS: Final = tuple(f"3.{minor}" for minor in range(8, 17))
#: Newer than any system: what is taken for a floor that is not known.
_NEWEST_MACOS: Final = (99, 0)
_NEWEST_GLIBC: Final = 99


class WheelTarget(Struct, frozen=True, kw_only=True):
    """Where a wheel is to be installed. What is None is not known, and no reason to refuse anything."""

    subdir: Subdir | None
    python: str | None
    """Its version, `3.12` or `3.12.7`."""
    macos: str | None = None
    """The oldest macOS it has to run on, `14.0`."""
    glibc: str | None = None
    """The glibc of the target, `2.28`."""
    free_threaded: bool | None = False

    @property
    def minor(self) -> tuple[int, int] | None:
        told = re.match(r"(\d{1,4})\.(\d{1,4})(?!\d)", self.python or "", re.ASCII)
        return (int(told[1]), int(told[2])) if told else None


@lru_cache(maxsize=256)
def accepted_tags(target: WheelTarget) -> tuple[Tag, ...]:
    """The wheel tags the target accepts, the best first, as pip would rank them there.

    Both its platform and its Python must be known.
    """
    if target.subdir is None or target.minor is None:
        raise ValueError("the tags of a target follow from its platform and its Python")
    return _python_tags(target.minor, _platforms(target), free_threaded=bool(target.free_threaded))


def why_unfit(tags: Iterable[Tag], target: WheelTarget) -> str | None:
    """Why a wheel with these tags cannot be used on the target (`is not for osx-arm64`), or None if it can."""
    tags = list(tags)
    if target.subdir is not None:
        fitting = [tag for tag in tags if tag.platform == "any" or _runs_there(tag.platform, target)]
        if not fitting:
            return _why_not_there(tags, target, target.subdir)
        tags = fitting
    kinds = (False, True) if target.free_threaded is None else (target.free_threaded,)
    if target.minor is not None and not any(
        tag in _python_tags(target.minor, (tag.platform,), free_threaded=kind) for tag in tags for kind in kinds
    ):
        threading = "t" if target.free_threaded else ""
        return f"is not for Python {target.minor[0]}.{target.minor[1]}{threading}"
    return None


def wheel_tags(file: str) -> frozenset[Tag] | None:
    """The tags of a wheel by its file name; None where it is not the name of a wheel."""
    try:
        return parse_wheel_filename(file)[3]
    except (InvalidWheelFilename, InvalidVersion):
        return None


def recorded_tags(values: Iterable[str]) -> frozenset[Tag]:
    """The tags of an installed wheel, from the `Tag:` fields of its WHEEL file; malformed ones are left out."""
    return frozenset(tag for value in values if value.count("-") == 2 for tag in parse_tag(value))


def marker_environment(subdir: Subdir, python: str) -> dict[str, str]:
    """The PEP 508 environment of a target; `python` is a minor (`3.12`) or a full version."""
    parts = python.split(".")
    return {
        "python_version": ".".join(parts[:2]),
        "python_full_version": python if len(parts) > 2 else f"{python}.0",
        "implementation_name": "cpython",
        "implementation_version": python if len(parts) > 2 else f"{python}.0",
        "platform_python_implementation": "CPython",
        "sys_platform": "darwin" if subdir.is_osx else "linux",
        "platform_system": "Darwin" if subdir.is_osx else "Linux",
        "os_name": "posix",
        "platform_machine": subdir.machine,
        "platform_release": "",
        "platform_version": "",
        "extra": "",
    }


def applies(requirement: Requirement, subdir: Subdir, *, python: str | None = None) -> bool:
    """Whether a requirement's marker lets it in on the target; without `python`, whether it does for some Python.

    A marker that compares what cannot be compared lets it in: what reads it next says what is wrong with it.
    """
    if requirement.marker is None:
        return True
    pythons = _PYTHONS if python is None else (python,)
    try:
        return any(requirement.marker.evaluate(marker_environment(subdir, one)) for one in pythons)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
        return True


def _why_not_there(tags: Iterable[Tag], target: WheelTarget, subdir: Subdir) -> str:
    anywhere = WheelTarget(subdir=subdir, python=None)
    if any(_runs_there(tag.platform, anywhere) for tag in tags):
        return (
            f"needs a newer macOS than {target.macos}" if subdir.is_osx else f"needs a newer glibc than {target.glibc}"
        )
    if subdir.is_linux and all(tag.platform.startswith("musllinux_") for tag in tags):
        return f"is for musl, and {subdir} has glibc"
    return f"is not for {subdir}"


@lru_cache(maxsize=256)
def _python_tags(minor: tuple[int, int], platforms: tuple[str, ...], *, free_threaded: bool) -> tuple[Tag, ...]:
    number = f"cp{minor[0]}{minor[1]}"
    # Named outright: left to itself, `packaging` takes the suffix from the Python that runs.
    suffix = "t" if free_threaded else "m" if minor < (3, 8) else ""
    return (
        *cpython_tags(minor, abis=[number + suffix], platforms=platforms),
        *compatible_tags(minor, interpreter=number, platforms=platforms),
    )


def _runs_there(platform: str, target: WheelTarget) -> bool:
    if target.macos is None:
        # No installer takes `macosx_13_3`, but a build on such a machine may have left it in an environment.
        platform = re.sub(r"^(macosx_(?!10)\d\d)_\d+_", r"\1_0_", platform)
    return platform in _platforms(target)


def _platforms(target: WheelTarget) -> tuple[str, ...]:
    assert target.subdir is not None
    return _platform_tags(target.subdir, target.macos, target.glibc)


@lru_cache(maxsize=256)
def _platform_tags(subdir: Subdir, macos: str | None, glibc: str | None) -> tuple[str, ...]:
    machine = subdir.machine
    if subdir.is_osx:
        floor = _NEWEST_MACOS
        if macos is not None:
            major, _, rest = macos.partition(".")
            floor = int(major), int(rest.split(".")[0] or 0)
        return tuple(mac_platforms(floor, machine))
    newest = _NEWEST_GLIBC if glibc is None else int(glibc.split(".")[1])
    platforms: list[str] = []
    for level in range(newest, _OLDEST_MANYLINUX.get(subdir, newest + 1) - 1, -1):
        platforms.append(f"manylinux_2_{level}_{machine}")
        if level in _LEGACY_MANYLINUX:
            platforms.append(f"{_LEGACY_MANYLINUX[level]}_{machine}")
    return (*platforms, f"linux_{machine}") if machine else ()
