"""The metadata of an environment that was never laid out, written from the summaries of its packages.

What reads an environment reads conda-meta and dist-info; with these, links, folders and an empty interpreter on the
disk it need not know that there is nothing else. No binary and no source file is written.

Of files that two packages bring, the records have hashes: not those of the files, but equal where the files are.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from builder.binaries.summary import PREFIX, SITE
from builder.binaries.summary_python import DIGEST_BYTES

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
    placed = [[rel for path in package.paths if _is_inside(rel := _placed(path, site))] for package in packages]
    claimed = Counter(rel for paths in placed for rel in paths)
    shared = {rel for rel, count in claimed.items() if count > 1}
    for package, paths in zip(packages, placed, strict=True):
        hashes = _contents(package, shared, site)
        if package.identity.kind == "conda":
            _write_record(folder, package, paths, hashes)
        _write_distributions(folder, package, paths, hashes, site=site)
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


def _contents(package: PackageSummary, shared: set[str], site: str) -> dict[str, bytes]:
    """Paths of the package in `shared` → 32 bytes that are equal where the content is, as far as it counts."""
    if not shared:
        return {}
    sources = [path for path in package.paths if path.endswith(".py")]
    found = {}
    for number, path in enumerate(sources):
        if (rel := _placed(path, site)) in shared:
            found[rel] = package.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
    for image in package.mach_o:
        if (rel := _placed(image.rel, site)) in shared:
            parts = (image.commands, image.imports.names.joined, image.exports.names.joined, image.size)
            found[rel] = found.get(rel, b"") + repr(parts).encode()
    for file in package.elf:
        if (rel := _placed(file.rel, site)) in shared:
            found[rel] = repr((file.needed, file.soname, file.symbols.names.joined, file.size)).encode()
    return {rel: hashlib.sha256(content, usedforsecurity=False).digest() for rel, content in found.items()}


def _write_record(folder: Path, package: PackageSummary, paths: list[str], hashes: dict[str, bytes]) -> None:
    one = package.identity
    record = {
        "name": one.name,
        "version": one.version,
        "build": one.build,
        "subdir": one.subdir,
        "depends": list(one.requires),
        "files": paths,
        "paths_data": {"paths": [{"_path": rel, "sha256": digest.hex()} for rel, digest in hashes.items()]},
    }
    stem = re.sub(r"[^A-Za-z0-9._-]", "_", f"{one.name}-{one.version}-{one.build}")
    (folder / "conda-meta" / f"{stem}.json").write_text(json.dumps(record), encoding="utf-8")


def _write_distributions(
    folder: Path, package: PackageSummary, paths: list[str], hashes: dict[str, bytes], *, site: str
) -> None:
    inner = (rel.removeprefix(site) for rel in paths if rel.startswith(site))
    for top in {path.partition("/")[0] for path in inner if "/" in path}:
        (folder / site / top).mkdir(exist_ok=True)
    for own in package.distributions:
        info = folder / site / own.folder
        if not _is_inside(own.folder) or "/" in own.folder or not info.is_dir():
            continue
        fields = [("Metadata-Version", "2.1"), ("Name", own.name), ("Version", own.version)]
        fields += [("Requires-Dist", line) for line in own.requires]
        text = "".join(f"{key}: {' '.join(value.split())}\n" for key, value in fields)
        (info / ("METADATA" if own.folder.endswith(".dist-info") else "PKG-INFO")).write_text(text, encoding="utf-8")
        if package.identity.kind == "wheel":
            lines = [f"Tag: {tag}" for tag in package.identity.tags]
            (info / "WHEEL").write_text("\n".join(["Wheel-Version: 1.0", *lines, ""]), encoding="utf-8")
            with (info / "RECORD").open("w", encoding="utf-8", newline="") as stream:
                csv.writer(stream).writerows(
                    (os.path.relpath(rel, site), _recorded(hashes.get(rel)), "") for rel in paths
                )


def _recorded(digest: bytes | None) -> str:
    """A hash as RECORD has it."""
    return "" if digest is None else f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


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
