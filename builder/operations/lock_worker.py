"""Many locks by several processes, each of which keeps the channels' metadata in memory from one lock to the next.

Solving is quick; what takes time is to read metadata, which a process does once, and Python, of which a process runs
one thread at a time. The processes are this Python again, talked to through their pipes; a leash ends them with us.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Final

from builder.errors import EnvbuildError
from builder.leash import Leash
from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from builder.lock.moves import Move
    from builder.operations.fetching import Solvers
    from builder.operations.locking import LockRequest
    from builder.workspace import Workspace

_COMMAND: Final = "from builder.operations.lock_worker import serve; serve()"
#: Options of this Python that keep the user's own Python out (`cli/launcher.sh`), for those that it starts.
_FLAGS: Final = (("ignore_environment", "-E"), ("safe_path", "-P"), ("no_user_site", "-s"))


@dataclass(frozen=True, kw_only=True)
class Locked:
    """How the lock of one recipe ended: with a lock, or with a problem."""

    name: str
    file: Path | None = None
    packages: tuple[tuple[str, int], ...] = ()
    """How many for each platform."""
    moves: tuple[Move, ...] = ()
    new: bool = False
    """Whether there was no lock before."""
    warnings: tuple[str, ...] = ()
    written: bool = False
    """False where the lock was right already, and nothing was solved."""
    problem: EnvbuildError | None = None


class Locker:
    """Locks one recipe after the other, with one solver for all of them. Writes nothing for one that fails."""

    def __init__(self, workspace: Workspace, request: LockRequest) -> None:
        # What is said meanwhile belongs to the result: several speak at once.
        self._workspace = replace(workspace, progress=NoProgress())
        self._request = request
        self._solvers: Solvers | None = None

    def lock(self, name: str) -> Locked:
        from builder.operations.fetching import Solvers
        from builder.operations.locking import lock

        if self._solvers is None:
            self._solvers = Solvers(self._workspace)
        new = self._workspace.project.committed_lock(name) is None
        try:
            done = lock(self._workspace, replace(self._request, recipe=name), solvers=self._solvers)
        except EnvbuildError as problem:
            return Locked(name=name, problem=problem)
        counts = tuple((subdir.value, len(done.lock.on(subdir))) for subdir in done.lock.platforms)
        return Locked(
            name=name,
            file=done.file,
            packages=counts,
            moves=done.moves,
            new=new,
            warnings=done.warnings,
            written=done.written,
        )


def serve() -> None:
    """What a process does: reads pickled names, and answers each with how its lock ended, until nobody asks more."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What a library prints must not come between the answers.
    os.dup2(2, 1)
    workspace, request = pickle.load(asked)  # noqa: S301 - of the process that started this one
    locker = Locker(workspace, request)
    for name in _each(asked):
        pickle.dump(locker.lock(name), answers)
        answers.flush()


def _each(stream: IO[bytes]) -> Iterator[str]:
    while True:
        try:
            name: str = pickle.load(stream)  # noqa: S301 - as above
        except EOFError:
            return
        yield name


class Workers:
    """Several such processes. A context manager: leaving it ends them, whatever they are doing."""

    def __init__(self, workspace: Workspace, request: LockRequest, *, jobs: int) -> None:
        self._workspace = replace(workspace, progress=NoProgress())
        self._request = request
        self._jobs = jobs
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Workers:
        self._leash = Leash().__enter__()
        flags = [flag for name, flag in _FLAGS if getattr(sys.flags, name)]
        self._processes = [
            subprocess.Popen(
                [sys.executable, *flags, "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**self._workspace.environ},
                process_group=self._leash.group,
            )
            for _ in range(self._jobs)
        ]
        return self

    def __exit__(self, *reason: object) -> None:
        self._leash.__exit__(*reason)
        # Each has heard of the end of its process, or is about to; nobody reads from a pipe that is closed then.
        for thread in self._threads:
            thread.join()
        for process in self._processes:
            for pipe in (process.stdin, process.stdout):
                try:
                    if pipe is not None:
                        pipe.close()
                except OSError:
                    pass  # what was still to be said, to one that has gone
            process.wait()

    def lock(self, names: list[str], done: Callable[[Locked], None]) -> None:
        """Lock all recipes; `done` hears of each in a thread of its own. Raises RuntimeError where a process ends."""
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for name in names:
            waiting.put(name)
        failures: list[BaseException] = []

        def attend(process: subprocess.Popen[bytes]) -> None:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                pickle.dump((self._workspace, self._request), process.stdin)
                while not failures:
                    try:
                        name = waiting.get_nowait()
                    except queue.Empty:
                        return
                    pickle.dump(name, process.stdin)
                    process.stdin.flush()
                    answer: Any = pickle.load(process.stdout)  # noqa: S301 - of our own process
                    done(answer)
            except (OSError, EOFError, pickle.PickleError) as error:
                failures.append(error)

        self._threads = [threading.Thread(target=attend, args=(process,), daemon=True) for process in self._processes]
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()
        if failures:
            raise RuntimeError("a process that was locking has ended without an answer") from failures[0]
