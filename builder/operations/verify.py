"""One verification from the prefix to the report."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from builder.checks.subject import User
from builder.checks.verification import EVERYTHING, STATIC, verified
from builder.environment.environment import Environment
from builder.errors import UsageError
from builder.platforms import Subdir, host_subdir
from builder.probes.level import Level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.checks.engine import Progress
    from builder.finding import Report


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The user's side of a verification, injected so that tests need not touch the machine."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)
    cwd: Path = field(default_factory=Path.cwd)


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
    surroundings: Surroundings | None = None,
) -> Report:
    """Check the environment at `path` and say everything that is wrong with it.

    `subdir` is the platform to judge it for (default: what its stamp or packages say), `host` the platform this
    machine is (default: detected). Probes run only where the environment can run on the host; elsewhere they
    are `skip`. `limit` replaces the seconds each probe may take. Raises UsageError when `path` is no folder.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: there is no environment here", hint="`envbuild create NAME` builds one")
    around = surroundings or Surroundings()
    needs = (STATIC if static else frozenset()) | (EVERYTHING - STATIC if runtime else frozenset())
    return verified(
        Environment(path, subdir=subdir),
        host=host or host_subdir(),
        user=User(environ=around.environ, home=around.home, cwd=around.cwd),
        level=level,
        needs=needs,
        limit=limit,
        progress=progress or (lambda _phrase: None),
    )
