"""What a new login shell really gets: the one claim for which something of the user's is run, and only when asked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Claim, Ide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.doctor.claims.common import Surroundings

#: Start-up files may wait for a network or for an answer.
_SECONDS: Final = 10.0
#: bash, zsh and fish all understand it; what start-up files print comes before.
_SCRIPT: Final = "echo envbuild-begin; command -v python; echo envbuild-next; command -v python3; echo envbuild-end"


def read(around: Surroundings) -> list[Claim]:
    """What `python` is in a new terminal; else `python3`. Where the shell does not answer, a skip is noted."""
    shell = around.machine.shell or "/bin/sh"
    said = _run(shell, home=around.disk.home, inherited=around.machine.environ)
    if said is None:
        around.disk.skip(Path(shell), f"it did not answer within {_SECONDS:.0f} seconds")
        return []
    words = said.rpartition("envbuild-begin")[2].replace("envbuild-next", "").split("envbuild-end")[0].split()
    found = next(filter(None, map(_path, words)), None)
    if found is None:
        return []
    return [
        Claim(
            ide=Ide.SHELL,
            who="new shell",
            what=f"{Path(found).name}, as {shell} answers",
            written=found,
            decided_by=(),
            interpreter=around.environments.of(Path(found)),
            decisive=False,
        )
    ]


def _path(word: str) -> str | None:
    """The path in a word of the answer; an alias is answered as `python='/usr/bin/python3'`."""
    alias = re.fullmatch(r"python3?='?(/[^']+?)'?", word)
    return alias[1] if alias else word if word.startswith("/") else None


def _run(shell: str, *, home: Path, inherited: Mapping[str, str]) -> str | None:
    """The output of a login shell that starts as a terminal starts it, without what this process has inherited."""
    environ = {"HOME": str(home), "SHELL": shell, "TERM": "dumb", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    environ |= {name: inherited[name] for name in ("USER", "LOGNAME", "LANG") if name in inherited}
    try:
        process = subprocess.Popen(
            [shell, "-l", "-i", "-c", _SCRIPT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            cwd=home,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        return process.communicate(timeout=_SECONDS)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
