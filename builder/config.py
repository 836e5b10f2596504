"""The user's own configuration: `config.yaml` in the platform's configuration folder (or $ENVBUILD_CONFIG)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything in it can also be said on the command line, which wins."""

    mirrors: Mapping[str, str] = field(default_factory=dict)
    """Channel → URL or folder from which it is fetched instead."""
    envs_dir: str | None = None
    """Where environments are created by name."""
    file: Path | None = None
    """Where it was read from, or would be; None where nobody looked."""
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict, compare=False)
    """The line (1-based) of each field in the file; empty where there is no file."""

    def place(self, *path: str) -> str:
        """Where a field was written: `FILE:LINE`."""
        line = self.lines.get(path)
        return f"{self.file}:{line}" if line is not None else str(self.file)


def load_config(file: Path) -> Config:
    """The configuration in `file`, or defaults where there is none. Raises UsageError with file and line."""
    if not os.path.lexists(file):
        return Config(file=file)
    # What reads and checks YAML takes longer to import than all else that `envbuild run` does.
    import msgspec

    from builder import yamlio
    from builder.models import Model

    class Written(Model):
        mirrors: dict[str, str] = msgspec.field(default_factory=dict)
        envs_dir: str | None = None

    document = yamlio.load(file, error=UsageError)
    written = yamlio.validate(document, Written, error=UsageError)
    lines = {tuple(map(str, path)): line for path, line in document.lines.items()}
    return Config(mirrors=written.mirrors, envs_dir=written.envs_dir, file=file, lines=lines)
