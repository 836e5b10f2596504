"""The metadata of an environment that was never laid out, written from the summaries of its packages.

What reads an environment reads conda-meta and dist-info; with these, links, folders and an empty interpreter on the
disk it need not know that there is nothing else. No binary and no source file is written.

Of Python distributions in conda packages a summary has no metadata: their name and version are those of the folder, and
their requirements those of the package, without versions.
"""

from __future__ import annotations

import csv
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from builder.binaries.summary import PREFIX, SITE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from builder.binaries.summary import PackageSummary

_INFO: Final = re.compile(r"(?P<folder>(?P<name>[^/]+)-(?P<version>[^-/]+)\.dist-info)/METADATA")
_PYTHON: Final = re.compile(r"bin/python[\d.]*t?")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def write_skeleton(folder: Path, packages: Sequence[PackageSummary], *, python: str) -> None:
    """Write the metadata of `packages` into the empty `folder`. `python` is the minor version (`3.12`, `3.13t`).

    Paths that lead outside are left out: a summary is somebody else's input.
    """
    site = f"lib/python{python}/site-packages/"
    (folder / site).mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "conda-meta").mkdir()
    for package in packages:
        paths = [rel for path in package.paths if _is_inside(rel := _placed(path, site))]
        if package.identity.kind == "conda":
            _write_record(folder, package, paths)
        _write_distributions(folder, package, paths, site=site)
        for rel in paths:
            if _PYTHON.fullmatch(rel) and rel not in {_placed(link, site) for link, _ in package.links}:
                (folder / rel).touch()
    # Links come last, so that nothing is written through one.
    for package in packages:
        for path, target in package.links:
            _link(folder, _placed(path, site), target)


def _placed(path: str, site: str) -> str:
    return site + path.removeprefix(SITE) if path.startswith(SITE) else path


def _is_inside(path: str) -> bool:
    return bool(path) and "\0" not in path and not path.startswith("/") and ".." not in path.split("/")


def _write_record(folder: Path, package: PackageSummary, paths: list[str]) -> None:
    one = package.identity
    record = {
        "name": one.name,
        "version": one.version,
        "build": one.build,
        "subdir": one.subdir,
        "depends": list(one.requires),
        "files": paths,
    }
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", f"{one.name}-{one.version}-{one.build}")
    (folder / "conda-meta" / f"{stem}.json").write_text(json.dumps(record), encoding="utf-8")


def _write_distributions(folder: Path, package: PackageSummary, paths: list[str], *, site: str) -> None:
    inner = [rel.removeprefix(site) for rel in paths if rel.startswith(site)]
    for top in {path.partition("/")[0] for path in inner if "/" in path}:
        (folder / site / top).mkdir(exist_ok=True)
    one = package.identity
    for match in filter(None, map(_INFO.fullmatch, inner)):
        info = folder / site / match["folder"]
        if one.kind == "conda":
            name, version = match["name"], match["version"]
            requires: Iterable[str] = [named[0] for line in one.requires if (named := _NAME.match(line))]
        else:
            name, version, requires = one.name, one.version, one.requires
            lines = [f"Tag: {tag}" for tag in one.tags]
            (info / "WHEEL").write_text("\n".join(["Wheel-Version: 1.0", *lines, ""]), encoding="utf-8")
            with (info / "RECORD").open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerows((os.path.relpath(rel, site), "", "") for rel in paths)
        fields = [("Metadata-Version", "2.1"), ("Name", name), ("Version", version)]
        fields += [("Requires-Dist", line) for line in requires]
        text = "".join(f"{key}: {' '.join(value.split())}\n" for key, value in fields)
        (info / "METADATA").write_text(text, encoding="utf-8")


def _link(folder: Path, rel: str, target: str) -> None:
    if not _is_inside(rel):
        return
    path = folder / rel
    root = os.path.realpath(folder)
    if not os.path.realpath(path.parent).startswith(f"{root}/"):
        return
    with suppress(OSError):  # two packages that bring one path, or a name that no file can have
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target.replace(PREFIX, str(folder)))
