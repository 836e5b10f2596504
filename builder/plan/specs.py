"""The specs of one platform: what was chosen, what the recipe asks for, and one line for what is both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from packaging.utils import canonicalize_name

from builder.compat.facts import in_order
from builder.compat.fit import display
from builder.names import pypi_name
from builder.plan.blas import blas_spec, numpy_blas
from builder.plan.choose import Combination, bounds, why_not
from builder.plan.model import ChosenSpec
from builder.plan.pins import Wanted, requirement_range, series, series_within, wanted
from builder.plan.question import FAMILIES
from builder.plan.reasons import references
from builder.platforms import Subdir
from builder.wheels import applies

if TYPE_CHECKING:
    from packaging.version import Version

    from builder.compat.facts import Facts
    from builder.plan.choose import Choice
    from builder.plan.question import Family, Target
    from builder.recipe.model import Recipe

#: Conda's name of what facts call by the PyPI name.
_CONDA: Final = {"torch": "pytorch", "ml-dtypes": "ml_dtypes"}

#: What requires the project called `tensorflow`, whose files are those of tensorflow-cpu: only one may be installed.
_REQUIRES_TENSORFLOW: Final = frozenset(
    ("tf-keras", "tensorflow-hub", "tensorflow-text", "tensorflow-decision-forests", "keras-hub", "keras-nlp")
)


def assemble(
    recipe: Recipe, target: Target, combination: Combination, *, facts: Facts
) -> tuple[tuple[ChosenSpec, ...], tuple[str, ...]]:
    """All specs of the target in order (Python, framework, BLAS, dependencies), and warnings about them."""
    family = FAMILIES.get(recipe.framework.name)
    chosen = [_python(combination, family)]
    if target.provider == "pypi":
        chosen.append(ChosenSpec(manager="conda", name="pip", spec="", reason="installs what comes from PyPI"))
    subjects: dict[str, int] = {"python": 0}
    if family is not None and combination.main is not None:
        for subject, spec in _framework(recipe, family, target, combination, facts=facts):
            subjects[subject] = len(chosen)
            chosen.append(spec)
    asked = tuple(
        dependency
        for dependency in wanted(recipe, subdir=target.subdir)
        if dependency.pypi is None or applies(dependency.pypi, target.subdir, python=combination.python)
    )
    on_mac = target.subdir is Subdir.OSX_ARM64 and target.provider == "conda-forge"
    if on_mac and (_needs_numpy(asked, subjects, facts) or recipe.blas != "auto"):
        chosen.append(blas_spec(recipe, facts=facts))
    warnings: list[str] = []
    by_name = {(spec.manager, canonicalize_name(spec.name)): index for index, spec in enumerate(chosen)}
    for dependency in asked:
        if dependency.subject in subjects:
            index = subjects[dependency.subject]
            chosen[index] = _merge(chosen[index], dependency)
            continue
        spec = _dependency(dependency, target, combination, facts=facts)
        key = (spec.manager, canonicalize_name(spec.name))
        if key in by_name and chosen[by_name[key]].group == spec.group:
            chosen[by_name[key]] = _joined(chosen[by_name[key]], spec.spec, spec.reason, spec.extras)
        else:
            by_name.setdefault(key, len(chosen))
            chosen.append(spec)
        if target.provider == "metal" and spec.manager == "conda" and facts.names_of(spec.name) is None:
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


def _python(combination: Combination, family: Family | None) -> ChosenSpec:
    main = combination.main
    of = f" that {display(main.package, main.newest)} has builds for" if main is not None and family is not None else ""
    limit = why_not(combination) if main is None else ""
    return ChosenSpec(
        manager="conda",
        name="python",
        spec=f"{combination.python}.*",
        reason=f"the newest Python the recipe allows{of} on every platform{limit}",
        facts=references(main.facts if main is not None else ()),
    )


def _framework(
    recipe: Recipe, family: Family, target: Target, combination: Combination, *, facts: Facts
) -> list[tuple[str, ChosenSpec]]:
    main = combination.main
    assert main is not None
    conda = target.origin == "conda-forge"
    manager: Literal["conda", "pip"] = "conda" if conda else "pip"
    release = facts.release(family.main, main.newest, target.origin)
    build = release.build(target.subdir) if release is not None else None
    name = family.conda if conda else (build.distribution if build is not None else None) or family.main
    if name == "tensorflow-cpu" and any(
        w.subject in _REQUIRES_TENSORFLOW for w in wanted(recipe, subdir=target.subdir)
    ):
        name = family.main
    glob = family.build.format(py=combination.python.replace(".", "")) if conda else ""
    label = display(main.package, series(main.newest))
    beside = "".join(f" and {display(c.package, c.newest)}" for c in (combination.plugin,) if c is not None)
    partners = " and ".join(display(choice.package) for choice in combination.partners)
    proof = f", proven with {partners}{beside}" if partners else ""
    if target.provider == "metal" and not target.plugin:
        proof += "; from PyPI as on the Mac, so that it is the same release"
    pinned = any(pin.package == family.main for pin in target.pins)
    above = family.open_above and conda and not pinned
    newer = "; or a newer one of the channel, since nothing else has to fit it" if above else ""
    gpu = f"; {family.gpu}" if family.gpu and target.subdir is Subdir.OSX_ARM64 else ""
    proven = (
        "unproven: it is what the recipe's pins leave"
        if combination.unproven
        else f"the newest release that exists on every platform of the recipe{proof}"
    )
    specs = [
        (
            family.main,
            ChosenSpec(
                manager=manager,
                name=name,
                spec=f"{_with_pins(_within(main.newest, conda=conda, open_above=above), main, target)} {glob}".strip(),
                reason=f"{proven}{why_not(combination)}{newer}{gpu}",
                facts=references(main.facts),
            ),
        )
    ]

    def add(choice: Choice, reason: str, spec: str) -> None:
        spec = _with_pins(spec, choice, target)
        known = _CONDA.get(choice.package, choice.package) if conda else choice.package
        chosen = ChosenSpec(manager=manager, name=known, spec=spec, reason=reason, facts=references(choice.facts))
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
    return "" if target.provider == "conda-forge" else numpy_blas(target, numpy, wanted=recipe.blas, facts=facts)


def _with_pins(spec: str, choice: Choice, target: Target) -> str:
    """`spec` and what the recipe's `framework:` says beyond it: a series was chosen, and a pin may be narrower."""
    beyond = [
        in_order(pin.versions[0])
        for pin in target.pins
        if pin.package == choice.package and pin.where.startswith("framework.")
        if not all(series_within(version, pin) for version in choice.versions)
    ]
    return ",".join(part for part in (spec, *beyond) if part)


