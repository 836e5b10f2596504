"""The specs of one platform: what was chosen, what the recipe asks for, and one line for what is both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.compat.facts import in_order
from builder.names import conda_name, pypi_name
from builder.plan.blas import blas_spec, numpy_blas
from builder.plan.model import ChosenSpec
from builder.plan.pins import Wanted, requirement_range, series, series_within, wanted
from builder.plan.question import python_spec
from builder.plan.reasons import bounds, references, why_not
from builder.platforms import Subdir
from builder.wheels import applies

if TYPE_CHECKING:
    from packaging.version import Version

    from builder.compat.facts import Facts
    from builder.frameworks.model import Framework
    from builder.plan.model import Choice, Combination
    from builder.plan.pins import Pin
    from builder.plan.question import Question, Target
    from builder.recipe.model import Recipe


def assemble(
    recipe: Recipe, target: Target, combination: Combination, *, question: Question
) -> tuple[tuple[ChosenSpec, ...], tuple[str, ...]]:
    """All specs of the target in order (Python, framework, BLAS, dependencies), and warnings about them."""
    facts, framework, provider = question.facts, question.framework, target.provider
    chosen = [_python(recipe, combination, question)]
    if provider.local:
        chosen.append(ChosenSpec(manager="conda", name="pip", spec="", reason="installs what comes from PyPI"))
    subjects: dict[str, int] = {"python": 0}
    if combination.main is not None:
        for subject, spec in _framework(recipe, target, combination, question=question):
            subjects[subject] = len(chosen)
            chosen.append(spec)
    asked = tuple(
        dependency
        for dependency in wanted(recipe, subdir=target.subdir, facts=facts)
        if dependency.pypi is None or applies(dependency.pypi, target.subdir, python=combination.python)
    )
    on_mac = target.subdir is Subdir.OSX_ARM64 and target.origin == "conda-forge"
    if on_mac and (_needs_numpy(asked, subjects, facts) or recipe.blas != "auto"):
        chosen.append(blas_spec(recipe, facts=facts))
    warnings: list[str] = []
    by_name = {(spec.manager, canonicalize_name(spec.name)): index for index, spec in enumerate(chosen)}
    for dependency in asked:
        if dependency.subject in subjects:
            index = subjects[dependency.subject]
            chosen[index] = _merge(chosen[index], dependency)
            continue
        spec = _dependency(dependency, target, combination, facts=facts, framework=framework)
        key = (spec.manager, canonicalize_name(spec.name))
        if key in by_name and chosen[by_name[key]].group == spec.group:
            chosen[by_name[key]] = _joined(chosen[by_name[key]], spec.spec, spec.reason, spec.extras)
        else:
            by_name.setdefault(key, len(chosen))
            chosen.append(spec)
        mixed = target.origin == "pypi" and spec.manager == "conda"
        if mixed and facts.names_of(spec.name) is None:
            warnings.append(
                f"{spec.name} comes from conda and no fact says whether it brings conda's NumPy along; if it does, "
                f"ask for its PyPI counterpart instead (`pypi: [{spec.name}]`), so that there is one NumPy"
            )
    return tuple(chosen), tuple(warnings)


def _needs_numpy(asked: tuple[Wanted, ...], subjects: dict[str, int], facts: Facts) -> bool:
    if "numpy" in subjects:
        return True
    names = (facts.names_of(dependency.conda_name) for dependency in asked if dependency.conda_name)
    return any(entry is not None and entry.numpy for entry in names)


def _python(recipe: Recipe, combination: Combination, question: Question) -> ChosenSpec:
    main = combination.main
    of = f" that {question.facts.display(main.package, main.newest)} has builds for" if main is not None else ""
    limit = why_not(combination) if main is None else ""
    return ChosenSpec(
        manager="conda",
        name="python",
        spec=python_spec(combination.python, recipe.python),
        reason=f"the Python that the lock has, which still fits{limit}"
        if combination.kept
        else f"the newest Python the recipe allows{of} on every platform{limit}",
        facts=references(main.facts if main is not None else ()),
    )


def _framework(
    recipe: Recipe, target: Target, combination: Combination, *, question: Question
) -> list[tuple[str, ChosenSpec]]:
    facts, framework, provider = question.facts, question.framework, target.provider
    main = combination.main
    assert main is not None
    conda = provider.manager == "conda"
    manager = provider.manager
    release = facts.release(framework.main, main.newest, target.origin)
    build = release.build(target.subdir) if release is not None else None
    name = framework.conda if conda else (build.distribution if build is not None else None) or framework.main
    asked = {dependency.subject for dependency in wanted(recipe, subdir=target.subdir, facts=facts)}
    if not conda and asked & set(framework.requires_main):
        name = framework.main
    glob = framework.conda_build.format(py=combination.python.replace(".", "")) if conda else ""
    label = facts.display(main.package, series(main.newest))
    beside = "".join(f" and {facts.display(c.package, c.newest)}" for c in (combination.plugin,) if c is not None)
    partners = " and ".join(facts.display(choice.package) for choice in combination.partners)
    proof = f", proven with {partners}{beside}" if partners else ""
    if not target.plugin:
        proof += provider.note(target.subdir)
    pinned = any(pin.package == framework.main for pin in target.pins)
    above = framework.open_above and conda and not pinned
    newer = "; or a newer one of the channel, since nothing else has to fit it" if above else ""
    gpu = f"; {framework.gpu}" if framework.gpu and target.subdir is Subdir.OSX_ARM64 else ""
    if combination.unproven:
        proven = "unproven: it is what the recipe's pins leave"
    elif combination.kept:
        proven = f"the release that the lock has, which still fits{proof}"
    else:
        proven = f"the newest release that exists on every platform of the recipe{proof}"
    # A release that nothing knows stands for the range it came from, which is the user's own.
    known = release is not None or not target.pins
    within = _within(main.newest, conda=conda, open_above=above) if known else ""
    specs = [
        (
            framework.main,
            ChosenSpec(
                manager=manager,
                name=name,
                spec=f"{_with_pins(within, main, target, always=not known)} {glob}".strip(),
                reason=f"{proven}{why_not(combination)}{newer}{gpu}",
                facts=references(main.facts),
            ),
        )
    ]

    def add(choice: Choice, reason: str, spec: str) -> None:
        spec = _with_pins(spec, choice, target)
        there = conda_name(choice.package) if conda else choice.package
        chosen = ChosenSpec(manager=manager, name=there, spec=spec, reason=reason, facts=references(choice.facts))
        specs.append((choice.package, chosen))

    for choice in combination.partners:
        fit = f"the releases that fit {label}{beside}" if choice.versions else f"left to what {label} declares"
        add(choice, fit, bounds(choice))
    if combination.numpy is not None:
        how = _wheel_blas(recipe, target, combination.numpy, facts=facts)
        add(
            combination.numpy,
            f"what {label} declares, without the releases known to break{how}",
            bounds(combination.numpy),
        )
    for choice in combination.companions:
        why = choice.facts[0].cause if hasattr(choice.facts[0], "cause") else ""
        add(choice, f"bounded because its own metadata is too permissive: {why}", bounds(choice))
    if target.plugin and combination.plugin is not None:
        add(combination.plugin, f"the newest plug-in that loads with {label}", f"=={combination.plugin.newest}")
    return specs


def _wheel_blas(recipe: Recipe, target: Target, numpy: Choice, *, facts: Facts) -> str:
    return "" if target.origin == "conda-forge" else numpy_blas(target, numpy, wanted=recipe.blas, facts=facts)


def _with_pins(spec: str, choice: Choice, target: Target, *, always: bool = False) -> str:
    """`spec` and what the recipe's `framework:` says beyond it: a series was chosen, and a pin may be narrower."""
    beyond = [
        in_order(pin.versions[0])
        for pin in target.pins
        if pin.package == choice.package and pin.where.startswith("framework.")
        if always
        or not choice.versions
        or not all(series_within(version, pin) for version in choice.versions)
        or _leaves_a_gap(pin, choice)
    ]
    return ",".join(dict.fromkeys(part for text in (spec, *beyond) for part in text.split(",") if part))


