"""What an operation warns of: said at once to whoever watches, and kept for its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builder.progress import Progress


class Warnings:
    """Collects the warnings of one run of an operation, each once."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._given: dict[str, None] = {}

    def __call__(self, *messages: str) -> None:
        for message in messages:
            if message not in self._given:
                self._given[message] = None
                self._progress.warn(message)

    @property
    def given(self) -> tuple[str, ...]:
        return tuple(self._given)
