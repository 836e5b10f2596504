"""From a recipe to plans: every combination worth trying, with each platform's specs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs
from packaging.version import Version

from builder.compat.load import load_facts
from builder.errors import UnsatisfiableError, UsageError
from builder.frameworks import registry, rules
from builder.plan.decide import decisions
from builder.plan.model import Plan
from builder.plan.pins import wanted
from builder.plan.specs import assemble
from builder.plan.terms import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Relation
    from builder.plan.catalogue import Catalogue
    from builder.plan.decide import Decision
    from builder.plan.question import Target
    from builder.plan.staying import Kept
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe

Plans = dict["Subdir", Plan]


def parity_names(plan: Plan) -> tuple[str, ...]:
    """Names (conda's and PyPI's) of the packages to keep at one version on every platform of the plan's recipe."""
    return () if plan.recipe.parity == "none" else registry.parity_names()


def make_plans(
    recipe: Recipe,
    *,
    source: Source = Source.CONDA_FORGE,
    facts: Facts | None = None,
    subdirs: Sequence[Subdir] | None = None,
    python: str | None = None,
    catalogue: Catalogue | None = None,
    kept: Kept | None = None,
) -> Plans:
    """The best plans for the recipe's platforms, with the same versions on all unless it says `parity: none`.

    All platforms take part in the choice also when only some `subdirs` are wanted, so that a plan does not depend
    on who asks. `python` is the interpreter that must be used (its version or minor), None for the newest proven one.
    `catalogue` says what exists on the channels; without it facts stand in for it. `kept` is what the lock there is
    has, which is taken again where it still fits. Raises `UnsatisfiableError` naming the fact that refuses what the
    recipe pins.
    """
    wanted_subdirs = recipe.subdirs if subdirs is None else tuple(subdirs)
    for subdir in wanted_subdirs:
        if subdir not in recipe.subdirs:
            raise UsageError(f"{recipe.name} is not for {subdir}", hint=f"its platforms: {', '.join(recipe.platforms)}")
    plans = next(candidates(recipe, source=source, facts=facts, python=python, catalogue=catalogue, kept=kept))
    return {subdir: plans[subdir] for subdir in wanted_subdirs}


def candidates(
    recipe: Recipe,
    *,
    source: Source = Source.CONDA_FORGE,
    facts: Facts | None = None,
    python: str | None = None,
    catalogue: Catalogue | None = None,
    kept: Kept | None = None,
) -> Iterator[Plans]:
    """Plans for all the recipe's platforms, the best first: what to try next where a solver refuses one.

    There is at least one; with `parity: none` the platforms go to their next one together. Raises as `make_plans`.
    """
    for objection in rules.objections(recipe):
        raise UsageError(f"{recipe.name}: {objection.message}", hint=objection.hint)
    facts = facts if facts is not None else load_facts(also=registry.fact_folders())
    groups = [recipe.subdirs] if recipe.parity == "full" else [(subdir,) for subdir in recipe.subdirs]
    streams = [
        _plans(recipe, group, source=source, facts=facts, python=python, catalogue=catalogue, kept=kept)
        for group in groups
    ]
    latest = [next(stream) for stream in streams]
    while True:
        yield {subdir: plan for plans in latest for subdir, plan in plans.items()}
        following = [next(stream, None) for stream in streams]
        if not any(plans is not None for plans in following):
            return
        latest = [new if new is not None else old for new, old in zip(following, latest, strict=True)]


def _plans(
    recipe: Recipe,
    subdirs: Sequence[Subdir],
    *,
    source: Source,
    facts: Facts,
    python: str | None,
    catalogue: Catalogue | None,
    kept: Kept | None,
) -> Iterator[Plans]:
    """Plans of platforms that are chosen for together."""
    refused: UnsatisfiableError | None = None
    found = False
    for decision in decisions(
        recipe, subdirs, source=source, facts=facts, python=python, catalogue=catalogue, kept=kept
    ):
        try:
            plans = {target.subdir: _plan(recipe, target, decision, source=source) for target in decision.targets}
        except UnsatisfiableError as error:  # a BLAS, say, that this provider cannot have
            refused = refused or error
            continue
        found = True
        if refused is not None:
            note = f"a newer combination was passed over: {refused.plain}"
            plans = {subdir: replace(plan, warnings=(note, *plan.warnings)) for subdir, plan in plans.items()}
        yield plans
    if not found and refused is not None:
        raise refused


def _plan(recipe: Recipe, target: Target, decision: Decision, *, source: Source) -> Plan:
    facts, combination = decision.question.facts, decision.combination
    specs, warnings = assemble(recipe, target, combination, question=decision.question)
    unsafe = _beside_plugin(recipe, target, decision)
    combination = structs.replace(combination, unsafe=tuple(dict.fromkeys((*combination.unsafe, *unsafe))))
    catalogue = decision.question.catalogue
    return Plan(
        recipe=recipe,
        subdir=target.subdir,
        source=source,
        provider=target.provider.name,
        gpu=target.plugin,
        specs=specs,
        warnings=(*decision.notes, *combination.warnings(plugin=target.plugin), *warnings),
        mandatory_checks=combination.checks if target.plugin else (),
        virtual_packages=virtual_packages(target.subdir, macos=recipe.macos),
        existence=catalogue.described if catalogue is not None else f"facts of {facts.newest_date}",
        newer=str(decision.newer) if decision.newer is not None else None,
        instead=decision.instead,
        combination=combination,
    )


def _beside_plugin(recipe: Recipe, target: Target, decision: Decision) -> Iterator[Relation]:
    """What computes wrongly beside the plug-in among the recipe's further dependencies, whichever release is taken."""
    facts, combination = decision.question.facts, decision.combination
    if not target.plugin or combination.plugin is None:
        return
    plugin = (combination.plugin.package, combination.plugin.newest)
    for dependency in wanted(recipe, subdir=target.subdir, facts=facts):
        package = dependency.subject
        if any(choice.package == package for choice in combination.partners):
            continue
        for release in facts.releases_of(package, "pypi"):
            version = Version(release.version)
            if target.allows(package, version, facts):
                related = facts.related(plugin, (package, version), python=combination.python)
                yield from (relation for relation in related if relation.verdict == "unsafe")


def virtual_packages(subdir: Subdir, *, macos: str) -> dict[str, str]:
    """Virtual packages assumed of a machine of the team, spelt as conda-lock's own defaults.

    No `__cuda`, so that solvers take CPU builds on Linux; `__osx` is the recipe's floor.
    """
    if subdir.is_osx:
        return {"__unix": "0", "__osx": macos, "__archspec": f"1 {subdir.machine}"}
    return {"__unix": "0", "__linux": "5.10", "__glibc": "2.28", "__archspec": f"1 {subdir.machine}"}


__all__ = ["Plans", "candidates", "make_plans", "parity_names", "virtual_packages"]
