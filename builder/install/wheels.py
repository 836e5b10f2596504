"""Whether wheels were laid out as their RECORD says.

uv takes them from its cache, which other tools of the user link into environments: whoever edits a module there edits
the cache, and the lock's hash is that of the archive, which uv does not look at again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.binaries.hashing import Hasher, Job
from builder.environment.distributions import read_distributions
from builder.environment.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def damaged(site: Path, names: Iterable[str]) -> tuple[str, ...]:
    """The distributions in `site`, of these canonical names, of which a file is missing or is not the recorded one.

    Bytecode is left out: it may have been compiled since.
    """
    wanted = frozenset(names)
    jobs: dict[str, tuple[str, str, Job]] = {}
    for dist in read_distributions((site,), Reader()):
        for entry in dist.record() if dist.name in wanted else ():
            if entry.sha256 is not None and not entry.path.endswith(".pyc"):
                path = str(dist.site / entry.path)
                jobs[path] = dist.name, entry.sha256, Job(kind="digest", path=path, size=entry.size or 0)
    with Hasher([job for _, _, job in jobs.values()]) as hasher:
        answers = hasher.answers()
    wrong = {name for path, (name, digest, _) in jobs.items() if answers["digest", path].digest != digest}
    return tuple(sorted(wrong))
