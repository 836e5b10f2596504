"""What an environment is made of, as read from disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Kind(StrEnum):
    """Who made an environment, or what a folder is."""

    ENVBUILD = "envbuild"
    """Made by `envbuild create`: a conda prefix with a stamp."""
    CONDA = "conda"
    """A conda prefix of conda's, mamba's or micromamba's."""
    PIXI = "pixi"
    VENV = "venv"
    UV = "uv venv"
    VIRTUALENV = "virtualenv"
    SYSTEM = "system Python"
    """An interpreter with its own standard library and no environment around it: the system's, pyenv's, uv's."""
    WHEELS = "folder of wheels"
    UNKNOWN = "unknown"

    @property
    def is_conda(self) -> bool:
        return self in (Kind.ENVBUILD, Kind.CONDA, Kind.PIXI)

    @property
    def is_virtual(self) -> bool:
        """Whether it borrows the standard library of another interpreter."""
        return self in (Kind.VENV, Kind.UV, Kind.VIRTUALENV)


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """The kind of an environment, and the file or setting by which it was told."""

    kind: Kind
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The Python of an environment. Nothing was run."""

    path: Path
    """As a user would run it (`bin/python`), not resolved."""
    resolved: Path | None
    """The file it leads to; None where a link on the way is broken or goes round in a circle."""
    home: Path | None
    """`home` of pyvenv.cfg: the folder of the interpreter that a virtual environment borrows from."""
    version: str | None
    """As exact as the files tell: `3.12.4` from conda-meta or pyvenv.cfg, `3.12` from a folder's name."""
    free_threaded: bool = False

    @property
    def minor(self) -> tuple[int, int] | None:
        """(3, 12)."""
        parts = (self.version or "").split(".")
        return (int(parts[0]), int(parts[1])) if len(parts) > 1 and all(map(str.isdecimal, parts[:2])) else None


class RecordedPath(NamedTuple):
    """One file of a conda record. Hashes are hex; a file whose prefix was replaced has another one in the prefix."""

    path: str
    kind: str
    """`hardlink`, `softlink` or `directory`."""
    sha256: str | None
    sha256_in_prefix: str | None
    size: int | None
    placeholder: str | None


class RecordEntry(NamedTuple):
    """One line of a RECORD: the path as written, the hash's hex digest where it is SHA-256, the size in bytes."""

    path: str
    sha256: str | None
    size: int | None


@dataclass(frozen=True, kw_only=True)
class CondaRecord:
    """One `conda-meta/*.json`: an installed conda package and the files it owns (relative to the prefix)."""

    name: str
    version: str
    build: str
    subdir: str
    files: tuple[str, ...]
    paths: tuple[RecordedPath, ...] = ()
    depends: tuple[str, ...] = ()
    channel: str = ""
    url: str = ""
    sha256: str | None = None
    requested: tuple[str, ...] = ()
    """The specs by which the user asked for it; empty for a dependency."""
    source: Path


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One transaction in `conda-meta/history`."""

    date: str
    command: str = ""
    """The command line, where it was noted."""
    specs: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PyVenv:
    """`pyvenv.cfg`: keys in lower case."""

    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        return self.values.get("version") or self.values.get("version_info")
