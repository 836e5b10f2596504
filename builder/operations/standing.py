"""What a `create` of a recipe and its committed lock would stamp, kept between runs: enough to see that all is done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from builder.environment.stamp import Expectations, expectations_from
from builder.operations.answers import Answers
from builder.operations.recipe_files import RecipeFiles

if TYPE_CHECKING:
    from pathlib import Path

    from builder.operations.answers import Basis
    from builder.platforms import Subdir
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a recipe asks of its environment on one platform, with a lock that is up to date."""

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

    def __init__(self, workspace: Workspace, name: str, target: Subdir) -> None:
        self.files = RecipeFiles(workspace=workspace, name=name, recipes=workspace.project.recipe_files())
        self._answers = Answers(workspace)
        self._kind = f"create-{target}"

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

    @property
    def lock(self) -> Path | None:
        return self.files.lock


def _asked(answer: dict[str, Any]) -> Asked:
    proof = answer["proof"]
    return Asked(
        groups=tuple(map(str, answer["groups"])),
        expectations=expectations_from(answer["expectations"]),
        requested=tuple(map(str, answer["requested"])),
        warnings=tuple(map(str, answer["warnings"])),
        proof=None if proof is None else str(proof),
    )
