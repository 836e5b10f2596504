"""The user's project: where its recipes are, and where rendered files and locks are written."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.resources import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from builder.recipe.model import Recipe

LOCK_NAME: Final = "conda-lock.yml"


@dataclass(frozen=True)
class Project:
    """A folder holding `recipes/` or `environments/`; recipes that it lacks are those shipped with envbuild.

    `state` is where locks go that must not be committed (bound to this machine), or that have no
    project to be committed to.
    """

    root: Path
    state: Path
    found: bool
    """False when no parent of the working directory is a project and `root` is merely that directory."""
    own_recipes: Path | None = None
    """Where the project's recipes are; None: in `root / "recipes"`. Elsewhere only while they are being merged."""

    @property
    def recipes(self) -> Path:
        """The folder of the project's own recipes."""
        return self.own_recipes or self.root / "recipes"

    @classmethod
    def find(cls, start: Path, *, state: Path, given: Path | None = None) -> Project:
        """The nearest parent of `start` that is a project; `given` (from `--project`) is taken as it is."""
        if given is not None:
            if not given.is_dir():
                raise UsageError(f"--project {given}: no such directory")
            return cls(root=given.resolve(), state=state, found=True)
        for folder in (start, *start.parents):
            if any((folder / "recipes").glob("*.yaml")) or any((folder / "environments").glob(f"*/{LOCK_NAME}")):
                return cls(root=folder, state=state, found=True)
        return cls(root=start, state=state, found=False)

    def recipe_files(self) -> dict[str, Path]:
        """Every known recipe by name; the project's own ones come before the shipped ones."""
        files: dict[str, Path] = {}
        for folder in (shipped("recipes"), self.recipes):
            files |= {file.stem: file for file in folder.glob("*.yaml")}
        return dict(sorted(files.items()))

    def own_recipe_files(self) -> dict[str, Path]:
        """The recipes that are the project's, by name. In a checkout of envbuild, whose project is envbuild itself,
        the shipped recipes are nobody's own.
        """
        folder = self.recipes
        if folder.resolve() == shipped("recipes").resolve():
            return {}
        return {file.stem: file for file in sorted(folder.glob("*.yaml"))}

    def own_names(self) -> tuple[str, ...]:
        """The project's own recipes, and every lock in it. A shipped recipe is the team's once they have locked it."""
        locked = {file.parent.name for file in (self.root / "environments").glob(f"*/{LOCK_NAME}")}
        return tuple(sorted({*self.own_recipe_files(), *locked}))

    @property
    def towards_locks(self) -> str:
        """What to do where there are none: make them, or go where there are some."""
        if self.own_names():
            return "`envbuild lock --all` makes them"
        return "go to your project or name it with --project DIR"

    def recipe_file(self, name: str, *, recipes: Mapping[str, Path] | None = None) -> Path:
        """Raises UsageError, naming the nearest known recipe, where there is none of that name.

        `recipes` are all known ones, for whoever has looked already; here and below.
        """
        from builder.recipe.model import NAME_PATTERN

        if not re.fullmatch(NAME_PATTERN, name):
            raise UsageError(f"{name!r} is not a recipe's name", hint="a name, not a path; see `envbuild list`")
        files = self.recipe_files() if recipes is None else recipes
        if name not in files:
            import difflib

            close = difflib.get_close_matches(name, files, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(
                f"there is no recipe {name!r} in {self.recipes} or among the shipped ones",
                hint=f"{hint}`envbuild list` shows all; `envbuild init {name}` begins a new one",
            )
        return files[name]

    def named(self, written: str) -> str:
        """The name of the recipe that is meant by its name, or by its file in `recipes/`, as globs give it."""
        folder, _, file = written.rpartition("/")
        if folder and file.endswith(".yaml") and (self.root / "recipes" / file).is_file():
            return file.removesuffix(".yaml")
        return written

    def recipe(
        self,
        name: str,
        *,
        find: Callable[[str], Path | None] | None = None,
        recipes: Mapping[str, Path] | None = None,
    ) -> Recipe:
        """The recipe of a name; `find` is how those that it extends are found. Raises RecipeError, UsageError."""
        from builder.frameworks.rules import objections
        from builder.recipe.load import load_recipe

        known = self.recipe_files() if recipes is None else recipes
        return load_recipe(self.recipe_file(name, recipes=known), find=find or known.get, rules=objections)

    def environment(self, name: str) -> Path:
        """The folder that holds (or will hold) the rendered files and the lock of recipe `name`."""
        return self.root / "environments" / name

    def local_environment(self, name: str, *, source: str) -> Path:
        """The folder for a lock that is bound to this machine."""
        return self.state / "environments" / source / name

    def committed_lock(self, name: str, *, recipes: Mapping[str, Path] | None = None) -> Path | None:
        """The project's lock, or the shipped one when the recipe itself is the shipped one.

        Whatever lies in the lock's place is it: who reads it says what a pipe or a broken link there is.
        """
        own = self.environment(name) / LOCK_NAME
        if os.path.lexists(own):
            return own
        theirs = shipped("environments") / name / LOCK_NAME
        known = self.recipe_files() if recipes is None else recipes
        uses_shipped_recipe = known.get(name) == shipped("recipes") / f"{name}.yaml"
        return theirs if uses_shipped_recipe and theirs.is_file() else None
