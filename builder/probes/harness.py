"""Run probes under the environment's own Python and keep what they said, however they ended."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from builder.leash import Leash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROBES: Final = Path(__file__).parent / "scripts"

#: How much of a probe's stdout and stderr is kept (its end), and of its results, in bytes.
_OUTPUT_KEPT: Final = 64 * 1024
_RESULTS_KEPT: Final = 4 * 1024 * 1024

#: Variables that no probe gets from its parent, because they change which code is loaded or how: the checks
#: judge the environment itself. What the user's own settings do to it is a check of its own (`checks/user.py`).
_KEPT_VARIABLES: Final = ("HOME", "USER", "LOGNAME", "SSL_CERT_FILE")

#: Seconds a process gets to print its Python traceback after SIGABRT, before SIGKILL.
_GRACE: Final = 2.0

#: Seconds between two looks at whether the user has cancelled.
_ATTENTION: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a probe: what it found (`facts`), or how it failed."""

    check: str
    subject: str
    how: Literal["done", "raised", "exited", "unfinished"]
    facts: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    """The Python traceback, for `raised` and `exited`."""
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Script:
    """A probe `PROBE.py` of `folder` and what it is given."""

    probe: str
    arguments: Mapping[str, Any]
    folder: Path = PROBES

    @property
    def words(self) -> tuple[str, str]:
        """What names it on a command line."""
        return str(self.folder / f"{self.probe}.py"), json.dumps(dict(self.arguments))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one process ended and what its probe, or several, reported until then."""

    probe: str
    steps: tuple[Step, ...]
    finished: bool
    """The probe reached its end and said so."""
    returncode: int
    """As `subprocess` gives it: negative for death by signal."""
    timed_out: bool
    limit: float
    seconds: float
    peak_mib: float
    stdout: str
    stderr: str
    exit_stack: str = ""
    """The Python stack at a call of `os._exit`, if that is how it ended."""
    loading: str = ""
    """The compiled module that was loaded last."""
    begun: int = 1
    """How many of the probes were begun."""

    @property
    def unfinished(self) -> Step | None:
        """The step during which the process ended, if it did not end after the last one."""
        return next((step for step in self.steps if step.how == "unfinished"), None)


def clean_environment(environ: Mapping[str, str], *, prefix: Path, scratch: Path) -> dict[str, str]:
    """The environment variables of a probe: those of a login shell with the environment activated, nothing more.

    Caches that libraries create on first use go to `scratch`; `KERAS_HOME` too, so that the user's `keras.json`
    is judged by its own check and not by every other one.
    """
    kept = {name: environ[name] for name in _KEPT_VARIABLES if name in environ}
    return kept | {
        "PATH": os.pathsep.join((str(prefix / "bin"), "/usr/bin", "/bin", "/usr/sbin", "/sbin")),
        "LANG": "C.UTF-8",
        "TMPDIR": str(scratch),
        "KERAS_HOME": str(scratch / "keras"),
        "MPLBACKEND": "Agg",
        "TF_CPP_MIN_LOG_LEVEL": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
    }


def run(
    python: Path,
    probe: str,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    limit: float,
    arguments: Mapping[str, Any] | None = None,
    flags: Sequence[str] = ("-I",),
    folder: Path = PROBES,
    then: Sequence[Script] = (),
    cancelled: threading.Event | None = None,
) -> Outcome:
    """Run the probe `PROBE.py` of `folder` and wait for it, for `limit` seconds at most, or until `cancelled`.

    The probes of `then` follow in the same process while no step has failed, each with as many seconds.

    Raises OSError when the interpreter cannot be started at all (wrong architecture, not executable).
    """
    token = secrets.token_hex(8) + " "
    reading, writing = os.pipe()
    begun = time.monotonic()
    command = [str(python), *flags, "-X", "faulthandler", str(PROBES / "run.py"), str(writing), token]
    for script in (Script(probe=probe, arguments=arguments or {}, folder=folder), *then):
        command += script.words
    leash = contextlib.ExitStack()
    try:
        group = leash.enter_context(Leash())
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environ),
            cwd=cwd,
            pass_fds=(writing,),
            process_group=group.group,
        )
    except BaseException:
        leash.close()
        os.close(reading)
        raise
    finally:
        os.close(writing)
    assert process.stdout is not None and process.stderr is not None  # noqa: PT018 - both are pipes
    results = _Reader(reading, keep=_RESULTS_KEPT)
    output, messages = (
        _Reader(os.dup(stream.fileno()), keep=_OUTPUT_KEPT) for stream in (process.stdout, process.stderr)
    )
    process.stdout.close()
    process.stderr.close()
    waiter = _Waiter(process)
    try:
        ended = _wait_for_each(
            lambda: waiter.wait(limit, cancelled), begun=lambda: _parse(results.so_far(), token).begun
        )
        timed_out = not ended and not (cancelled is not None and cancelled.is_set())
        if timed_out:
            group.send(signal.SIGABRT)  # faulthandler then prints where it hangs
            waiter.wait(_GRACE)
    finally:
        leash.close()  # kills also whatever it left running behind itself
        waiter.wait(_GRACE)
    marks = _parse(results.text(), token)
    return Outcome(
        probe=probe,
        steps=tuple(marks.steps.values()),
        finished=marks.finished,
        returncode=waiter.returncode,
        timed_out=timed_out,
        limit=limit,
        seconds=time.monotonic() - begun,
        peak_mib=waiter.peak_mib,
        stdout=output.text(),
        stderr=messages.text(),
        exit_stack=marks.exit_stack,
        loading=marks.loading,
        begun=marks.begun,
    )


def _wait_for_each(wait: Callable[[], bool], *, begun: Callable[[], int]) -> bool:
    """Wait as long for each probe as for the first: again while more of them have begun since. Whether all ended."""
    seen = 1
    while not wait():
        if (now := begun()) <= seen:
            return False
        seen = now
    return True


class _Reader:
    """Reads a descriptor to its end in a thread, keeping only the last bytes."""

    def __init__(self, descriptor: int, *, keep: int) -> None:
        self._chunks: deque[bytes] = deque()
        self._descriptor = descriptor
        self._keep = keep
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        size = 0
        with contextlib.suppress(OSError), os.fdopen(self._descriptor, "rb", buffering=0) as stream:
            while chunk := stream.read(16 * 1024):
                self._chunks.append(chunk)
                size += len(chunk)
                while size - len(self._chunks[0]) > self._keep:
                    size -= len(self._chunks.popleft())

    def text(self) -> str:
        """What was read; a descendant that escaped its process group cannot keep us waiting."""
        self._thread.join(_GRACE)
        return self.so_far()

    def so_far(self) -> str:
        return b"".join(tuple(self._chunks)).decode("utf-8", "replace")


class _Waiter:
    """Waits for a process with `wait4`, which also tells its peak memory."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.returncode = 0
        self.peak_mib = 0.0
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        _, status, usage = os.wait4(self._process.pid, 0)
        self.returncode = self._process.returncode = os.waitstatus_to_exitcode(status)
        # getrusage(2): kilobytes on Linux, bytes on macOS.
        self.peak_mib = usage.ru_maxrss / (1024 * 1024 if os.uname().sysname == "Darwin" else 1024)

    def wait(self, seconds: float, cancelled: threading.Event | None = None) -> bool:
        """Whether the process ended within `seconds` and before `cancelled`."""
        deadline = time.monotonic() + seconds
        while self._thread.is_alive() and (left := deadline - time.monotonic()) > 0:
            if cancelled is not None and cancelled.is_set():
                break
            self._thread.join(left if cancelled is None else min(left, _ATTENTION))
        return not self._thread.is_alive()


@dataclass
class _Marks:
    """What a probe's marks add up to. Steps are in the order in which they began."""

    steps: dict[tuple[str, str], Step] = field(default_factory=dict)
    finished: bool = False
    exit_stack: str = ""
    loading: str = ""
    begun: int = 1


def _parse(text: str, token: str) -> _Marks:
    marks = _Marks()
    for line in text.splitlines():
        if not line.startswith(token):
            continue
        try:
            mark = json.loads(line.removeprefix(token))
        except ValueError:
            continue  # cut short by the process's death
        if "begin" in mark:
            place = mark["begin"]
            marks.steps[place["check"], place["subject"]] = Step(**place, how="unfinished")
        elif "end" in mark:
            place = mark["end"]
            marks.steps[place["check"], place["subject"]] = Step(
                **place,
                how=mark["how"],
                facts=mark["facts"],
                error=mark.get("error", ""),
                message=mark.get("message", ""),
                seconds=mark["seconds"],
            )
        elif "probe" in mark:
            marks.begun = mark["probe"] + 1
        elif "done" in mark:
            marks.finished = True
        else:
            marks.exit_stack = mark.get("exit", marks.exit_stack)
            marks.loading = mark.get("loading", marks.loading)
    return marks
