"""Workspaces for tests: everything injected, nothing of the machine's user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.config import Config
from builder.platforms import Subdir, host_subdir
from builder.progress import NoProgress
from builder.project import Project
from builder.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: The platform that runs the tests, for those that really run an environment.
HERE = host_subdir()


class Heard(NoProgress):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def note(self, message: str) -> None:
        self.notes.append(message)


def workspace(
    home: Path,
    *,
    root: Path | None = None,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    host: Subdir | None = HERE,
    config: Config | None = None,
    **more: Any,
) -> Workspace:
    """The workspace of a user at `home`, whose project is `root`: one that is found, where it is given."""
    return Workspace(
        project=Project(root=root or home, state=home / "state", found=root is not None),
        config=config or Config(),
        environ={"HOME": str(home)} if environ is None else environ,
        home=home,
        cwd=cwd or home,
        package_cache=home / "package-cache",
        host=host,
        **more,
    )
