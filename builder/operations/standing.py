"""What a `create` of a recipe and its lock would stamp, kept between runs: enough to see that all is done, or to build.

The lock is the committed one, or the one that envbuild keeps for this machine where none is. That one was made from the
recipe as it is and for a Python that was found then; which Pythons there are now is not asked again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from builder.environment.stamp import Expectations, expectations_from
from builder.operations.answers import Answers
from builder.operations.locks import kept_lock
from builder.operations.recipe_files import RecipeFiles
from builder.plan.terms import Source

if TYPE_CHECKING:
    from builder.operations.answers import Basis
    from builder.platforms import Subdir
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a recipe asks of its environment on one platform, with a lock that is up to date."""

    channels: tuple[str, ...]
    """The recipe's."""

    groups: tuple[str, ...]
    """The groups that the recipe has."""
    expectations: Expectations
    requested: tuple[str, ...]
    """The match specs that conda's records shall say were asked for."""
    warnings: tuple[str, ...]
    proof: str | None
    """What was proven of the lock, in words."""


class Standing:
    """What earlier runs found of one recipe, and what this one finds."""

    def __init__(self, workspace: Workspace, name: str, target: Subdir, *, source: Source) -> None:
        project = workspace.project
        recipes = project.recipe_files()
        self.is_committed = source is Source.CONDA_FORGE and project.committed_lock(name, recipes=recipes) is not None
        own = None if self.is_committed else kept_lock(project, name, source=source)
        self.files = RecipeFiles(workspace=workspace, name=name, recipes=recipes, own_lock=own)
        self.lock = self.files.lock if self.is_committed or own is not None else None
        self._answers = Answers(workspace)
        self._kind = f"create-{source}-{target}"

    def recall(self) -> Asked | None:
        """What is asked, where neither the recipe nor its lock nor what was planned by has changed since."""
        answer = self._answers.recall(self._kind, self.files.name, self.files.place)
        try:
            return _asked(answer) if answer is not None else None
        except (KeyError, TypeError, ValueError):
            return None

    def begin(self) -> Basis:
        """To be begun before the recipe is read."""
        return self.files.basis("proof")

    def keep(self, basis: Basis, asked: Asked) -> None:
        self._answers.keep(self._kind, self.files.name, basis, asdict(asked))
        self._answers.save()


def _asked(answer: dict[str, Any]) -> Asked:
    proof = answer["proof"]
    return Asked(
        channels=tuple(map(str, answer["channels"])),
        groups=tuple(map(str, answer["groups"])),
        expectations=expectations_from(answer["expectations"]),
        requested=tuple(map(str, answer["requested"])),
        warnings=tuple(map(str, answer["warnings"])),
        proof=None if proof is None else str(proof),
    )
