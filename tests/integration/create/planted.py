"""A secret that is planted where envbuild may have it, and looked for where it must not be."""

from __future__ import annotations

import base64
import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.create.world import wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.create.world import Answer, World

SECRET = "pl4nted-T0K3N"
_PROGRAM = ("-m", "builder")
#: As itself, and as an Authorization header has it.
FORMS = (SECRET.encode(), base64.b64encode(f"me:{SECRET}".encode()).rstrip(b"="))


def planted(folder: Path) -> Iterator[str]:
    """Every file and name below `folder` that holds the secret."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            inside = path.is_file() and not path.is_symlink() and any(form in path.read_bytes() for form in FORMS)
            link = str(path.readlink()) if path.is_symlink() else ""
            if inside or SECRET in path.name or SECRET in link:
                yield str(path)


class _Watch:
    """Looks at the command lines and environments of envbuild's own children while it runs."""

    def __init__(self, parent: int) -> None:
        self._parent = parent
        self._stop = threading.Event()
        self.found: set[str] = set()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.01):
            for process in Path("/proc").glob("[0-9]*"):
                with contextlib.suppress(OSError):
                    if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == self._parent:
                        line = (process / "cmdline").read_bytes()
                        if SECRET.encode() in line:
                            self.found.add(line.decode())


def run_watched(world: World, temporary: Path, *arguments: str, **environ: str) -> Answer:
    process = world.start(*arguments, program=_PROGRAM, **{"TMPDIR": str(temporary)} | environ)
    with _Watch(process.pid) as watch:
        answer = wait(process)
    assert SECRET not in answer.stdout
    assert SECRET not in answer.stderr
    assert watch.found == set()
    return answer
