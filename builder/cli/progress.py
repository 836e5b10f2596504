"""Drawing progress: one live display on a terminal, one line a finished step elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from builder.cli.terminal import harmless, is_unicode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType
    from rich.live import Live
    from rich.text import Text

    from builder.cli.session import Session

#: Off a terminal, what is being done is said again after so many seconds in which nothing was.
_HEARTBEAT: Final = 15.0
_BAR: Final = 20


@dataclass
class _Task:
    """One thing that goes on. `completed` and `total` are None where the end is not known."""

    description: str
    completed: float | None = None
    total: float | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun


class SessionProgress:
    """The progress of one run of a verb.

    On a terminal, what goes on is drawn below what was said, and is gone when it ends: a finished step leaves one line,
    above. Off a terminal it says when a step is done, with --verbose when it begins, and now and then what takes so
    long. With --quiet nothing but warnings. With --json the same, since it goes to stderr.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tasks: dict[str, _Task] = {}
        self._latest = ""
        self._ending: _Task | None = None
        self._live: Live | None = None
        self._lent = 0
        self._waiting: list[Callable[[], None]] = []
        self._said: set[str] = set()
        self._pulse: _Pulse | None = None
        self._lock = threading.RLock()

    def update(
        self, task: str, description: str, *, completed: float | None = None, total: float | None = None
    ) -> None:
        with self._lock:
            known = self._tasks.get(task)
            if known is None:
                known = self._tasks[task] = _Task(description)
                if not self._session.live:
                    self._session.detail(description)
            known.description, known.completed, known.total = description, completed, total
            self._latest = task
            if not self._session.quiet:
                self._show()

    def done(self, task: str, description: str) -> None:
        with self._lock:
            ended = self._tasks.pop(task, None)
            if self._session.quiet or description in self._said:  # the same step, tried again with other versions
                return
            self._said.add(description)
            took = f" ({_clock(ended.seconds)})" if ended is not None and ended.seconds >= 1 else ""
            if self._session.live:
                if self._live is not None:
                    self._live.refresh()  # or what has ended would be drawn once more, below the line that says so
                self.say(lambda: self._session.err.print(self._finished(description, took), crop=False))
            else:
                self._session.note(description + took)

    @property
    def is_drawn(self) -> bool:
        """Whether there is a live display at this moment."""
        return self._live is not None

    @property
    def doing(self) -> str | None:
        """What is going on; of several things, what was heard of last."""
        task = self._tasks.get(self._latest) or next(reversed(self._tasks.values()), None)
        return task.description if task is not None else None

    def interrupt(self) -> None:
        """Draw from now on that all is ending. For signal handlers: it waits for nobody."""
        self._ending = self._ending or _Task("interrupted: ending what is running")

    def note(self, message: str) -> None:
        self._session.note(message)

    def warn(self, message: str) -> None:
        self._session.warn(message)

    def say(self, speak: Callable[[], None]) -> None:
        """Have something printed above the display; while another program draws, when it has ended."""
        with self._lock:
            if self._pulse is not None:
                self._pulse.beat()
            if self._lent:
                self._waiting.append(speak)
                return
            speak()

    @contextmanager
    def handed_over(self) -> Iterator[bool]:
        if self._session.quiet or not self._session.live:
            yield False
            return
        with self._lock:
            self._lent += 1
            self._stop()
        try:
            yield True
        finally:
            with self._lock:
                self._lent -= 1
                if not self._lent:
                    waiting, self._waiting = self._waiting, []
                    for speak in waiting:
                        speak()
                    self._start()

    @property
    def in_colour(self) -> bool:
        return self._session.color is not False

    def close(self) -> None:
        """Leave the terminal to whatever is printed next."""
        with self._lock:
            if self._pulse is not None:
                self._pulse.stop()
                self._pulse = None
            self._stop()
            self._tasks.clear()

    def _show(self) -> None:
        if self._session.live:
            self._start()
        elif self._pulse is None:
            self._pulse = _Pulse(self._beat)

    def _start(self) -> None:
        """Draw what goes on, from now on. A display that was stopped would begin where it was: so it is a new one."""
        if self._live is not None or self._lent or not self._tasks:
            return
        from rich.live import Live

        self._live = Live(
            console=self._session.err,
            get_renderable=self._drawn,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _beat(self) -> None:
        with self._lock:
            if self._tasks:
                task = next(reversed(self._tasks.values()))
                self._session.note(f"… {task.description} ({_clock(task.seconds)})")

    # -- how it looks ----------------------------------------------------------------------------------------------

    def _drawn(self) -> RenderableType:
        from rich.console import Group

        return Group(*map(self._running, [self._ending] if self._ending else list(self._tasks.values())))

    def _running(self, task: _Task) -> Text:
        """One line, whatever the width: what is too long of the description is left out."""
        from rich.text import Text

        spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏" if is_unicode(sys.stderr) else "|/-\\"
        line = Text(f"{spinner[int(task.seconds * 8) % len(spinner)]} ", style="green")
        clock = f" {_clock(task.seconds)}"
        room = self._session.err.width - 2 - len(clock) - 1
        description = Text(harmless(task.description).replace("\n", " "))
        # What is done says more than a bar of it.
        fits = description.cell_len + 1 + _BAR <= room
        bar = self._bar(task) if task.total and fits else Text()
        description.truncate(room - bar.cell_len, overflow="ellipsis")
        return Text.assemble(line, description, bar, (clock, "yellow"), no_wrap=True)

    def _bar(self, task: _Task) -> Text:
        from rich.text import Text

        full = round(_BAR * min(1.0, (task.completed or 0) / (task.total or 1)))
        return Text.assemble(" ", ("━" * full, "green"), ("─" * (_BAR - full), "dim"))

    def _finished(self, description: str, took: str) -> RenderableType:
        from rich.text import Text

        from builder.hanging import Hanging

        return Hanging(Text.assemble(("✓ ", "green"), harmless(description), (took, "dim")), rest=2)


def _clock(seconds: float) -> str:
    """`7 s`, `2:05`."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds) // 60}:{int(seconds) % 60:02}"


class _Pulse:
    """Calls `speak` whenever nothing was said for a while, from a thread that ends with the program."""

    def __init__(self, speak: Callable[[], None]) -> None:
        self._speak = speak
        self._heard = time.monotonic()
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def beat(self) -> None:
        self._heard = time.monotonic()

    def stop(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(max(0.05, self._heard + _HEARTBEAT - time.monotonic())):
            if time.monotonic() - self._heard >= _HEARTBEAT:
                self._speak()
                self.beat()
