"""What a solver's refusal comes to, in one sentence, and a change of the recipe that was tried and works."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec import structs

from builder.errors import UnsatisfiableError
from builder.frameworks import registry
from builder.lock.conflict import refused, smallest_clash, solvable
from builder.lock.make import solve_request
from builder.lock.solver import UnsolvableError
from builder.operations.preparing import PackageOptions, preparations
from builder.plan.catalogue import PYTHONS
from builder.plan.pins import series, split_conda, wanted
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.lock.solver import Solver
    from builder.operations.preparing import Prepared
    from builder.plan.catalogue import Catalogue
    from builder.plan.model import Plan
    from builder.recipe.model import Recipe
    from builder.workspace import Workspace

_TASK: Final = "clash"
#: How many changes of the recipe are offered.
_OFFERED: Final = 2


@dataclass(frozen=True, kw_only=True)
class Clashes:
    """Says why a preparation could not be solved. `recipe` and `options` are those of the lock that was asked for."""

    workspace: Workspace
    recipe: Recipe
    options: PackageOptions
    solver: Solver
    catalogue: Catalogue | None

    def explained(self, prepared: Prepared, error: UnsatisfiableError) -> UnsatisfiableError:
        """The error as one sentence with a remedy; as it is where it is not a solver's, or nothing is found out."""
        if not isinstance(error, UnsolvableError):
            return error
        progress = self.workspace.progress
        progress.update(_TASK, f"{error.request.subdir}: looking for what cannot be met together")
        clash = asyncio.run(smallest_clash(self.solver, error.request))
        if not clash:
            return error
        plan = prepared.plans[error.request.subdir]
        told = [self._told(spec, plan) for spec in clash]
        names = listing([name if place is None else f"{name} ({place})" for name, place in told])
        own = [place for _, place in told if place is not None]
        loosen = f"loosen or leave out {'one of ' if len(own) > 1 else ''}{listing(own)}" if own else error.hint
        if len(clash) == 1:
            request = structs.replace(error.request, specs=clash, preferred=(), exact={})
            alone = asyncio.run(refused(self.solver, request))
            reason = (alone or error).plain.partition("\n")[2]
            return UnsatisfiableError(
                f"{names} cannot be installed on {plan.subdir}:\n{reason}", hint=loosen, details=error.plain
            )
        return UnsatisfiableError(
            f"{names} cannot be installed together on {plan.subdir}: {listing(error.request.channels)} has no builds "
            "that fit",
            hint="; or ".join(self._remedies(prepared)) or loosen,
            details=error.plain,
        )

    def _told(self, spec: str, plan: Plan) -> tuple[str, str | None]:
        """A requirement as people write it, and where the recipe asks for it; None where envbuild chose it."""
        facts, combination = self.workspace.facts, plan.combination
        name, rest = split_conda(spec)
        version = rest.split(" ")[0]
        framework = registry.framework(self.recipe.framework.name)
        if combination is not None and name == "python":
            return facts.display("python", combination.python), None
        if combination is not None and combination.main is not None and name == framework.conda:
            return facts.display(framework.main, series(combination.main.newest)), None
        place = next(
            (one.where for one in wanted(self.recipe, subdir=plan.subdir, facts=facts) if one.conda_name == name), None
        )
        return (name if version in ("", "*") else f"{name} {version}"), place

    def _remedies(self, prepared: Prepared) -> Iterator[str]:
        """Changes of the recipe that lead to a plan which the solver accepts on all platforms."""
        offered = 0
        for text, recipe in self._variants(prepared):
            if offered < _OFFERED and self._works(recipe):
                offered += 1
                yield text

    def _variants(self, prepared: Prepared) -> Iterator[tuple[str, Recipe]]:
        combination = next(iter(prepared.plans.values())).combination
        chosen = combination.python if combination is not None else ""
        for minor in PYTHONS:
            if minor != chosen:
                yield f'set `python: "{minor}"`', self.recipe.replaced(python=minor)
        if self.recipe.framework.provider == "conda-forge" and registry.framework(self.recipe.framework.name).main:
            framework = self.recipe.framework.replaced(provider="pypi")
            yield "write `provider: pypi`", self.recipe.replaced(framework=framework)

    def _works(self, recipe: Recipe) -> bool:
        """Whether the best plan of a recipe can be solved, as far as conda's packages go."""
        try:
            prepared = next(preparations(self.workspace, recipe, self.options, catalogue=self.catalogue))
        except UnsatisfiableError:
            return False
        rendered = prepared.rendered
        return all(asyncio.run(solvable(self.solver, solve_request(rendered, specs))) for specs in rendered.platforms)
