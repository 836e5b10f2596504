"""Whether wheels were laid out as their RECORD says.

uv takes them from its cache, which other tools of the user link into environments: whoever edits a module there edits
the cache, and the lock's hash is that of the archive, which uv does not look at again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.binaries.hashing import Hasher, Job
from builder.environment.distributions import read_distributions
from builder.environment.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable

_RECORDS: Final = "conda-meta"


def trespassers(site: Path, names: Iterable[str], *, root: Path) -> tuple[str, ...]:
    """Which of these distributions (canonical names) have files in `conda-meta` of `root`, where only installers of
    conda packages and envbuild write: a wheel's `.data/data` may name any place of the environment.
    """
    wanted, records = frozenset(names), Path(os.path.realpath(root)) / _RECORDS
    return tuple(
        sorted(
            dist.name
            for dist in read_distributions((site,), Reader())
            if dist.name in wanted and any(_is_below(records, dist.site, entry.path) for entry in dist.record())
        )
    )


def _is_below(folder: Path, site: Path, path: str) -> bool:
    """Whether a path of RECORD in `site` leads below `folder`. Case is no difference: on Macs' disks it is none."""
    if _RECORDS not in path.casefold():
        return False
    place = os.path.normpath(Path(os.path.realpath(site)) / path)
    return Path(place.casefold()).is_relative_to(str(folder).casefold())


def damaged(site: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Which of these distributions (canonical names) are not in `site`, or lack a file or have another than recorded.

    Bytecode is left out: it may have been compiled since.
    """
    wanted = frozenset(names)
    found: set[str] = set()
    jobs: dict[str, tuple[str, str, Job]] = {}
    for dist in read_distributions((site,), Reader()):
        if dist.name not in wanted:
            continue
        found.add(dist.name)
        for entry in dist.record():
            if entry.sha256 is not None and not entry.path.endswith(".pyc"):
                path = str(dist.site / entry.path)
                jobs[path] = dist.name, entry.sha256, Job(kind="digest", path=path, size=entry.size or 0)
    with Hasher([job for _, _, job in jobs.values()]) as hasher:
        answers = hasher.answers()
    wrong = {name for path, (name, digest, _) in jobs.items() if answers["digest", path].digest != digest}
    return tuple(sorted(wrong | (wanted - found)))
