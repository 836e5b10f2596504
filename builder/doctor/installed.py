"""What is installed in a folder, by the names of its records alone: distributions, and conda's packages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.doctor import stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from builder.doctor.disk import Disk

#: conda package → (version, build).
CondaPackages = dict[str, tuple[str, str]]

_CONDA_RECORD: Final = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<build>[^-]+)\.json")
_DIST_INFO: Final = re.compile(r"(?P<name>[A-Za-z0-9][\w.]*)-(?P<version>[\w.!+]+?)(?:-py[\d.]+)?\.(?:dist|egg)-info")


def normalized(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(disk: Disk, folder: Path) -> Iterator[tuple[str, str, str]]:
    """(normalised name, version, folder of its records) of every distribution in a folder of packages."""
    for entry in disk.entries(folder):
        if match := _DIST_INFO.fullmatch(entry):
            yield normalized(match["name"]), match["version"], entry


def packages_in(disk: Disk, folder: Path) -> dict[str, str]:
    """Distribution → version of what lies in any folder of packages (a user site, an entry of PYTHONPATH)."""
    found = {name: version for name, version, _ in distributions(disk, folder)}
    names = disk.entries(folder)
    for module in stack.modules():
        # Copied or developed in place: importable, and nothing says which version.
        named = any(name.startswith(module) for name in found)
        if module in names and not named and disk.is_file(folder / module / "__init__.py"):
            found[module] = "?"
    return found


def conda_packages(disk: Disk, prefix: Path) -> CondaPackages:
    """From the names of `conda-meta/*.json`."""
    found: CondaPackages = {}
    for name in disk.entries(prefix / "conda-meta"):
        if match := _CONDA_RECORD.fullmatch(name):
            found[match["name"]] = (match["version"], match["build"])
    return found


def subdir(disk: Disk, prefix: Path, conda: Mapping[str, tuple[str, str]]) -> str | None:
    """conda's platform of the environment's Python: as its record says, else the history of the environment."""
    recorded = _subdir_of(disk, prefix, "python", conda)
    if recorded is not None:
        return recorded
    history = disk.text(prefix / "conda-meta" / "history", limit=5_000_000) or ""
    named = re.findall(r"^\+.*?/((?:osx|linux)-[a-z0-9]+)(?:::|/)python-\d", history, re.MULTILINE)
    return named[-1] if named else None


def mixed(disk: Disk, prefix: Path, conda: Mapping[str, tuple[str, str]], own: str | None) -> tuple[str, ...]:
    """Packages of another platform than Python's: what an install with a changed CONDA_SUBDIR leaves behind."""
    if own is None:
        return ()
    others = {name: _subdir_of(disk, prefix, name, conda) for name in stack.examined() if name in conda}
    return tuple(
        f"{name} {conda[name][0]} ({other})" for name, other in others.items() if other not in (None, own, "noarch")
    )


def _subdir_of(disk: Disk, prefix: Path, name: str, conda: Mapping[str, tuple[str, str]]) -> str | None:
    if name not in conda:
        return None
    file = prefix / "conda-meta" / f"{name}-{'-'.join(conda[name])}.json"
    found = re.search(r'"subdir"\s*:\s*"([a-z0-9-]+)"', disk.text(file, limit=10_000_000) or "")
    return found[1] if found else None
