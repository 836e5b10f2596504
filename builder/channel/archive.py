"""Writing `.conda` packages: the metadata that installers read, and a compression level that does not dawdle."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.platforms import Subdir

#: zstd's top levels took 20 s for one CPython where this takes under one, for a file that never travels.
_LEVEL: Final = 3
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class PackageSpec:
    """What goes into `info/index.json` beside the files. `noarch` is `python`, `generic` or None."""

    name: str
    version: str
    build: str
    subdir: Subdir
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    noarch: str | None = None
    license: str | None = None
    python_site_packages_path: str | None = None
    entry_points: tuple[str, ...] = ()
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """Relative path of a file → the prefix written in it, which installers replace (`prefix_placeholder`)."""

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def build_number(self) -> int:
        return 0


def write_package(spec: PackageSpec, *, tree: Path, folder: Path) -> Path:
    """Pack all files below `tree` as `folder/STEM.conda`. The bytes depend on the content only, not on the clock."""
    from conda_package_streaming.create import conda_builder

    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(_members(tree))
    paths = [_path_entry(tree, relative, spec) for relative in files]
    with conda_builder(spec.stem, folder, compression_level=_LEVEL) as archive:
        for name, content in _metadata(spec, files, paths).items():
            _add_bytes(archive, f"info/{name}", content)
        for relative in files:
            archive.add(tree / relative, arcname=relative, recursive=False, filter=_plain)
    package = folder / f"{spec.stem}.conda"
    _stop_clock(package)
    return package


def _stop_clock(package: Path) -> None:
    """Write the outer archive again without the times at which its members were packed."""
    temporary = package.with_suffix(".tmp")
    with zipfile.ZipFile(package) as packed, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as again:
        for member in packed.infolist():
            timeless = zipfile.ZipInfo(member.filename)
            timeless.file_size = member.file_size
            with packed.open(member) as source, again.open(timeless, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK)
    temporary.replace(package)


def _members(tree: Path) -> list[str]:
    found: list[str] = []
    for root, folders, names in os.walk(tree):
        links = [name for name in folders if (tree / root / name).is_symlink()]
        found += [os.path.relpath(os.path.join(root, name), tree) for name in (*names, *links)]  # noqa: PTH118
    return found


def _path_entry(tree: Path, relative: str, spec: PackageSpec) -> dict[str, Any]:
    path = tree / relative
    digest = hashlib.sha256()
    if path.is_symlink():
        # conda hashes what a link points at, or nothing where that is a folder or outside the package.
        target = path.resolve()
        digest.update(target.read_bytes() if target.is_file() else b"")
        size = target.stat().st_size if target.is_file() else 0
        return {"_path": relative, "path_type": "softlink", "sha256": digest.hexdigest(), "size_in_bytes": size}
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    entry: dict[str, Any] = {
        "_path": relative,
        "path_type": "hardlink",
        "sha256": digest.hexdigest(),
        "size_in_bytes": path.stat().st_size,
    }
    if relative in spec.placeholders:
        # As conda-build tells them: in a binary file the prefix is padded, in a text file the length changes.
        mode = "binary" if b"\0" in path.read_bytes() else "text"
        entry |= {"file_mode": mode, "prefix_placeholder": spec.placeholders[relative]}
    return entry


def _metadata(spec: PackageSpec, files: list[str], paths: list[dict[str, Any]]) -> dict[str, bytes]:
    index: dict[str, Any] = {
        "name": spec.name,
        "version": spec.version,
        "build": spec.build,
        "build_number": spec.build_number,
        "subdir": spec.subdir.value,
        "depends": list(spec.depends),
        "constrains": list(spec.constrains),
    }
    optional = {
        "noarch": spec.noarch,
        "license": spec.license,
        "python_site_packages_path": spec.python_site_packages_path,
    }
    index |= {key: value for key, value in optional.items() if value is not None}
    if spec.noarch is None:
        system, _, _ = spec.subdir.partition("-")
        index |= {"platform": system, "arch": spec.subdir.machine}
    content = {
        "index.json": _json(index),
        "paths.json": _json({"paths": paths, "paths_version": 1}),
        "files": "".join(f"{file}\n" for file in files).encode(),
        "about.json": _json({"summary": "Packaged from this machine by envbuild; not for publication."}),
    }
    if spec.noarch == "python":
        link = {"noarch": {"type": "python", "entry_points": list(spec.entry_points)}, "package_metadata_version": 1}
        content["link.json"] = _json(link)
    return content


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member
