"""The probes of one environment: run once, when the first check asks, and kept with what each of them said."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks.causes import STARTUP
from builder.probes import harness
from builder.probes.harness import Script
from builder.probes.schedule import Task, tasks, user_imports
from builder.scratch import scratch as scratch_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from builder.probes.harness import Outcome, Step
    from builder.probes.schedule import Request

#: Probes that run at once: each keeps about one core busy while it imports, and a whole TensorFlow in memory. More
#: than three do not import one.
_AT_ONCE: Final = 3

#: Variables that every shell has and that no library fails by.
_INNOCENT: Final = frozenset(
    ("HOME", "PATH", "USER", "LOGNAME", "SHELL", "TERM", "PWD", "OLDPWD", "SHLVL", "LANG", "TMPDIR", "_", "DISPLAY")
)

#: So many variables are searched for, of those that each make something fail.
_MOST_CULPRITS: Final = 4

#: Seconds for the interpreter alone to start and to say who it is.
_TO_START: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One probe. Without an outcome it was not run: `why_not` says why."""

    task: Task
    outcome: Outcome | None = None
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class UserImports:
    """Imports with the user's own variables, as they are. `culprits`: variables without which what failed succeeds."""

    outcome: Outcome
    culprits: tuple[str, ...] = ()

    @property
    def failed(self) -> Step | None:
        return next((step for step in self.outcome.steps if step.how != "done"), None)


@dataclass(frozen=True, kw_only=True)
class Results:
    """What all probes said. `interpreter` is the isolated run, or why the program could not be started at all."""

    interpreter: Outcome | OSError
    as_user: Outcome | None = None
    """The same run with the user's own variables and working directory; None where the isolated one did not work."""
    probes: tuple[Ran, ...] = ()
    user_imports: UserImports | None = None
    stoppers: tuple[str, ...] = ()
    """The user's variables that keep Python from starting, where one does."""
    is_foreign: bool = False
    """Whether it takes itself to be in another prefix than the environment's."""

    @property
    def doubts(self) -> frozenset[str]:
        """What is amiss with every process, and may be the cause of whatever fails in one: code that sets variables or
        replaces modules at start-up, or a Python that belongs elsewhere.
        """
        facts = self.alive.facts if self.alive is not None else {}
        altered = {STARTUP} if facts.get("changed") or facts.get("replaced") else set()
        return frozenset(altered | ({"python"} if self.is_foreign else set()))

    @property
    def alive(self) -> Step | None:
        """What the isolated interpreter said of itself, if it works."""
        if isinstance(self.interpreter, OSError):
            return None
        return next((step for step in self.interpreter.steps if step.how == "done"), None)


