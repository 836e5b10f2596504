"""Where environments live by name: where `conda activate NAME` and the IDEs look."""

from __future__ import annotations

import re
from pathlib import Path

from builder.errors import UsageError


def environment_prefix(name: str, *, home: Path, envs_dir: str | None = None) -> Path:
    """The prefix of the environment called `name`: in `envs_dir` if configured, else `~/.conda/envs`."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", name):
        raise UsageError(
            f"{name!r} is not a name for an environment", hint="use letters, digits, '.', '_' and '-'; -p takes a path"
        )
    folder = Path(envs_dir).expanduser() if envs_dir else home / ".conda" / "envs"
    return folder.absolute() / name