def _within(version: Version, *, conda: bool, open_above: bool) -> str:
    """The chosen series as a spec: `2.19.*` for conda, `==2.19.*` for pip; `==0.4.34` where the major is 0."""
    kept = series(version)
    if open_above:
        return f">={kept}"
    if version.release[0] == 0:
        return f"=={kept}"
    return f"{kept}.*" if conda else f"=={kept}.*"


def _dependency(dependency: Wanted, target: Target, combination: Combination, *, facts: Facts) -> ChosenSpec:
    """A dependency that nothing was chosen for: passed on as written, from conda or from PyPI."""
    reason = f"asked for by the recipe ({dependency.where})"
    names = facts.names_of(dependency.conda_name) if dependency.conda_name else None
    links_numpy = names is not None and names.numpy
    if dependency.conda_name is not None and not (
        target.provider == "pypi" or (target.provider == "metal" and links_numpy)
    ):
        spec = dependency.conda_spec
        if dependency.subject == "tf-keras":
            spec, reason = _legacy_keras(spec, combination, reason, conda=True)
        return ChosenSpec(manager="conda", name=dependency.conda_name, spec=spec, reason=reason, group=dependency.group)
    if target.provider == "metal" and links_numpy and not dependency.always_pypi:
        reason += "; from PyPI, because conda's build would bring a second NumPy and BLAS"
    requirement = dependency.pypi
    if requirement is not None:
        name, spec, extras = requirement.name, in_order(requirement.specifier), tuple(sorted(requirement.extras))
    else:
        name, extras = pypi_name(dependency.conda_name or ""), ()
        spec = in_order(requirement_range(dependency))
    if dependency.subject == "tf-keras":
        spec, reason = _legacy_keras(spec, combination, reason, conda=False)
    return ChosenSpec(manager="pip", name=name, spec=spec, extras=extras, reason=reason, group=dependency.group)


def _legacy_keras(spec: str, combination: Combination, reason: str, *, conda: bool) -> tuple[str, str]:
    """tf-keras must have TensorFlow's own minor (its metadata: tensorflow>=2.19,<2.20 for 2.19)."""
    main = combination.main
    if spec or main is None or main.package != "tensorflow":
        return spec, reason
    kept = f"{series(main.newest)}.*"
    return (kept if conda else f"=={kept}"), f"{reason}; tf-keras needs TensorFlow's own minor"


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
