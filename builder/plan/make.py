"""From a recipe to plans: the question, the choice, then every platform's specs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import Version

from builder.compat.fit import Setting, judge_one
from builder.compat.load import load_facts
from builder.errors import UnsatisfiableError, UsageError
from builder.plan.choose import Combination
from builder.plan.model import Plan, Source
from builder.plan.pins import wanted
from builder.plan.question import FAMILIES, Question, make_targets, minors, wants_plugin
from builder.plan.refuse import choose
from builder.plan.specs import assemble

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Relation
    from builder.plan.question import Target
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe

#: What `parity: full` keeps at one version: Python, the frameworks, Keras and NumPy, under every name they go by.
PARITY: tuple[str, ...] = (
    "python", "numpy", "keras", "tensorflow", "tensorflow-cpu", "pytorch", "torch", "jax", "jaxlib", "mlx",
)  # fmt: skip


def parity_names(plan: Plan) -> tuple[str, ...]:
    """Names (conda's and PyPI's) of the packages to keep at one version on every platform of the plan's recipe."""
    return () if plan.recipe.parity == "none" else PARITY


def make_plans(
    recipe: Recipe,
    *,
    source: Source = Source.CONDA_FORGE,
    facts: Facts | None = None,
    subdirs: Sequence[Subdir] | None = None,
    python: str | None = None,
) -> dict[Subdir, Plan]:
    """Plans for the recipe's platforms, with the same versions on all of them unless it says `parity: none`.

    All platforms take part in the choice also when only some `subdirs` are wanted, so that a plan does not depend
    on who asks. `python` is the minor of the interpreter that must be used, None for the newest proven one. Raises
    `UnsatisfiableError` naming the fact that refuses what the recipe pins.
    """
    facts = facts if facts is not None else load_facts()
    wanted_subdirs = recipe.subdirs if subdirs is None else tuple(subdirs)
    for subdir in wanted_subdirs:
        if subdir not in recipe.subdirs:
            raise UsageError(f"{recipe.name} is not for {subdir}", hint=f"its platforms: {', '.join(recipe.platforms)}")
    groups = [recipe.subdirs] if recipe.parity == "full" else [(subdir,) for subdir in recipe.subdirs]
    plans: dict[Subdir, Plan] = {}
    for group in groups:
        if not set(group) & set(wanted_subdirs):
            continue
        targets, combination, warnings = _choose(recipe, group, source=source, facts=facts, python=python)
        for target in targets:
            specs, more = assemble(recipe, target, combination, facts=facts)
            unsafe = _beside_plugin(recipe, target, combination, facts=facts)
            combination = replace(combination, unsafe=tuple(dict.fromkeys((*combination.unsafe, *unsafe))))
            plans[target.subdir] = Plan(
                recipe=recipe,
                subdir=target.subdir,
                source=source,
                provider=target.provider,
                specs=specs,
                warnings=(*warnings, *combination.warnings(plugin=target.plugin), *more),
                mandatory_checks=combination.checks if target.plugin else (),
                virtual_packages=virtual_packages(target.subdir, macos=recipe.macos),
            )
    return {subdir: plans[subdir] for subdir in wanted_subdirs}


def _choose(
    recipe: Recipe, subdirs: Sequence[Subdir], *, source: Source, facts: Facts, python: str | None
) -> tuple[tuple[Target, ...], Combination, tuple[str, ...]]:
    """Targets, combination and warnings. `provider: auto` falls back to no plug-in, and says why."""
    plugin = wants_plugin(recipe)
    try:
        targets = make_targets(recipe, subdirs, source=source, facts=facts, plugin=plugin)
        return targets, _combination(recipe, targets, facts=facts, python=python), _gpu_notes(recipe, plugin=plugin)
    except UnsatisfiableError as error:
        if not plugin or recipe.framework.provider != "auto":
            raise
        targets = make_targets(recipe, subdirs, source=source, facts=facts, plugin=False)
        combination = _combination(recipe, targets, facts=facts, python=python)
        return targets, combination, (f"no GPU plug-in fits, so the framework runs on the CPU: {error.plain}",)


