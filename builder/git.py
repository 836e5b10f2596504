"""Files of a git repository as they were at a revision, through the user's own git; never through a shell."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Git:
    """git, run in `folder`, which may be anywhere inside a working tree."""

    folder: Path
    environ: Mapping[str, str]

    def commit(self, revision: str) -> str:
        """The hash of the commit that `revision` (a branch, a tag, `HEAD~2`, a hash) means. Raises UsageError."""
        # What begins with a dash would be an option of git's.
        asked = (
            None
            if revision.startswith("-")
            else self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        )
        if asked is None:
            if self._run("rev-parse", "--is-inside-work-tree") is None:
                raise UsageError(
                    f"{self.folder} is not in a git repository, so {revision!r} is no revision of anything",
                    hint="name two files instead, or go to the repository",
                )
            raise UsageError(
                f"{revision!r} is neither a file nor a revision of the repository around {self.folder}",
                hint="`git log --oneline` shows revisions; one of another clone must be fetched first",
            )
        return asked.decode().strip()

    def file_at(self, commit: str, path: str) -> bytes | None:
        """The content of `path` (relative to `folder`) at a commit, byte for byte; None where it was not there."""
        # `git show` would pass it through the filters that people configure for reading diffs.
        return self._run("cat-file", "blob", f"{commit}:./{path}")

    def _run(self, *arguments: str) -> bytes | None:
        program = shutil.which("git", path=self.environ.get("PATH"))
        if program is None:
            raise UsageError("git is not installed, so revisions cannot be read", hint="name two files instead")
        try:
            ended = subprocess.run(
                [program, "-C", str(self.folder), *arguments],
                env={**self.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError, ValueError) as error:
            raise UsageError(f"git could not be asked: {error}") from None
        if b"dubious ownership" in ended.stderr:
            raise UsageError(
                f"git refuses to read the repository around {self.folder}: it belongs to somebody else",
                hint="see `git status` there, which says how to allow it",
            )
        return ended.stdout if ended.returncode == 0 else None
