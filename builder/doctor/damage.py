"""Damage that an environment's own records show at once: files that are gone, and binaries of another machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.doctor import headers, stack
from builder.doctor.installed import distributions
from builder.doctor.model import Presence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from builder.doctor.disk import Disk

#: Of what a record lists, the files that say whether a package is whole: its main modules, and its binaries.
_MAIN_MODULES: Final = re.compile(r"\w+/__init__\.py")
_TELLING_FILES: Final = re.compile(r"(?:\w+/){1,3}__init__\.py|\w+/.*\.(?:so|dylib)(?:\.\d+)*")
_RECORD_LIMIT: Final = 20_000_000


def alien(disk: Disk, site: Path | None, real: Path) -> tuple[tuple[str, str], ...]:
    """(distribution, what it is) of the binaries that matter in `site` and that the interpreter at `real` cannot load,
    by their first bytes."""
    system, slices = headers.system_of(disk, real), set(headers.architectures(disk, real))
    if system is None or not slices or site is None:
        return ()
    found: list[tuple[str, str]] = []
    for name, file in _recorded(disk, site):
        if not file.endswith((".so", ".dylib")):
            continue
        other, archs = headers.system_of(disk, site / file), headers.architectures(disk, site / file)
        # A Haswell slice serves x86_64.
        archs = tuple("x86_64" if arch == "x86_64h" else arch for arch in archs)
        if other is not None and (other != system or not slices & set(archs)):
            found.append((name, f"{file} is a {other} binary ({', '.join(archs)})"))
    return tuple(found)


def is_outline(disk: Disk, prefix: Path, real: Path, libraries: Iterable[str]) -> bool:
    """Whether this is only the outline of an environment (a copy of its records): no standard library is there.

    `libraries` are the `pythonX.Y` folders of its `lib`.
    """
    base = prefix
    if disk.is_file(prefix / "pyvenv.cfg"):
        # Its standard library is that of the Python it links to, which of another machine is seldom here.
        if not disk.foreign:
            return False
        base = real.parent.parent
        libraries = [name for name in disk.entries(base / "lib") if name.startswith("python")]
    return not any(disk.is_file(base / "lib" / name / "os.py") for name in libraries)


def missing(
    disk: Disk, prefix: Path, site: Path | None, conda: Mapping[str, tuple[str, str]], *, stub: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Recorded files that are gone (the interpreter itself, the main modules of the packages that matter), and the
    distributions they belong to.

    Only what a record names counts; a package without a record is not judged. Nor are packages where the
    interpreter is a `stub` and no package at all has its files: then somebody copied the records alone.
    """
    gone: list[str] = []
    damaged: list[str] = []
    if "python" in conda and disk.presence(prefix / "bin" / "python") is Presence.GONE:
        gone.append("bin/python")
        damaged.append("python")
    names = disk.entries(site) if site is not None else []
    if site is None or (stub and not any(_module_of(name) in names for name in names if name.endswith("-info"))):
        return tuple(gone), tuple(damaged)
    telling = _MAIN_MODULES if stub else _TELLING_FILES
    for name, file in _recorded(disk, site):
        if telling.fullmatch(file) and disk.presence(site / file) is Presence.GONE:
            gone.append(f"{(site / file).relative_to(prefix)}")
            damaged.append(name)
    return tuple(gone), tuple(dict.fromkeys(damaged))


def _recorded(disk: Disk, site: Path) -> Iterator[tuple[str, str]]:
    """(distribution, file) of every line of the records of the packages that matter."""
    for name, _, folder in distributions(disk, site):
        if name in stack.examined():
            for line in (disk.text(site / folder / "RECORD", limit=_RECORD_LIMIT) or "").splitlines():
                yield name, line.split(",", 1)[0].strip('"')


def _module_of(dist_info: str) -> str:
    """The import package a distribution most likely has: its name."""
    return dist_info.partition("-")[0].lower()
