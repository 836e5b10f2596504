"""The files that answers about a recipe are found from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from builder.errors import UsageError
from builder.lock.proof import PROOF_NAME
from builder.operations.answers import Basis
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RecipeFiles:
    """The files that answers about a recipe are found from, by role: `recipe:NAME` for the recipe and those that it
    extends, `lock`, `proof`, `beside:FILE` for what is rendered beside the lock, and `stamp` of its environment here.
    """

    workspace: Workspace
    name: str
    recipes: Mapping[str, Path]
    """Every known recipe by name (`Project.recipe_files`)."""
    own_lock: Path | None = None
    """A lock of envbuild's own, to be looked at in place of the committed one."""

    @cached_property
    def lock(self) -> Path | None:
        """The lock of the recipe; None where there is none, or no such recipe."""
        if self.name not in self.recipes:
            return None
        if self.own_lock is not None:
            return self.own_lock
        return self.workspace.project.committed_lock(self.name, recipes=self.recipes)

    def place(self, role: str) -> Path | None:
        kind, _, rest = role.partition(":")
        if kind == "recipe":
            return self.recipes.get(rest)
        if kind == "stamp":
            return self._stamp
        if self.lock is None:
            return None
        match kind:
            case "lock":
                return self.lock
            case "proof":
                return self.lock.with_name(PROOF_NAME)
            case "beside":
                return self.lock.with_name(rest)
            case _:
                raise ValueError(f"{role!r} is no role of a file")

    def basis(self, *roles: str) -> Basis:
        """A basis that has seen the recipe, its lock, what lies beside that, and these roles."""
        found = Basis(self.place)
        there = sorted(file.name for file in self.lock.parent.glob("*.yml")) if self.lock is not None else ()
        beside = (f"beside:{name}" for name in there if name != LOCK_NAME)
        for role in (f"recipe:{self.name}", "lock", *beside, *roles):
            found.see(role)
        return found

    def finder(self, basis: Basis) -> Callable[[str], Path | None]:
        """How recipes are found by name, with each that is asked for being seen."""
        return lambda name: basis.see(f"recipe:{name}")

    @cached_property
    def _stamp(self) -> Path | None:
        from builder.environment.stamp import RELATIVE_PATH

        try:
            return self.workspace.store.prefix_for(self.name) / RELATIVE_PATH
        except UsageError:
            return None
