"""What is looked at in an extracted conda package before anything of it is linked.

A lock says by SHA-256 which archive is meant, not that its content is well-behaved. The linker takes a package's own
`paths.json` and `index.json` at their word: a path of `../NAME/x` is written beside the prefix, an absolute one aborts
the whole process, and another name than the archive's makes it panic (py-rattler 0.28, tried).

Sources: CEP 20 and conda-build's documentation of `paths.json`; conda/core/path_actions.py for entry points.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from builder.environment.reading import Reader
from builder.environment.stamp import RELATIVE_PATH as STAMP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.lock.model import LockedPackage

_PATH_TYPES: Final = ("hardlink", "softlink", "directory")
#: `jupyter-lab = jupyterlab.labapp:main`
_ENTRY_POINT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\s*=\s*[A-Za-z_][\w.]*\s*:\s*[A-Za-z_][\w.]*")
#: Whoever owns these owns what conda and we believe about the environment.
_RESERVED: Final = re.compile(r"conda-meta/([^/]+\.json|history|envbuild\.[^/]*)|\.condarc", re.IGNORECASE)
assert _RESERVED.fullmatch(STAMP.as_posix())


def extracted_folder(cache: Path, package: LockedPackage) -> Path:
    """Where rattler's package cache keeps the extracted files of a package."""
    return cache / Path(package.file_name).name.removesuffix(".conda").removesuffix(".tar.bz2")


def objection(folder: Path, package: LockedPackage) -> str | None:
    """Why the package extracted to `folder` must not be linked; None where nothing is against it. Never raises."""
    try:
        return next(_objections(folder, package), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"its metadata cannot be read: {error}"


def _objections(folder: Path, package: LockedPackage) -> Iterator[str]:
    reader = Reader()
    index = _json(folder / "info" / "index.json", reader)
    expected = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "subdir": package.url_subdir,
    }
    for key, value in expected.items():
        # Packages of before 2013 do not say their subdir.
        if index.get(key, value if key == "subdir" else None) != value:
            yield f"it says that its {key} is {index.get(key)!r:.80}, not {value!r}"
    site_packages = index.get("python_site_packages_path")
    if site_packages is not None and not _is_inside(site_packages):
        yield f"it puts Python's packages into {site_packages!r:.80}"
    yield from _paths(folder, _json(folder / "info" / "paths.json", reader))
    yield from _entry_points(folder, reader)


def _json(path: Path, reader: Reader) -> dict[str, Any]:
    content = reader.read(path)
    if content is None:
        reason = next((item.reason for item in reader.unreadable if item.path == path), "there is none")
        raise ValueError(f"info/{path.name}: {reason}")
    data = json.loads(content)
    if not isinstance(data, dict):
        raise ValueError(f"info/{path.name} is no object")
    return data


def _paths(folder: Path, data: dict[str, Any]) -> Iterator[str]:
    for entry in data["paths"]:
        path, kind = entry["_path"], entry.get("path_type", "hardlink")
        if not _is_inside(path):
            yield f"it would write to {path!r:.80}, outside the environment"
        # `conda-meta/./x` is the same file, and so is `Conda-Meta/x` where case makes no difference.
        elif "conda" in path.lower() and _RESERVED.fullmatch(PurePosixPath(path).as_posix()):
            yield f"it would replace {path}, which is not a package's to write"
        if kind not in _PATH_TYPES:
            yield f"{path} is of an unknown kind, {kind!r:.80}"
        if kind != "directory":
            yield from _file(f"{folder}/{path}", entry, folder=folder, kind=kind)


def _file(file: str, entry: dict[str, Any], *, folder: Path, kind: str) -> Iterator[str]:
    try:
        status = os.lstat(file)
    except FileNotFoundError:
        yield f"{entry['_path']} is not in it"
        return
    is_link = stat.S_ISLNK(status.st_mode)
    if is_link and kind != "softlink" and not Path(os.path.realpath(file)).is_relative_to(folder.resolve()):
        # Whatever lies there on this machine would be copied into the environment as the package's own.
        yield f"{entry['_path']} is a link out of the package"
    if not is_link and not stat.S_ISREG(status.st_mode):
        yield f"{entry['_path']} is no ordinary file"
    # What a link leads to has its own size; that of the link itself says nothing.
    size = entry.get("size_in_bytes")
    if kind == "hardlink" and not is_link and size is not None and status.st_size != size:
        yield f"{entry['_path']} has {status.st_size:,} bytes, not {size:,}"
    placeholder = entry.get("prefix_placeholder")
    if placeholder is not None and not (isinstance(placeholder, str) and placeholder):
        yield f"{entry['_path']} has {placeholder!r:.80} for its prefix"


def _entry_points(folder: Path, reader: Reader) -> Iterator[str]:
    if not os.path.lexists(folder / "info" / "link.json"):
        return
    noarch = _json(folder / "info" / "link.json", reader).get("noarch") or {}
    for point in noarch.get("entry_points") or ():
        if not isinstance(point, str) or not _ENTRY_POINT.fullmatch(point.strip()):
            yield f"{point!r:.80} is not an entry point"


def _is_inside(path: object) -> bool:
    """Whether a path is relative and stays inside whatever folder it is put into."""
    if not isinstance(path, str) or not path or "\0" in path or "\\" in path:
        return False
    names = path.split("/")
    return names[0] != "" and ".." not in names and any(name not in ("", ".") for name in names)
