"""Making an environment known: to conda and the IDEs through `~/.conda/environments.txt`, and to conda inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.errors import BuildError
from builder.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from builder.platforms import Subdir


def register(prefix: Path, *, home: Path) -> str | None:
    """List `prefix` in `~/.conda/environments.txt`, once. Gives a warning where that is not possible, else None.

    Source of the format: conda/core/envs_manager.py (one prefix a line; stale lines are allowed).
    """
    path = home / ".conda" / "environments.txt"
    try:
        if str(prefix) in _listed(path):
            return None
    except OSError as error:
        return _not_listed(path, error)
    import filelock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(".environments.txt.envbuild-lock"), timeout=10):
            lines = _listed(path)
            if str(prefix) not in lines:
                write_atomically(path, "\n".join([*lines, str(prefix)]) + "\n", follow_links=True)
    except (OSError, filelock.Timeout, BuildError, NotImplementedError) as error:
        return _not_listed(path, error)
    return None


def _not_listed(path: Path, error: Exception) -> str:
    return f"the environment could not be listed in {path} ({error}); IDEs may not find it by themselves"


def _listed(path: Path) -> list[str]:
    """The lines of the list as they are, whatever their encoding. Raises OSError where it is there and unreadable."""
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def remember_subdir(prefix: Path, subdir: Subdir) -> None:
    """Pin the platform for conda inside the environment, so that a Rosetta shell installs nothing else into it.

    conda reads `PREFIX/.condarc`; without it `CONDA_SUBDIR` of the moment decides (conda/conda#11505).
    """
    (prefix / ".condarc").write_text(f"subdir: {subdir}\n", encoding="ascii")
