"""A prefix as a folder: what conda-meta, dist-info and the stamp say is in it. Nothing is run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from builder.environment.stamp import Stamp, read_stamp
from builder.platforms import Subdir

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class CondaRecord:
    """One `conda-meta/*.json`: an installed conda package and the files it owns (relative to the prefix)."""

    name: str
    version: str
    build: str
    subdir: str
    files: tuple[str, ...]
    paths: tuple[dict[str, Any], ...]
    """`paths_data.paths`: `_path`, `path_type`, `sha256`, `sha256_in_prefix`, `size_in_bytes`, `prefix_placeholder`."""
    source: Path


@dataclass(frozen=True, kw_only=True)
class Dist:
    """One `*.dist-info`: an installed Python distribution, whoever installed it."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    path: Path
    installer: str
    """Content of INSTALLER: `uv`, `pip`, `conda`…; empty if absent."""

    def read(self, member: str) -> str | None:
        """A metadata file such as `RECORD`, `WHEEL` or `METADATA`; None where it is absent or unreadable."""
        try:
            return (self.path / member).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None


class Prefix:
    """A conda prefix, a virtual environment, or a folder of unpacked wheels (`site_packages` is then the folder)."""

    def __init__(self, path: Path, *, subdir: Subdir | None = None) -> None:
        self.path = path.resolve()
        self._asked_subdir = subdir

    @cached_property
    def stamp(self) -> Stamp | None:
        return read_stamp(self.path)

    @cached_property
    def is_conda(self) -> bool:
        return (self.path / "conda-meta").is_dir()

    @cached_property
    def python(self) -> Path | None:
        """The interpreter, as the path a user would run (not resolved)."""
        return next(
            (candidate for name in ("python", "python3") if (candidate := self.path / "bin" / name).exists()), None
        )

    @cached_property
    def site_packages(self) -> Path | None:
        """`lib/pythonX.Y/site-packages`, or the folder itself when it holds dist-info folders."""
        found = sorted(
            (self.path / "lib").glob("python[0-9].*/site-packages"),
            key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.name)],
        )
        if found:
            return found[-1]
        return self.path if any(self.path.glob("*.dist-info")) else None

    @cached_property
    def python_version(self) -> tuple[int, int] | None:
        """(major, minor) from the site-packages path, or None for a folder of wheels."""
        match = re.fullmatch(r"python(\d+)\.(\d+)t?", self.site_packages.parent.name) if self.site_packages else None
        return (int(match[1]), int(match[2])) if match else None

    @cached_property
    def subdir(self) -> Subdir | None:
        """The platform the prefix is for: asked for, stamped, or that of its conda packages."""
        if self._asked_subdir is not None:
            return self._asked_subdir
        if self.stamp is not None:
            return self.stamp.subdir
        named = {record.subdir for record in self.conda_records} - {"noarch"}
        return Subdir(named.pop()) if len(named) == 1 and named <= set(Subdir) else None

    @cached_property
    def unreadable_records(self) -> tuple[Path, ...]:
        """`conda-meta/*.json` files that are not package records (damaged, truncated)."""
        return self._records[1]

    @cached_property
    def conda_records(self) -> tuple[CondaRecord, ...]:
        return self._records[0]

    @cached_property
    def _records(self) -> tuple[tuple[CondaRecord, ...], tuple[Path, ...]]:
        records: list[CondaRecord] = []
        damaged: list[Path] = []
        for path in sorted((self.path / "conda-meta").glob("*.json")):
            try:
                data = json.loads(path.read_bytes())
                records.append(
                    CondaRecord(
                        name=str(data["name"]),
                        version=str(data["version"]),
                        build=data.get("build", ""),
                        subdir=data.get("subdir", ""),
                        files=tuple(path for path in data.get("files", ()) if isinstance(path, str)),
                        paths=tuple(
                            item for item in (data.get("paths_data") or {}).get("paths", ()) if isinstance(item, dict)
                        ),
                        source=path,
                    )
                )
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                damaged.append(path)
        return tuple(records), tuple(damaged)

    @cached_property
    def dists(self) -> tuple[Dist, ...]:
        """Installed Python distributions, by name. A dist-info without a Name and Version is left out."""
        if self.site_packages is None:
            return ()
        found: list[Dist] = []
        for path in sorted(self.site_packages.glob("*.dist-info")):
            head = _metadata_head(path / "METADATA")
            if "name" in head and "version" in head:
                installer = path / "INSTALLER"
                found.append(
                    Dist(
                        name=canonicalize_name(head["name"]),
                        version=head["version"],
                        path=path,
                        installer=installer.read_text(errors="replace").strip() if installer.is_file() else "",
                    )
                )
        return tuple(found)

    def dist(self, name: str) -> Dist | None:
        return next((dist for dist in self.dists if dist.name == name), None)


def _metadata_head(path: Path) -> dict[str, str]:
    """Name and Version of a METADATA file, read no further than its headers."""
    head: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, colon, value = line.partition(":")
                if not line.strip() or len(head) == 2:
                    break
                if colon and key.lower() in ("name", "version"):
                    head[key.lower()] = value.strip()
    except OSError:
        pass
    return head
