"""Drawing progress: live bars on a terminal, one line a finished step elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from builder.cli.session import Session
    from builder.progress import Progress


class _Lines:
    """For pipes and CI: says when a step begins to take long and when it is done, without moving anything."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begun: set[str] = set()

    def update(
        self,
        task: str,
        description: str,
        *,
        completed: float | None = None,
        total: float | None = None,
    ) -> None:
        if task not in self._begun:
            self._begun.add(task)
            self._session.detail(description)

    def done(self, task: str, description: str) -> None:
        self._begun.add(task)
        self._session.note(description)

    def handed_over(self) -> AbstractContextManager[bool]:
        return nullcontext(False)


class _Live:
    """Bars and spinners by rich, one row a task."""

    def __init__(self, progress: RichProgress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def update(
        self, task: str, description: str, *, completed: float | None = None, total: float | None = None
    ) -> None:
        if task not in self._tasks:
            self._tasks[task] = self._progress.add_task(description, total=total)
        self._progress.update(self._tasks[task], description=description, completed=completed, total=total)

    def done(self, task: str, description: str) -> None:
        self.update(task, f"[green]✓[/green] {description}", completed=1, total=1)

    @contextmanager
    def handed_over(self) -> Iterator[bool]:
        self._progress.stop()
        try:
            yield True
        finally:
            self._progress.start()


@contextmanager
def reporter(session: Session) -> Iterator[Progress]:
    """The progress of one long step: live on a terminal, lines elsewhere, nothing with `--quiet` or `--json`."""
    if session.quiet or session.json:
        yield NoProgress()
        return
    if not session.live:
        yield _Lines(session)
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(finished_text=" "),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=session.err, transient=False) as drawn:
        yield _Live(drawn)
