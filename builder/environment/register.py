"""Making an environment known: to conda and the IDEs through `~/.conda/environments.txt`, and to conda inside it.

Source of the list's format: conda/core/envs_manager.py (one prefix a line; stale lines are allowed).
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from builder.errors import BuildError
from builder.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.environment.reading import Reader
    from builder.environment.stamp import Stamp

_MADE_BY: Final = "# made by: "
#: What `Stamp.create_words` gives, and nothing else: it is printed as a command to run.
_CREATED: Final = re.compile(
    re.escape(_MADE_BY) + r"envbuild create [a-z0-9][a-z0-9._-]*( --source pypi)?( --group [a-z0-9][a-z0-9._-]*)*"
)
_MOST_CONDARC: Final = 1 << 16


def register(prefix: Path, *, file: Path) -> str | None:
    """List `prefix` in `file`, once. Gives a warning where that is not possible, else None."""
    problem = _change(file, lambda lines: lines if str(prefix) in lines else [*lines, str(prefix)])
    return problem and f"the environment could not be listed in {file} ({problem}); IDEs may not find it by themselves"


def unregister(prefix: Path, *, file: Path) -> str | None:
    """Take `prefix` off the list; all other lines stay as they are. Gives a warning where that is not possible."""
    problem = _change(file, lambda lines: [line for line in lines if line != str(prefix)])
    return problem and f"the environment is still listed in {file}, which could not be changed ({problem})"


def _change(file: Path, change: Callable[[list[str]], list[str]]) -> str | None:
    """Rewrite the list, if the change makes a difference; gives what prevented it, else None."""
    try:
        if change(lines := _listed(file)) == lines:
            return None
    except OSError as error:
        return str(error)
    import filelock

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(file.with_name(".environments.txt.envbuild-lock"), timeout=10):
            lines = _listed(file)
            if (changed := change(lines)) != lines:
                write_atomically(file, "".join(f"{line}\n" for line in changed), follow_links=True)
    except (OSError, filelock.Timeout, BuildError, NotImplementedError) as error:
        return str(error)
    return None


def _listed(file: Path) -> list[str]:
    """The lines of the list as they are, whatever their encoding. Raises OSError where it is there and unreadable."""
    from builder.files import open_regular

    try:
        with open_regular(file) as stream:
            return stream.read().decode("utf-8", errors="surrogateescape").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return []


def remember(prefix: Path, stamp: Stamp) -> None:
    """Pin the platform for conda inside the environment, so that a Rosetta shell installs nothing else into it; and
    note there, outside `conda-meta`, what creates the environment, for whoever finds that folder deleted.

    conda reads `PREFIX/.condarc`; without it `CONDA_SUBDIR` of the moment decides (conda/conda#11505).
    """
    command = shlex.join(stamp.create_words)
    (prefix / ".condarc").write_text(f"{_MADE_BY}{command}\nsubdir: {stamp.subdir}\n", encoding="utf-8")


def made_with(prefix: Path, reader: Reader) -> tuple[str, ...] | None:
    """The words of the command that `remember` noted; None where there is no such note."""
    text = reader.text(prefix / ".condarc", most=_MOST_CONDARC) or ""
    first = text.partition("\n")[0]
    return tuple(first.removeprefix(_MADE_BY).split()) if _CREATED.fullmatch(first) else None