def _leaves_a_gap(pin: Pin, choice: Choice) -> bool:
    """Whether the pin excludes a version between those that were chosen, which stand in one range."""
    within = SpecifierSet(bounds(choice))
    excluded = (one.version.removesuffix(".*") for one in pin.versions[0] if one.operator == "!=")
    return any(within.contains(version, prereleases=True) for version in excluded)


def _within(version: Version, *, conda: bool, open_above: bool) -> str:
    """The chosen series as a spec: `2.19.*` for conda, `==2.19.*` for pip; `==0.4.34` where the major is 0."""
    kept = series(version)
    if open_above:
        return f">={kept}"
    if version.release[0] == 0:
        return f"=={kept}"
    return f"{kept}.*" if conda else f"=={kept}.*"


def _dependency(
    dependency: Wanted, target: Target, combination: Combination, *, facts: Facts, framework: Framework
) -> ChosenSpec:
    """A dependency that nothing was chosen for: passed on as written, from conda or from PyPI."""
    reason = f"asked for by the recipe ({dependency.where})"
    names = facts.names_of(dependency.conda_name) if dependency.conda_name else None
    links_numpy = names is not None and names.numpy
    why_pypi = target.provider.pypi_reason(links_numpy=links_numpy)
    if dependency.conda_name is not None and why_pypi is None:
        spec = dependency.conda_spec
        if dependency.subject in framework.follows_minor:
            spec, reason = _same_minor(spec, combination, reason, facts=facts, conda=True)
        return ChosenSpec(manager="conda", name=dependency.conda_name, spec=spec, reason=reason, group=dependency.group)
    if not dependency.always_pypi:
        reason += why_pypi or ""
    requirement = dependency.pypi
    if requirement is not None:
        name, spec, extras = requirement.name, in_order(requirement.specifier), tuple(sorted(requirement.extras))
    else:
        name, extras = pypi_name(dependency.conda_name or ""), ()
        spec = in_order(requirement_range(dependency))
    if dependency.subject in framework.follows_minor:
        spec, reason = _same_minor(spec, combination, reason, facts=facts, conda=False)
    return ChosenSpec(manager="pip", name=name, spec=spec, extras=extras, reason=reason, group=dependency.group)


