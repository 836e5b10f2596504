"""prefix → `Report`: static checks, then runtime probes.

`verify` is all that other packages need; `builder.verify.progress.Level` says how much it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.verify.progress import Level

if TYPE_CHECKING:
    from pathlib import Path

    from builder.platforms import Subdir
    from builder.verify.finding import Report
    from builder.verify.progress import Progress

__all__ = ["Level", "verify"]


def verify(
    path: Path,
    *,
    level: Level = Level.DEFAULT,
    static: bool = True,
    runtime: bool = True,
    subdir: Subdir | None = None,
    host: Subdir | None = None,
    progress: Progress | None = None,
    limit: float | None = None,
) -> Report:
    """Check the environment at `path` and say everything that is wrong with it.

    `subdir` is the platform to judge it for (default: what its stamp or packages say), `host` the platform this
    machine is (default: detected). Probes run only where the environment can run on the host; elsewhere they
    are `skip`. `limit` replaces the seconds each probe may take. Raises UsageError when `path` is no folder.
    """
    from builder.verify.run import verify_prefix

    return verify_prefix(
        path, level=level, static=static, runtime=runtime, subdir=subdir, host=host, progress=progress, limit=limit
    )
