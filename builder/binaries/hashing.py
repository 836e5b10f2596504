"""Hashing many files: whole ones, and the signed pages of Mach-O slices.

While the caller does something else it runs in child processes (`Hasher`): a page is 4 KB, and threads would hand the
interpreter's lock back and forth for each. A job list goes in as one JSON document, the answers come out as one.
Whoever only waits for whole files has them hashed here (`digests`), which costs half as much.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from builder.binaries.macho.signature import SliceVerdict, verify_signature
from builder.errors import BinaryError
from builder.files import regular
from builder.leash import Leash

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What is read at once, into memory that is used again: fresh memory costs more than what is read into it.
_BLOCK: Final = 1 << 18
#: From this size on a file is hashed in a thread. For smaller ones, what takes the time is opening them.
_WORTH_A_THREAD: Final = _BLOCK
#: Below this, starting a process costs more than it saves.
_WORTH_A_PROCESS: Final = 100 << 20
_MOST_WORKERS: Final = 4


class Job(NamedTuple):
    """`digest`: SHA-256 of the file at `path`. `pages`: whether its code signatures are right."""

    kind: Literal["digest", "pages"]
    path: str
    size: int


class Answer(NamedTuple):
    """`digest` (hex) or `verdicts`, or the `error` that prevented it (`missing` where there is no such file)."""

    digest: str | None = None
    verdicts: tuple[SliceVerdict, ...] | None = None
    error: str | None = None
    missing: bool = False


def answer(job: Job) -> Answer:
    """Do one job. Never raises for what a file holds or lacks."""
    return _answer(job, bytearray(_BLOCK))


def _answer(job: Job, block: bytearray) -> Answer:
    """The same with memory to read into, of which what was in it is lost."""
    try:
        if job.kind == "pages":
            return Answer(verdicts=verify_signature(Path(job.path)))
        return Answer(digest=_digest(job.path, block))
    except FileNotFoundError:
        return Answer(error="no such file", missing=True)
    except OSError as error:
        return Answer(error=error.strerror or type(error).__name__)
    except BinaryError as error:
        return Answer(error=error.plain)


def _digest(path: str, block: bytearray) -> str:
    digest = hashlib.sha256(usedforsecurity=False)
    # A link to a device, as /dev/zero, would never end.
    descriptor = regular(path)
    try:
        read = memoryview(block)
        while size := os.readv(descriptor, [block]):
            digest.update(read[:size])
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def digests(sizes: Mapping[str, int]) -> dict[str, Answer]:
    """Path → the answer to a `digest` job, for files of these sizes in bytes, as far as they are known.

    Large files are hashed in threads, which do so without the interpreter's lock, and small ones here meanwhile.
    """
    found: dict[str, Answer] = {}
    large = sorted((path for path, size in sizes.items() if size >= _WORTH_A_THREAD), key=sizes.__getitem__)
    waiting = deque(large)

    def work() -> None:
        block = bytearray(_BLOCK)
        with contextlib.suppress(IndexError):
            while True:
                path = waiting.pop()
                found[path] = _answer(Job(kind="digest", path=path, size=sizes[path]), block)

    helpers: list[threading.Thread] = []
    with contextlib.suppress(RuntimeError):  # no thread to be had: all of it is done here
        for _ in range(min(_workers() - 1, len(large))):
            helper = threading.Thread(target=work, daemon=True)
            helper.start()
            helpers.append(helper)
    try:
        block = bytearray(_BLOCK)
        for path, size in sizes.items():
            if size < _WORTH_A_THREAD:
                found[path] = _answer(Job(kind="digest", path=path, size=size), block)
        work()
        for helper in helpers:
            helper.join()
    finally:
        waiting.clear()  # after Ctrl-C they end with the file that they are at, and nobody waits for that
    return found


def _workers() -> int:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cpus, _MOST_WORKERS)


def worker_command() -> list[str]:
    """What starts a worker: isolated from the user's settings of Python, except that it must find this package."""
    start = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); import {__name__} as it; it.main()"
    return [sys.executable, "-I", "-c", start]


