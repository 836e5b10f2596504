"""How long work reports what it is doing. The CLI draws it; everyone else may ignore it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Progress(Protocol):
    """Receives named tasks, and what is to be said meanwhile. May be called from several threads.

    A task is begun by its first `update` and ended by `done`. `completed` and `total` are in any unit, as long as
    it is the same one for a task; `total` None means that the end is not known.
    """

    def update(
        self, task: str, description: str, *, completed: float | None = None, total: float | None = None
    ) -> None: ...

    def done(self, task: str, description: str) -> None: ...

    def handed_over(self) -> AbstractContextManager[bool]:
        """While inside, nothing is drawn here; True when another program may draw on the terminal meanwhile."""
        ...

    @property
    def in_colour(self) -> bool:
        """Whether what another program draws meanwhile may be coloured."""
        ...

    def note(self, message: str) -> None:
        """Something worth knowing now that is no result, such as what is being waited for."""
        ...

    def warn(self, message: str) -> None:
        """Something the user should know although the work goes on. Never dropped by a user interface."""
        ...


class NoProgress:
    """Draws nothing and says nothing."""

    def update(
        self, task: str, description: str, *, completed: float | None = None, total: float | None = None
    ) -> None:
        """Nothing is drawn."""

    def done(self, task: str, description: str) -> None:
        """Nothing is drawn."""

    def handed_over(self) -> AbstractContextManager[bool]:
        return nullcontext(False)

    @property
    def in_colour(self) -> bool:
        return False

    def note(self, message: str) -> None:
        """Nothing is said."""

    def warn(self, message: str) -> None:
        """Nothing is said; results carry their warnings as well."""