@dataclass(kw_only=True)
class Runs:
    """The probes of the environment at `prefix`, with `python` as its interpreter.

    `environ` and `cwd` are the user's; only one run gets them, the others are isolated from both. `names` are the
    top-level modules to locate.
    """

    python: Path
    prefix: Path
    environ: Mapping[str, str]
    cwd: Path
    names: tuple[str, ...]
    request: Request
    tell: Callable[[str], None] = lambda _doing: None
    """Told what is begun; from several threads."""
    _hung: set[str] = field(default_factory=set)
    _cancelled: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def planned(self) -> tuple[Task, ...]:
        return tuple(tasks(self.request))

    @property
    def count(self) -> int:
        """How many processes are run, at most."""
        return len(self.planned) + 1 + (user_imports(self.request) is not None)

    @cached_property
    def results(self) -> Results:
        """Run everything, which takes from seconds to minutes. Ctrl-C ends what runs and begins nothing more."""
        with scratch_folder("envbuild-verify-") as scratch:
            environ = harness.clean_environment(self.environ, prefix=self.prefix, scratch=scratch)
            self.tell("starting the interpreter (process.interpreter)")
            first = self._first(environ, scratch)
            if first.alive is None:
                why = "the interpreter does not work"
                return Results(
                    interpreter=first.interpreter, probes=tuple(Ran(task=task, why_not=why) for task in self.planned)
                )
            as_user = self._as_user(scratch, self.environ)
            # Where Python does not come as far as to say who it is, it is not waited for once more.
            users = user_imports(self.request) if as_user.steps else None
            probes, with_own_settings = self._all(environ, scratch, users)
            return Results(
                interpreter=first.interpreter,
                as_user=as_user,
                is_foreign=Path(first.alive.facts["prefix"]).resolve() != self.prefix.resolve(),
                stoppers=() if as_user.steps or as_user.timed_out else self._stoppers(scratch),
                probes=probes,
                user_imports=with_own_settings,
            )

    def _first(self, environ: Mapping[str, str], scratch: Path) -> Results:
        arguments = {"check": "process.interpreter", "names": list(self.names), "given": _digests(environ)}
        limit = self.request.limit or _TO_START
        try:
            outcome = harness.run(
                self.python, "process", environ=environ, cwd=scratch, limit=limit, arguments=arguments
            )
        except OSError as error:
            return Results(interpreter=error)
        return Results(interpreter=outcome)

    def _stoppers(self, scratch: Path) -> tuple[str, ...]:
        """The variables without which Python starts for the user; nothing where it does not start even so."""
        return _culprits(self.environ, fails=lambda some: not self._as_user(scratch, some).steps)

    def _as_user(self, scratch: Path, environ: Mapping[str, str]) -> Outcome:
        arguments = {
            "check": "process.user-site",
            "names": list(self.names),
            "as_user": True,
            "cwd": str(self.cwd),
            "given": _digests(environ),
        }
        return harness.run(
            self.python,
            "process",
            environ=dict(environ),
            cwd=self.cwd if self.cwd.is_dir() else scratch,
            limit=self.request.limit or _TO_START,
            arguments=arguments,
            flags=(),
        )

    def _user_imports(self, task: Task, scratch: Path) -> UserImports | None:
        """Import the main modules with the user's variables, and where that fails find out which one it is."""
        if self._hung & set(task.modules):
            return None
        self.tell(task.told)

        def run(environ: Mapping[str, str]) -> UserImports:
            return UserImports(
                outcome=harness.run(
                    self.python,
                    task.probe,
                    # Keras writes its settings at its first import: not into the user's home because of us.
                    environ={"KERAS_HOME": str(scratch / "settings")} | dict(environ),
                    cwd=scratch,
                    limit=task.limit,
                    arguments=task.arguments,
                    flags=(),
                    cancelled=self._cancelled,
                )
            )

        found = run(self.environ)
        if found.failed is None or found.outcome.timed_out:
            return found
        return replace(found, culprits=_culprits(self.environ, fails=lambda some: run(some).failed is not None))

    def _all(
        self, environ: Mapping[str, str], scratch: Path, users: Task | None
    ) -> tuple[tuple[Ran, ...], UserImports | None]:
        """Every probe, and beside them the imports of `users`: after those of the same modules, which may hang."""
        main = set(users.modules) if users is not None else set()
        beside = [task for task in self.planned if not task.exclusive]
        first = [task for task in beside if main & set(task.modules)]
        rest = [task for task in beside if task not in first]

        def run(task: Task) -> list[Ran]:
            return self._run(task, environ, scratch)

        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, os.cpu_count() or 1)) as pool:
            try:
                begun = [pool.submit(run, task) for task in first]
                own = pool.submit(self._user_imports, users, scratch) if users is not None else None
                begun += [pool.submit(run, task) for task in rest]
                found = [ran for one in begun for ran in one.result()]
                with_own_settings = own.result() if own is not None else None
            except BaseException:  # Ctrl-C above all: the probes that run are ended, the others not begun
                self._cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        found += [ran for task in self.planned if task.exclusive for ran in run(task)]
        return tuple(found), with_own_settings

    def _run(self, task: Task, environ: Mapping[str, str], scratch: Path, *, told: bool = False) -> list[Ran]:
        """Run a task with those that follow it in its process, and each that is not reached there by itself."""
        if hung := self._hung & set(task.modules):
            ran, begun = Ran(task=task.joined(1), why_not=f"{', '.join(sorted(hung))} hangs at import"), 1
        else:
            if not told:
                self.tell(task.told)
            outcome = self._ended(task, environ, scratch)
            ran, begun = Ran(task=task.joined(outcome.begun), outcome=outcome), outcome.begun
        left = () if self._cancelled.is_set() else task.then[begun - 1 :]
        return [ran, *(one for other in left for one in self._run(other, environ, scratch, told=True))]

    def _ended(self, task: Task, environ: Mapping[str, str], scratch: Path) -> Outcome:
        first, *others = (_script(one, scratch) for one in (task, *task.then))
        outcome = harness.run(
            self.python,
            first.probe,
            environ=environ,
            cwd=scratch,
            limit=task.limit,
            arguments=first.arguments,
            folder=first.folder,
            then=others,
            cancelled=self._cancelled,
        )
        if outcome.timed_out and (step := outcome.unfinished) is not None and step.check.startswith("import."):
            self._hung |= {step.subject, *_waiting_in(outcome.stderr)}
        return outcome


def _culprits(environ: Mapping[str, str], *, fails: Callable[[Mapping[str, str]], bool]) -> tuple[str, ...]:
    """The variables by each of which something fails, found by halves one after the other; nothing where none alone
    does it, or all are innocent.
    """
    suspects = [name for name in environ if name not in _INNOCENT]
    innocent = {name: value for name, value in environ.items() if name not in suspects}
    if not suspects or fails(innocent):
        return ()
    found: list[str] = []
    while len(found) < _MOST_CULPRITS and (one := _one_culprit(suspects, environ, innocent, fails)) is not None:
        found.append(one)
        suspects.remove(one)
        if not fails(innocent | {name: environ[name] for name in suspects}):
            break
    return tuple(found)


def _one_culprit(
    suspects: Sequence[str],
    environ: Mapping[str, str],
    innocent: Mapping[str, str],
    fails: Callable[[Mapping[str, str]], bool],
) -> str | None:
    left = list(suspects)
    while len(left) > 1:
        half = left[: len(left) // 2]
        left = half if fails({**innocent, **{name: environ[name] for name in half}}) else left[len(half) :]
    return left[0] if left and fails({**innocent, left[0]: environ[left[0]]}) else None


def _waiting_in(stderr: str) -> set[str]:
    """The import package whose code waits, by the traceback that faulthandler prints, innermost frame first."""
    frame = re.search(r'^  File "[^"]*/(?:site|dist)-packages/(\w+)[/."]', stderr, re.MULTILINE)
    return {frame[1]} if frame is not None else set()


def _digests(environ: Mapping[str, str]) -> dict[str, str]:
    """The values' SHA-256: what is set at start-up is found by it, and no value of the user's is handed about."""
    return {name: hashlib.sha256(os.fsencode(value)).hexdigest() for name, value in environ.items()}


def _script(task: Task, scratch: Path) -> Script:
    """What the harness runs for a task, with a folder of its own."""
    folder = tempfile.mkdtemp(prefix=f"{task.probe}-", dir=scratch)
    return Script(
        probe=task.probe, arguments=task.arguments | {"scratch": folder}, folder=task.folder or harness.PROBES
    )
