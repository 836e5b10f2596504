"""The metadata of an environment that was never laid out, written from the summaries of its packages.

What reads an environment reads conda-meta and dist-info; with these, links, folders and an empty interpreter on the
disk it need not know that there is nothing else. No binary and no source file is written.

Which package brought which file is not written, but handed on (`builder.environment.summarized`).
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from builder.binaries.summary import PREFIX, SITE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from builder.binaries.summary import PackageSummary

_PYTHON: Final = re.compile(r"bin/python[\d.]*t?")


def write_skeleton(folder: Path, packages: Sequence[PackageSummary], *, python: str) -> None:
    """Write the metadata of `packages` into the empty `folder`. `python` is the minor version (`3.12`, `3.13t`).

    Paths that lead outside are left out: a summary is somebody else's input.
    """
    site = f"lib/python{python}/site-packages/"
    (folder / site).mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "conda-meta").mkdir()
    made: set[str] = set()
    for package in packages:
        if package.identity.kind == "conda":
            _write_record(folder, package)
        _write_distributions(folder, package, made, site=site)
        for path in package.paths:
            if _PYTHON.fullmatch(path) and path not in {link for link, _ in package.links}:
                (folder / path).touch()
    # Links come last, so that nothing is written through one.
    for package in packages:
        for path, target in package.links:
            _link(folder, _placed(path, site), target)


def _placed(path: str, site: str) -> str:
    return site + path.removeprefix(SITE) if path.startswith(SITE) else path


def _is_inside(path: str) -> bool:
    return bool(path) and "\0" not in path and not path.startswith("/") and ".." not in path.split("/")


def _write_record(folder: Path, package: PackageSummary) -> None:
    one = package.identity
    record = {
        "name": one.name,
        "version": one.version,
        "build": one.build,
        "subdir": one.subdir,
        "depends": list(one.requires),
    }
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", f"{one.name}-{one.version}-{one.build}")
    (folder / "conda-meta" / f"{stem}.json").write_text(json.dumps(record), encoding="utf-8")


def _write_distributions(folder: Path, package: PackageSummary, made: set[str], *, site: str) -> None:
    """The metadata, and the top-level folders of site-packages; those in `made` are there already."""
    for top in {path.removeprefix(SITE).partition("/")[0] for path in package.paths if path.startswith((SITE, site))}:
        if top and _is_inside(top) and top not in made:
            made.add(top)
            (folder / site / top).mkdir(exist_ok=True)
    for own in package.distributions:
        info = folder / site / own.folder
        if not _is_inside(own.folder) or "/" in own.folder:
            continue
        info.mkdir(exist_ok=True)
        fields = [("Metadata-Version", "2.1"), ("Name", own.name), ("Version", own.version)]
        fields += [("Requires-Dist", line) for line in own.requires]
        text = "".join(f"{key}: {' '.join(value.split())}\n" for key, value in fields)
        (info / ("METADATA" if own.folder.endswith(".dist-info") else "PKG-INFO")).write_text(text, encoding="utf-8")
        if package.identity.kind == "wheel":
            lines = [f"Tag: {tag}" for tag in package.identity.tags]
            (info / "WHEEL").write_text("\n".join(["Wheel-Version: 1.0", *lines, ""]), encoding="utf-8")


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
