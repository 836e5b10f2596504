"""Small trees of wheels and prefixes, laid out from the fixtures of tests/data/macho."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from builder.checks.catalogue import catalogue
from builder.checks.check import Needs
from builder.checks.engine import observed
from builder.checks.subject import Subject
from builder.environment.environment import Environment
from builder.platforms import Subdir
from builder.probes.level import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.finding import Finding

DATA = Path(__file__).parents[2] / "data" / "macho"


#: Every check that reads the files of a Mac's environment; each says something of each environment.
ON_MACS = {check.id for check in catalogue() if check.needs is Needs.FILES} - {"link.glibc-floor"}


def put(fixture: str, target: Path) -> Path:
    """Copy a fixture to `target`, making folders."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(DATA / fixture, target))


def dist(
    site: Path,
    name: str,
    version: str,
    files: Iterable[str] = (),
    *,
    requires: Iterable[str] = (),
    tag: str = "cp311-cp311-macosx_14_0_arm64",
    installer: str = "uv",
) -> Path:
    """A dist-info that owns `files` (relative to `site`, which must exist already)."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = "".join(f"Requires-Dist: {item}\n" for item in requires)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{lines}\nAbout.\n")
    (info / "WHEEL").write_text(f"Wheel-Version: 1.0\nTag: {tag}\n")
    (info / "INSTALLER").write_text(installer)
    (info / "RECORD").write_text(
        "".join(f"{rel},sha256={record_hash(site / rel)},{(site / rel).stat().st_size}\n" for rel in files)
        + f"{info.name}/RECORD,,\n"
    )
    return info


def record_hash(path: Path) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()


def conda_record(
    prefix: Path, name: str, version: str, files: Iterable[str] = (), *, subdir: str = "osx-arm64"
) -> Path:
    """A conda-meta record that owns `files`."""
    meta = prefix / "conda-meta"
    meta.mkdir(parents=True, exist_ok=True)
    paths = [
        {
            "_path": rel,
            "path_type": "hardlink",
            "sha256": hashlib.sha256((prefix / rel).read_bytes()).hexdigest(),
            "size_in_bytes": (prefix / rel).stat().st_size,
        }
        for rel in files
    ]
    record = {"name": name, "version": version, "build": "0", "subdir": subdir, "files": [*files]}
    path = meta / f"{name}-{version}-0.json"
    path.write_text(json.dumps(record | {"paths_data": {"paths": paths}}))
    return path


def guest(site: Path, *, host: str = "libhost.dylib", host_version: str = "2.0") -> None:
    """Two wheels: `host` with a library, and `guest`, whose module binds to it."""
    put(host, site / "host" / "libhost.dylib")
    put("module.so", site / "guest" / "module.so")
    dist(site, "host", host_version, ["host/libhost.dylib"])
    dist(site, "guest", "1.0", ["guest/module.so"], requires=["host>=1"])


def interpreter(prefix: Path) -> None:
    """A conda-like prefix with an interpreter, ready for packages in `lib/python3.11/site-packages`."""
    put("python", prefix / "bin" / "python3.11")
    (prefix / "bin" / "python").symlink_to("python3.11")
    put("libpython3.11.dylib", prefix / "lib" / "libpython3.11.dylib")
    (prefix / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    conda_record(prefix, "python", "3.11.9", ["bin/python3.11", "lib/libpython3.11.dylib"])


def site_of(prefix: Path) -> Path:
    return prefix / "lib" / "python3.11" / "site-packages"


def verified(
    path: Path, *, level: Level = Level.DEFAULT, subdir: Subdir | None = Subdir.OSX_ARM64
) -> dict[str, tuple[Finding, ...]]:
    """The findings of reading `path`, by check."""
    subject = Subject(Environment(path, subdir=subdir), level=level)
    found: dict[str, tuple[Finding, ...]] = {}
    for finding in observed(subject, checks=catalogue(), needs=frozenset((Needs.FILES,))):
        found[finding.check] = (*found.get(finding.check, ()), finding)
    return found
