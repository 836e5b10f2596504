"""Drawing progress: live bars on a terminal, one line a finished step elsewhere."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from builder.cli.terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from builder.cli.session import Session


class SessionProgress:
    """The progress of one run of a verb. Bars appear with the first task and stay until `close`.

    Off a terminal it says when a step is done, and with --verbose when it begins; with --quiet or --json nothing but
    notes and warnings, as the session has them.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._silent = session.quiet or session.json
        self._bars: Bars | None = None
        self._rows: dict[str, TaskID] = {}
        self._begun: set[str] = set()
        self._lent = False
        self._lock = threading.RLock()

    def update(
        self, task: str, description: str, *, completed: float | None = None, total: float | None = None
    ) -> None:
        if self._silent:
            return
        with self._lock:
            if self._session.live:
                self._draw(task, description, completed=completed, total=total)
            elif task not in self._begun:
                self._begun.add(task)
                self._session.detail(description)

    def done(self, task: str, description: str) -> None:
        if self._silent:
            return
        with self._lock:
            if self._session.live:
                self._draw(task, description, completed=1, total=1)
            else:
                self._begun.add(task)
                self._session.note(description)

    def note(self, message: str) -> None:
        with self._lock:
            self._session.note(message)

    def warn(self, message: str) -> None:
        with self._lock:
            self._session.warn(message)

    @contextmanager
    def handed_over(self) -> Iterator[bool]:
        if self._silent or not self._session.live:
            yield False
            return
        with self._lock:
            self._lent = True
            if self._bars is not None:
                self._bars.stop()
        try:
            yield True
        finally:
            with self._lock:
                self._lent = False
                if self._bars is not None:
                    self._bars.start()

    def close(self) -> None:
        """Leave the terminal to whatever is printed next."""
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
                self._bars = None
                self._rows.clear()

    def _draw(self, task: str, description: str, *, completed: float | None, total: float | None) -> None:
        description = harmless(description)
        if self._bars is None:
            self._bars = self._new_bars()
            if not self._lent:
                self._bars.start()
        if task not in self._rows:
            self._rows[task] = self._bars.add_task(description, total=total)
        self._bars.update(self._rows[task], description=description, completed=completed, total=total)

    def _new_bars(self) -> Bars:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        return Progress(
            SpinnerColumn(finished_text="[green]✓[/green]"),
            # Descriptions name packages and files: what looks like rich's markup in them is none.
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=self._session.err,
            transient=False,
        )