def _gpu_notes(recipe: Recipe, *, plugin: bool) -> tuple[str, ...]:
    family = FAMILIES.get(recipe.framework.name)
    if family is None:
        return ()
    if recipe.framework.gpu and not plugin and family.plugin is not None:
        text = f"`gpu: true` has no effect: {display(family.main)} from conda-forge computes on the CPU of a Mac"
        return (f"{text}; write `provider: metal` or `provider: auto`",)
    notes = []
    if recipe.framework.provider == "metal" and family.plugin is None:
        notes.append(f"`provider: metal` has no effect: {family.gpu}")
    if recipe.framework.keras is not None and "keras" not in family.partners:
        notes.append(f"Keras takes TensorFlow unless KERAS_BACKEND={family.main.removesuffix('lib')} is set")
    return tuple(notes)


def _combination(recipe: Recipe, targets: tuple[Target, ...], *, facts: Facts, python: str | None) -> Combination:
    pythons = minors(recipe, targets, python)
    family = FAMILIES.get(recipe.framework.name)
    if family is None:
        return _without_framework(recipe, targets, pythons, facts=facts)
    if recipe.framework.keras is not None and "keras" not in family.partners:
        family = replace(family, partners=(*family.partners, "keras"))
    return choose(Question(family=family, targets=targets, minors=pythons, facts=facts))


def _beside_plugin(recipe: Recipe, target: Target, combination: Combination, *, facts: Facts) -> Iterator[Relation]:
    """What computes wrongly beside the plug-in among the recipe's further dependencies, whichever release is taken."""
    if not target.plugin or combination.plugin is None:
        return
    plugin = (combination.plugin.package, combination.plugin.newest)
    for dependency in wanted(recipe, subdir=target.subdir):
        package = dependency.subject
        if any(choice.package == package for choice in combination.partners):
            continue
        for release in facts.releases_of(package, "pypi"):
            version = Version(release.version)
            if target.allows(package, version):
                related = facts.related(plugin, (package, version), python=combination.python)
                yield from (relation for relation in related if relation.verdict == "unsafe")


def _without_framework(
    recipe: Recipe, targets: Sequence[Target], pythons: Sequence[str], *, facts: Facts
) -> Combination:
    """The newest Python for which every dependency that facts are about has a release on every platform."""
    reason = ""
    for python in pythons:
        missing = None
        for target in targets:
            setting = Setting(subdir=target.subdir, python=python, macos=recipe.macos if target.subdir.is_osx else None)
            for dependency in wanted(recipe, subdir=target.subdir):
                releases = facts.releases_of(dependency.subject, "pypi")
                judged = [
                    judge_one(dependency.subject, Version(release.version), setting=setting, facts=facts)
                    for release in releases
                    if target.allows(dependency.subject, Version(release.version))
                ]
                if judged and not any(judgement.fits for judgement in judged):
                    missing = missing or judged[0].refusals[0].statement
        if missing is None:
            return Combination(python=python, held_back=reason)
        reason = reason or missing
    raise UnsatisfiableError(reason, hint=f"change `python: {recipe.python}` or the dependency's version")


def virtual_packages(subdir: Subdir, *, macos: str) -> dict[str, str]:
    """Virtual packages assumed of a machine of the team, spelt as conda-lock's own defaults.

    No `__cuda`, so that solvers take CPU builds on Linux; `__osx` is the recipe's floor.
    """
    if subdir.is_osx:
        return {"__unix": "0", "__osx": macos, "__archspec": f"1 {subdir.machine}"}
    return {"__unix": "0", "__linux": "5.10", "__glibc": "2.28", "__archspec": f"1 {subdir.machine}"}


__all__ = ["make_plans", "parity_names", "virtual_packages"]
