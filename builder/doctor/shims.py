"""What a shim starts, resolved by reading: running one is slow, and may install things.

Each manager decides by a variable, else by a file of the folder or above it, else by the user's own. Sources: pyenv's
`pyenv-version-file` and `pyenv-version-name`; the documentation of asdf (`.tool-versions`), mise (`mise.toml`) and rye.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.doctor.disk import Disk

_SHIM: Final = re.compile(r"(?P<root>.*/(?:\.pyenv|\.asdf|\.rye|(?:\.local/share/)?mise))/shims/")
_PARENTS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a shim starts: an environment's folder, or (None) the system's Python; and in words who says so."""

    prefix: Path | None
    why: str


def is_shim(path: Path) -> bool:
    return _SHIM.match(f"{path}") is not None


def resolve(disk: Disk, environ: Mapping[str, str], path: Path) -> Choice | None:
    """What the shim at `path` starts in the project's folder; None where no version is chosen."""
    found = _SHIM.match(str(path))
    if found is None:
        return None
    root = Path(found["root"])
    manager = root.name.lstrip(".")
    match manager:
        case "pyenv":
            choices = _pyenv(disk, environ, root)
        case "asdf":
            choices = _asdf(disk, environ)
        case "mise":
            choices = _mise(disk, environ)
        case _:
            choices = _rye(disk)
    for version, said_by in choices:
        why = f"a {manager} shim; {said_by} says {version}"
        if version == "system":
            return Choice(prefix=None, why=why)
        if "/" in version:
            return Choice(prefix=disk.place(version), why=why)
        folder = root / {"pyenv": "versions", "rye": "py"}.get(manager, "installs/python")
        return Choice(prefix=_installed(disk, folder, version), why=why)
    return None


def _installed(disk: Disk, folder: Path, version: str) -> Path:
    """`3.12` means the newest 3.12 that is installed."""
    if disk.is_dir(folder / version):
        return folder / version
    series = [name for name in disk.entries(folder) if name.startswith(f"{version}.")]
    newest = max(series, key=lambda name: [int(part) for part in re.findall(r"\d+", name)], default=version)
    return folder / newest


def _upwards(disk: Disk, *names: str) -> Iterator[Path]:
    """Those files in the project's folder and above it, as far as that machine's folders are known."""
    project = disk.project
    for folder in (project, *project.parents)[:_PARENTS] if project is not None else ():
        for name in names:
            if disk.known(folder / name):
                yield folder / name


def _words(disk: Disk, file: Path) -> list[list[str]]:
    lines = (disk.text(file, limit=10_000) or "").splitlines()
    return [words for line in lines if (words := line.partition("#")[0].split())]


def _pyenv(disk: Disk, environ: Mapping[str, str], root: Path) -> Iterator[tuple[str, str]]:
    if environ.get("PYENV_VERSION"):
        yield environ["PYENV_VERSION"].split(":")[0], "PYENV_VERSION"
    for file in (*_upwards(disk, ".python-version"), root / "version"):
        if words := _words(disk, file):
            yield words[0][0], disk.show(file)


def _asdf(disk: Disk, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if environ.get("ASDF_PYTHON_VERSION"):
        yield environ["ASDF_PYTHON_VERSION"].split()[0], "ASDF_PYTHON_VERSION"
    for file in (*_upwards(disk, ".tool-versions"), disk.home / ".tool-versions"):
        yield from _tool_versions(disk, file)


def _tool_versions(disk: Disk, file: Path) -> Iterator[tuple[str, str]]:
    for words in _words(disk, file):
        if words[0] == "python" and len(words) > 1:
            yield words[1], disk.show(file)


def _mise(disk: Disk, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if environ.get("MISE_PYTHON_VERSION"):
        yield environ["MISE_PYTHON_VERSION"], "MISE_PYTHON_VERSION"
    own = [disk.home / ".config" / "mise" / "config.toml", disk.home / ".tool-versions"]
    for file in (*_upwards(disk, "mise.local.toml", "mise.toml", ".mise.toml", ".tool-versions"), *own):
        if file.name == ".tool-versions":
            yield from _tool_versions(disk, file)
        elif (version := _of_toml(disk, file)) is not None:
            yield version, disk.show(file)


def _of_toml(disk: Disk, file: Path) -> str | None:
    """`[tools] python`, as a text, as the first of a list, or as a table with `version`."""
    try:
        tools = tomllib.loads(disk.text(file, limit=100_000) or "").get("tools", {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        disk.skip(file, f"not valid TOML ({error})")
        return None
    python = tools.get("python") if isinstance(tools, dict) else None
    if isinstance(python, list) and python:
        python = python[0]
    if isinstance(python, dict):
        python = python.get("version")
    return python if isinstance(python, str) and python else None


def _rye(disk: Disk) -> Iterator[tuple[str, str]]:
    """Inside a project rye's shim is the project's own environment."""
    for file in _upwards(disk, "pyproject.toml"):
        if disk.is_file(file) and disk.is_dir(file.parent / ".venv"):
            yield str(file.parent / ".venv"), disk.show(file)
