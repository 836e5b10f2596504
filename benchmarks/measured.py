"""Whole processes measured side by side: CPU time (user and system, children too), wall time, and peak memory.

The commands take turns, A B A B …, so that a machine that gets slower slows all of them; the medians are compared, and
ratios are against the first one. CPU time says more than wall time where others use the machine too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_MEGABYTE = 1024 if sys.platform == "linux" else 1024**2


@dataclass(frozen=True, kw_only=True)
class Command:
    """A process to measure; `before` is run, unmeasured, ahead of each time."""

    arguments: Sequence[str]
    text: str | None = None
    cwd: Path | None = None
    environ: Mapping[str, str] | None = None
    before: Callable[[], object] | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. Memory is that of its largest process, in MB."""

    cpu: float
    wall: float
    memory: float


def _environ(command: Command) -> dict[str, str]:
    """With byte code, as an installation has it, whatever the machine that measures keeps from writing it."""
    given = os.environ if command.environ is None else command.environ
    return {name: value for name, value in given.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Command) -> Run:
    """Raises CalledProcessError, with what was said, where the process does not end well."""
    if command.before is not None:
        command.before()
    begun = time.perf_counter()
    with subprocess.Popen(
        command.arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=command.cwd,
        env=_environ(command),
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write((command.text or "").encode())
        process.stdin.close()
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command.arguments, stderr=said.decode())
    wall = time.perf_counter() - begun
    return Run(cpu=used.ru_utime + used.ru_stime, wall=wall, memory=used.ru_maxrss / _MEGABYTE)


def compare(commands: Mapping[str, Command], *, runs: int) -> dict[str, Run]:
    """The medians of each command over so many turns, after one turn that does not count; printed as a table."""
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            done = run(command)
            if turn:
                found[name].append(done)
    medians = {
        name: Run(
            cpu=statistics.median(one.cpu for one in those),
            wall=statistics.median(one.wall for one in those),
            memory=statistics.median(one.memory for one in those),
        )
        for name, those in found.items()
    }
    first = next(iter(medians.values()))
    width = max(map(len, medians))
    print(f"{'':{width}} {'CPU s':>8} {'ratio':>7} {'wall s':>8} {'ratio':>7} {'MB':>7} {'more':>7}")
    for name, one in medians.items():
        print(
            f"{name:{width}} {one.cpu:8.3f} {one.cpu / first.cpu:7.2f} {one.wall:8.3f} {one.wall / first.wall:7.2f}"
            f" {one.memory:7.0f} {one.memory - first.memory:+7.0f}"
        )
    return medians
