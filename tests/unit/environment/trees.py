"""Prefixes of every kind, laid out on disk as their makers lay them out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from builder.environment.stamp import RELATIVE_PATH, Stamp
from builder.platforms import Subdir

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, content: str | bytes = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def library(prefix: Path, version: str = "3.12") -> Path:
    """An interpreter with a standard library and an empty site-packages, which is given."""
    write(prefix / "bin" / f"python{version}", "#!")
    for name in ("python3", "python"):
        (prefix / "bin" / name).symlink_to(f"python{version}")
    write(prefix / "lib" / f"python{version}" / "os.py")
    site = prefix / "lib" / f"python{version}" / "site-packages"
    site.mkdir()
    return site


def conda(prefix: Path, version: str = "3.12.4") -> Path:
    site = library(prefix, ".".join(version.split(".")[:2]))
    record(prefix, "python", version, "bin/python", paths=[{"_path": "bin/python", "path_type": "softlink"}])
    return site


def record(prefix: Path, name: str, version: str, *files: str, **more: Any) -> Path:
    paths = more.pop("paths", None)
    data = {"name": name, "version": version, "build": "0", "subdir": "linux-64", "files": list(files), **more}
    if paths is not None:
        data["paths_data"] = {"paths": paths}
    return write(prefix / "conda-meta" / f"{name}-{version}-0.json", json.dumps(data))


def dist(site: Path, name: str, version: str = "1.0", *lines: str, record: str = "", **members: str) -> Path:
    """A dist-info with these lines in its METADATA's headers and these RECORD lines."""
    info = site / f"{name}-{version}.dist-info"
    head = "".join(f"{line}\n" for line in lines)
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{head}\nAbout it.\n")
    write(info / "RECORD", record)
    for member, content in members.items():
        write(info / member, content)
    return info


def stamp(prefix: Path, **values: Any) -> Stamp:
    made = Stamp(
        **{
            "name": "ml",
            "subdir": Subdir.LINUX_64,
            "lock_sha256": "a" * 64,
            "envbuild_version": "0",
            "packages": (),
            "prefix": str(prefix),
            **values,
        }
    )
    write(prefix / RELATIVE_PATH, made.dumps())
    return made