def _same_minor(spec: str, combination: Combination, reason: str, *, facts: Facts, conda: bool) -> tuple[str, str]:
    """The framework's own minor (tf-keras 2.19 declares tensorflow>=2.19,<2.20), where the user asks for no other."""
    main = combination.main
    if spec or main is None:
        return spec, reason
    kept = f"{series(main.newest)}.*"
    return (kept if conda else f"=={kept}"), f"{reason}; it needs {facts.display(main.package)}'s own minor"


def _merge(ours: ChosenSpec, dependency: Wanted) -> ChosenSpec:
    """A package both chosen and asked for: one line with both restrictions."""
    reason = f"asked for by the recipe ({dependency.where})"
    requirement = dependency.pypi
    extras = tuple(sorted(requirement.extras)) if requirement is not None else ()
    if requirement is not None and (dependency.always_pypi or not dependency.conda_spec):
        theirs = in_order(requirement.specifier)
    elif ours.manager == "conda":
        return _joined(ours, dependency.conda_spec, reason, extras)
    else:
        theirs = in_order(requirement_range(dependency))
    return _joined(ours, theirs, reason, extras)


def _joined(ours: ChosenSpec, theirs: str, reason: str, extras: tuple[str, ...]) -> ChosenSpec:
    version, _, build = ours.spec.partition(" ")
    their_version, _, their_build = re.sub(r"\s*([<>=!~|,]+)\s*", r"\1", theirs).partition(" ")
    # `,` binds tighter than `|`, so ours goes beside each of their alternatives.
    joined = "|".join(
        ",".join(dict.fromkeys(part for part in (*version.split(","), *text.split(",")) if part and part != "*"))
        for text in their_version.split("|")
    )
    if build or their_build:
        joined = f"{joined or '*'} {their_build or build}"
    return ChosenSpec(
        manager=ours.manager,
        name=ours.name,
        spec=joined,
        reason=f"{ours.reason}; {reason}",
        group=ours.group,
        extras=tuple(sorted({*ours.extras, *extras})),
        facts=ours.facts,
    )
