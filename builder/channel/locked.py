"""A channel of locked packages: the metadata that conda, mamba and pixi read, made from the archives themselves."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from builder.lock.rattler_solver import version_ranges
from builder.platforms import Subdir
from builder.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from builder.lock.model import LockedPackage


def repodata(archives: Mapping[str, Iterable[Path]], locked: Iterable[LockedPackage]) -> dict[str, str]:
    """The text of `repodata.json` for each subdir of `archives` (and for `noarch`, which every channel has).

    Indexed by py-rattler. Channels mend the dependencies of packages after they were published, in their metadata
    alone; a lock has them mended, so where the two differ the lock's are taken. The bytes depend on nothing else.
    """
    from rattler.index import index_fs

    subdirs = {Subdir.NOARCH.value: [], **{subdir: sorted(files) for subdir, files in archives.items()}}
    with scratch("envbuild-channel-") as folder:
        for subdir, files in subdirs.items():
            (folder / subdir).mkdir()
            for file in files:
                link_or_copy(file, folder / subdir / file.name)
        asyncio.run(index_fs(folder, write_zst=False, write_shards=False))
        mended = {(package.url_subdir, package.file_name): package.dependencies for package in locked}
        return {subdir: _mended(folder / subdir / "repodata.json", subdir, mended) for subdir in sorted(subdirs)}


def link_or_copy(source: Path, target: Path) -> None:
    """The same file at another name, without taking space where the file system can. Raises OSError."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _mended(file: Path, subdir: str, mended: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
    data: dict[str, Any] = json.loads(file.read_bytes())
    for kind in ("packages", "packages.conda"):
        for name, record in data.get(kind, {}).items():
            # The time of this very indexing, which says nothing about the package.
            record.pop("indexed_timestamp", None)
            needs = mended.get((subdir, name))
            if needs is not None:
                record["depends"] = _depends(record.get("depends", []), needs)
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def _depends(written: list[str], needs: Mapping[str, str]) -> list[str]:
    """The dependencies as `written` in the package, except for those whose version range is another one in the lock."""
    there = version_ranges(written)
    kept = [spec for spec in written if _is_as_locked(spec.split()[0], there, needs)]
    names = {spec.split()[0] for spec in kept}
    return kept + [f"{name} {range_}".strip() for name, range_ in sorted(needs.items()) if name not in names]


def _is_as_locked(name: str, there: Mapping[str, str], needs: Mapping[str, str]) -> bool:
    # A lock of another tool may leave out what no package is needed for.
    return name.startswith("__") or (name in needs and there.get(name, "") == needs[name])
