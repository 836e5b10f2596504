"""Putting a plan together: targets, combination, then the specs of each platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from builder.compat.load import load_facts
from builder.errors import UnsatisfiableError
from builder.plan.blas import blas_spec
from builder.plan.choose import PYTHONS, Combination, Target, minor, pythons, tensorflow_combinations
from builder.plan.model import ChosenSpec, Plan, Source
from builder.plan.pins import conda_to_pep440, pins, wanted
from builder.plan.reasons import references
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from packaging.version import Version

    from builder.compat.facts import Facts, Refusal
    from builder.plan.pins import Wanted
    from builder.recipe.model import Recipe

PARITY: tuple[str, ...] = ("python", "tensorflow", "keras", "numpy", "pytorch", "jax", "jaxlib")


def parity_names(plan: Plan) -> tuple[str, ...]:
    """Names (conda's, and PyPI's where they differ) of the packages to keep at one version on every platform."""
    if plan.recipe.parity == "none":
        return ()
    also = {"tensorflow": ("tensorflow-cpu",), "pytorch": ("torch",)}
    return tuple(dict.fromkeys(name for base in PARITY for name in (base, *also.get(base, ()))))


def make_plans(
    recipe: Recipe,
    *,
    source: Source = Source.CONDA_FORGE,
    facts: Facts | None = None,
    subdirs: Sequence[Subdir] | None = None,
    python: str | None = None,
) -> dict[Subdir, Plan]:
    """Plans for the recipe's platforms (or `subdirs`), with the same versions on all unless `parity: none`.

    `python` is the minor of the interpreter that must be used, None for the newest proven one. Raises
    `UnsatisfiableError` naming the fact that refuses what the recipe pins.
    """
    facts = facts or load_facts()
    chosen = tuple(subdirs) if subdirs is not None else recipe.subdirs
    targets = [_target(recipe, subdir, source=source, facts=facts) for subdir in chosen]
    groups = [targets] if recipe.parity == "full" else [[target] for target in targets]
    plans: dict[Subdir, Plan] = {}
    for group in groups:
        combination = _choose(recipe, group, facts=facts, python=python)
        for target in group:
            plans[target.subdir] = _plan(recipe, target, combination, source=source, facts=facts)
    return {subdir: plans[subdir] for subdir in chosen}


def _provider(recipe: Recipe, source: Source) -> Literal["conda-forge", "metal", "pypi"]:
    if source is Source.PYPI:
        return "pypi"
    if recipe.framework.provider == "metal" or (recipe.framework.provider == "auto" and recipe.framework.gpu):
        return "metal"
    return "conda-forge"


def _target(recipe: Recipe, subdir: Subdir, *, source: Source, facts: Facts) -> Target:
    provider = _provider(recipe, source)
    wants_plugin = recipe.framework.provider == "metal" or (
        recipe.framework.provider == "auto" and recipe.framework.gpu
    )
    return Target(
        subdir=subdir,
        origin="conda-forge" if provider == "conda-forge" else "pypi",
        pins=pins(recipe, subdir=subdir, facts=facts),
        plugin=wants_plugin and subdir is Subdir.OSX_ARM64 and recipe.framework.name == "tensorflow",
    )


def _choose(recipe: Recipe, targets: Sequence[Target], *, facts: Facts, python: str | None) -> Combination:
    minors = pythons(recipe, targets, python)
    if recipe.framework.name == "tensorflow":
        refusals: list[Refusal] = []
        for combination in tensorflow_combinations(
            recipe, targets=targets, minors=minors, facts=facts, refusals=refusals
        ):
            return combination
        reason = refusals[0].statement if refusals else "no proven combination is within what the recipe allows"
        raise UnsatisfiableError(reason, hint=refusals[0].remedy if refusals else None)
    proven = [text for text in minors if text in PYTHONS[1:]] or list(minors)
    if not proven:
        raise UnsatisfiableError(f"no Python that envbuild knows is within {recipe.python}")
    return Combination(python=proven[0])


def _plan(recipe: Recipe, target: Target, combination: Combination, *, source: Source, facts: Facts) -> Plan:
    provider = _provider(recipe, source)
    subdir = target.subdir
    specs = [_python(combination)]
    if provider == "pypi":
        specs.append(ChosenSpec(manager="conda", name="pip", spec="", reason="installs what comes from PyPI"))
    specs += _framework(combination, target, facts=facts)
    if provider != "pypi" and subdir is Subdir.OSX_ARM64 and provider == "conda-forge":
        specs.append(blas_spec(recipe, facts=facts))
    taken = {spec.name: index for index, spec in enumerate(specs)}
    for dependency in wanted(recipe, subdir=subdir):
        spec = _dependency(dependency, provider=provider, facts=facts)
        if spec.name in taken:
            specs[taken[spec.name]] = _merge(specs[taken[spec.name]], spec)
        else:
            taken[spec.name] = len(specs)
            specs.append(spec)
    return Plan(
        recipe=recipe,
        subdir=subdir,
        source=source,
        provider=provider,
        specs=tuple(specs),
        warnings=combination.warnings if target.plugin else (),
        mandatory_checks=combination.checks if target.plugin else (),
        virtual_packages=virtual_packages(subdir, macos=recipe.macos),
    )


def virtual_packages(subdir: Subdir, *, macos: str) -> dict[str, str]:
    """Virtual packages assumed of a machine of the team; no `__cuda`, so that solvers take CPU builds on Linux."""
    if subdir.is_osx:
        return {"__unix": "0", "__osx": macos, "__archspec": f"1 {subdir.machine}"}
    return {"__unix": "0", "__linux": "5.10", "__glibc": "2.28", "__archspec": f"1 {subdir.machine}"}


def _python(combination: Combination) -> ChosenSpec:
    framework = f" that TensorFlow {combination.framework} has builds for" if combination.framework else ""
    return ChosenSpec(
        manager="conda",
        name="python",
        spec=f"{combination.python}.*",
        reason=f"the newest Python within the recipe's range{framework} on every platform",
        facts=references(combination.facts.get("python", ())),
    )


def _framework(combination: Combination, target: Target, *, facts: Facts) -> list[ChosenSpec]:
    if combination.framework is None:
        return []
    manager: Literal["conda", "pip"] = "conda" if target.origin == "conda-forge" else "pip"
    release = facts.release("tensorflow", str(combination.framework), target.origin)
    build = release.build(target.subdir) if release is not None else None
    name = (build.distribution if build is not None else None) or "tensorflow"
    tag = f"cpu_py{combination.python.replace('.', '')}*" if manager == "conda" else ""
    keras = f">={minor(combination.keras[-1])},<{_next_minor(combination.keras[0])}"
    known = combination.facts
    minor_spec = f"{minor(combination.framework)}.*"
    plus = f" and tensorflow-metal {combination.plugin}" if combination.plugin else ""
    specs = [
        ChosenSpec(
            manager=manager,
            name=name,
            spec=f"{minor_spec} {tag}" if manager == "conda" else f"=={minor_spec}",
            reason=f"the newest TensorFlow that is proven with a Keras{plus} on every platform of the recipe",
            facts=references(known["tensorflow"]),
        ),
        ChosenSpec(
            manager=manager,
            name="keras",
            spec=keras,
            reason=f"the Keras releases proven beside TensorFlow {minor(combination.framework)}",
            facts=references(known["keras"]),
        ),
        ChosenSpec(
            manager=manager,
            name="numpy",
            spec=combination.numpy,
            reason=f"the NumPy releases that TensorFlow {minor(combination.framework)} is built for",
            facts=references(known["numpy"]),
        ),
    ]
    if target.plugin and combination.plugin is not None:
        specs.append(
            ChosenSpec(
                manager="pip",
                name="tensorflow-metal",
                spec=f"=={combination.plugin}",
                reason=f"the newest Metal plug-in known to load with TensorFlow {minor(combination.framework)}",
                facts=references(known["tensorflow-metal"]),
            )
        )
    return specs


def _next_minor(version: Version) -> str:
    major, second = (*version.release, 0)[:2]
    return f"{major}.{second + 1}"


def _dependency(dependency: Wanted, *, provider: str, facts: Facts) -> ChosenSpec:
    where = f"asked for by the recipe ({dependency.where})"
    names = facts.names_of(dependency.conda_name) if dependency.conda_name else None
    from_pypi = (
        dependency.always_pypi or provider == "pypi" or (provider == "metal" and names is not None and names.numpy)
    )
    if not from_pypi and dependency.conda_name is not None:
        return ChosenSpec(
            manager="conda",
            name=dependency.conda_name,
            spec=dependency.conda_spec,
            reason=where,
            group=dependency.group,
        )
    if dependency.pypi is not None:
        requirement = dependency.pypi
        return ChosenSpec(
            manager="pip",
            name=requirement.name,
            spec=str(requirement.specifier),
            extras=tuple(sorted(requirement.extras)),
            reason=where,
            group=dependency.group,
        )
    conda_name = dependency.conda_name or ""
    specifiers = conda_to_pep440(dependency.conda_spec) or SpecifierSet()
    return ChosenSpec(
        manager="pip", name=facts.pypi_name(conda_name), spec=str(specifiers), reason=where, group=dependency.group
    )


def _merge(ours: ChosenSpec, theirs: ChosenSpec) -> ChosenSpec:
    """A package both chosen and asked for: one line with both restrictions."""
    if not theirs.spec:
        return ours
    version, _, build = ours.spec.partition(" ")
    joined = ",".join(part for part in (version, theirs.spec) if part and part != "*")
    return ChosenSpec(
        manager=ours.manager,
        name=ours.name,
        spec=f"{joined} {build}".strip(),
        reason=f"{ours.reason}; {theirs.reason}",
        group=ours.group,
        extras=tuple(sorted({*ours.extras, *theirs.extras})),
        facts=ours.facts,
    )
