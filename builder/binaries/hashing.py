"""Hashing many files while the caller does something else: whole files, and the signed pages of Mach-O slices.

Runs in child processes: a page is 4 KB, and threads would hand the interpreter's lock back and forth for each. A job
list goes in as one JSON document, the answers come out as one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from builder.binaries.macho.signature import SliceVerdict, verify_signature
from builder.errors import BinaryError
from builder.files import open_regular
from builder.leash import Leash

_BLOCK: Final = 1 << 20
#: Below this, starting a process costs more than it saves.
_WORTH_A_PROCESS: Final = 100 << 20
_MOST_WORKERS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Job:
    """`digest`: SHA-256 of the file at `path`. `pages`: whether its code signatures are right."""

    kind: Literal["digest", "pages"]
    path: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`digest` (hex) or `verdicts`, or the `error` that prevented it (`missing` where there is no such file)."""

    digest: str | None = None
    verdicts: tuple[SliceVerdict, ...] | None = None
    error: str | None = None
    missing: bool = False


def answer(job: Job) -> Answer:
    """Do one job. Never raises for what a file holds or lacks."""
    try:
        if job.kind == "pages":
            return Answer(verdicts=verify_signature(Path(job.path)))
        return Answer(digest=_digest(job.path))
    except FileNotFoundError:
        return Answer(error="no such file", missing=True)
    except OSError as error:
        return Answer(error=error.strerror or type(error).__name__)
    except BinaryError as error:
        return Answer(error=error.plain)


def _digest(path: str) -> str:
    digest = hashlib.sha256(usedforsecurity=False)
    # A link to a device, as /dev/zero, would never end.
    with open_regular(Path(path)) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


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
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        count = min(cpus, _MOST_WORKERS) if workers is None else workers
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
                child.stdin.write(json.dumps([_packed(self._jobs[index]) for index in share]).encode())

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
        return {
            (job.kind, job.path): done[index] if index in done else answer(job) for index, job in enumerate(self._jobs)
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


def _packed(job: Job) -> tuple[str, str, int]:
    return job.kind, job.path, job.size


def _dumped(found: Answer) -> dict[str, Any] | str:
    """A digest as it is (by far the most), anything else with its names."""
    return found.digest if found.digest is not None else asdict(found)


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
    jobs = [Job(kind=kind, path=path, size=size) for kind, path, size in json.load(sys.stdin.buffer)]
    sys.stdout.write(json.dumps([_dumped(answer(job)) for job in jobs]))
