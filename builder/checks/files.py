"""What each recorded file of an environment is now: hashed by other processes while binaries are read here."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from builder.binaries.hashing import Answer, Hasher, Job
from builder.environment.intact import lost_permission, recorded_links
from builder.environment.ownership import GENERATED

if TYPE_CHECKING:
    from builder.checks.survey import Survey
    from builder.environment.environment import Environment


class Files:
    """Hashes of the files of `environment`, and of the signed pages of its binaries.

    `begin` starts the work, which the first question waits for; `end` stops what still runs.
    """

    def __init__(self, environment: Environment, *, survey: Survey) -> None:
        self._environment = environment
        self._survey = survey
        self._forbidden: dict[str, str] = {}
        """Path → what is amiss with the file beside its content."""

    @cached_property
    def _hasher(self) -> Hasher:
        return Hasher([*self._page_jobs(), *self._digest_jobs()])

    def begin(self) -> None:
        _ = self._hasher

    def end(self) -> None:
        if "_hasher" in self.__dict__:
            self._hasher.__exit__()

    @cached_property
    def _answers(self) -> dict[tuple[str, str], Answer]:
        return self._hasher.answers()

    def digest(self, rel: str) -> Answer | None:
        """What hashing the recorded file `rel` gave; None where nothing recorded a hash of it."""
        path = f"{self._environment.path}/{rel}"
        told = self._answers.get(("digest", path))
        return Answer(error=self._forbidden[path]) if path in self._forbidden else told

    def pages(self, path: str) -> Answer | None:
        """Whether the code signatures of the binary at `path` are valid; None where none is needed."""
        return self._answers.get(("pages", path))

    def _page_jobs(self) -> list[Job]:
        """The binaries whose signatures matter: those with an arm64 slice, for a Mac with Apple silicon."""
        survey = self._survey
        if not survey.is_mac or survey.arch != "arm64":
            return []
        return [
            Job(kind="pages", path=binary.path, size=binary.size)
            for binary in survey.inventory.binaries
            if binary.serves
        ]

    def _digest_jobs(self) -> list[Job]:
        found = []
        links = recorded_links(self._environment)
        # Of uv's own environments the files may be links into its cache; ours have none but those of conda packages.
        ours = self._environment.stamp is not None
        for rel, claims in self._environment.owners.files.items():
            if any(claim.sha256 is not None for claim in claims) and not GENERATED.search(rel):
                path = f"{self._environment.path}/{rel}"
                try:
                    status = os.stat(path)  # noqa: PTH116 - tens of thousands of files
                    size = status.st_size
                    if ours and rel not in links and os.path.islink(path):  # noqa: PTH114 - the same
                        self._forbidden[path] = f"it is a link now, to {os.path.realpath(path)}"
                    elif (lost := lost_permission(rel, status.st_mode, claims)) is not None:
                        self._forbidden[path] = lost
                except OSError:
                    size = 0
                found.append(Job(kind="digest", path=path, size=size))
        return found