class Hasher:
    """Starts on `jobs` at once; `answers()` waits for them. A context manager: leaving it ends what still runs."""

    def __init__(self, jobs: list[Job], *, workers: int | None = None) -> None:
        self._jobs = jobs
        self._children: list[tuple[subprocess.Popen[bytes], list[int]]] = []
        self._leash = contextlib.ExitStack()
        count = _workers() if workers is None else workers
        if sum(job.size for job in jobs) >= _WORTH_A_PROCESS and count > 0:
            with contextlib.suppress(OSError):  # no process to be had: `answers` does the work itself
                group = self._leash.enter_context(Leash()).group
                for share in _shares(jobs, count):
                    self._start(share, group=group)

    def _start(self, share: list[int], *, group: int) -> None:
        child = subprocess.Popen(worker_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=group)
        self._children.append((child, share))
        if child.stdin is not None:
            with child.stdin:
                child.stdin.write(json.dumps([self._jobs[index] for index in share]).encode())

    def __enter__(self) -> Hasher:
        return self

    def __exit__(self, *reason: object) -> None:
        self._leash.close()
        for child, _ in self._children:
            if child.stdout is not None:
                child.stdout.close()
            child.wait()

    @property
    def children(self) -> tuple[subprocess.Popen[bytes], ...]:
        return tuple(child for child, _ in self._children)

    def answers(self) -> dict[tuple[str, str], Answer]:
        """(kind, path) → answer, for every job. A child that died has its share done here."""
        done: dict[int, Answer] = {}
        for child, share in self._children:
            output = child.stdout.read() if child.stdout is not None else b""
            if child.wait() == 0:
                done.update(zip(share, map(_loaded, json.loads(output)), strict=True))
        block = bytearray(_BLOCK)
        return {
            (job.kind, job.path): done[index] if index in done else _answer(job, block)
            for index, job in enumerate(self._jobs)
        }


def _shares(jobs: list[Job], count: int) -> list[list[int]]:
    """Indices of the jobs for each of `count` workers, the largest first, so that all end at about the same time."""
    weights = [0] * count
    shares: list[list[int]] = [[] for _ in range(count)]
    for index in sorted(range(len(jobs)), key=lambda index: jobs[index].size, reverse=True):
        lightest = weights.index(min(weights))
        shares[lightest].append(index)
        weights[lightest] += _cost(jobs[index])
    return [share for share in shares if share]


def _cost(job: Job) -> int:
    """In bytes hashed at full speed: opening a file costs about 50 KB's worth, hashing by page half as much again."""
    return 50_000 + job.size * (3 if job.kind == "pages" else 2) // 2


def _dumped(found: Answer) -> dict[str, Any] | str:
    """A digest as it is (by far the most), anything else with its names."""
    if found.digest is not None:
        return found.digest
    verdicts = found.verdicts
    return found._asdict() | {"verdicts": None if verdicts is None else [asdict(one) for one in verdicts]}


def _loaded(data: dict[str, Any] | str) -> Answer:
    if isinstance(data, str):
        return Answer(digest=data)
    verdicts = data.pop("verdicts")
    return Answer(
        **data,
        verdicts=None
        if verdicts is None
        else tuple(SliceVerdict(**(item | {"wrong_pages": tuple(item["wrong_pages"])})) for item in verdicts),
    )


def main() -> None:
    """Read jobs from stdin, write answers to stdout."""
    # Ctrl-C reaches the whole process group, and whoever started us may be gone: end then, without a traceback.
    for number in (signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    jobs = map(Job._make, json.load(sys.stdin.buffer))
    block = bytearray(_BLOCK)
    sys.stdout.write(json.dumps([_dumped(_answer(job, block)) for job in jobs]))
