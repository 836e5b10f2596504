"""Choosing versions: the newest combination that every fact allows, on all platforms at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from builder.compat.facts import Refusal
from builder.errors import UnsatisfiableError
from builder.recipe.model import specifier_set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Build, Fact, Origin, Relation, Release
    from builder.plan.pins import Pin
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe

#: Python minors envbuild plans for, newest first.
PYTHONS: Final = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9")


@dataclass(frozen=True, kw_only=True)
class Target:
    """One platform of the question: where its framework comes from and what the recipe pins on it."""

    subdir: Subdir
    origin: Origin
    pins: tuple[Pin, ...]
    plugin: bool = False

    def allows(self, package: str, version: str | Version) -> bool:
        return all(pin.allows(version) for pin in self.pins if pin.package == package)


@dataclass(frozen=True, kw_only=True)
class Combination:
    """What was chosen, the same for all targets it was chosen for."""

    python: str
    framework: Version | None = None
    keras: tuple[Version, ...] = ()
    """The proven releases, newest first: a contiguous run of minors ending at the newest proven one."""
    plugin: Version | None = None
    numpy: str = ""
    facts: Mapping[str, tuple[Fact, ...]] = field(default_factory=dict)
    """Package -> the facts its choice rests on."""
    warnings: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()


def minor(version: Version | str) -> str:
    """`2.19.1` as `2.19`."""
    release = Version(str(version)).release
    return ".".join(str(number) for number in (*release, 0)[:2])


def pythons(recipe: Recipe, targets: Sequence[Target], asked: str | None) -> tuple[str, ...]:
    """Python minors that the recipe, its pins and the machine allow, newest first."""
    allowed = specifier_set(recipe.python)

    def fits(text: str) -> bool:
        # A minor fits a range when some patch of it does: `>=3.11.4` allows 3.11.
        some_patch = (f"{text}.0", f"{text}.99")
        return any(allowed.contains(patch) for patch in some_patch) and all(
            any(target.allows("python", patch) for patch in some_patch) for target in targets
        )

    if asked is not None:
        if not fits(asked):
            raise UnsatisfiableError(
                f"this machine's Python {asked} is outside what the recipe allows (python: {recipe.python})",
                hint=f"choose an interpreter within {recipe.python}, or change `python:`",
            )
        return (asked,)
    return tuple(text for text in PYTHONS if fits(text))


def build_fits(build: Build, *, python: str, subdir: Subdir, macos: str) -> bool:
    if build.pythons and python not in build.pythons:
        return False
    if build.requires_python and not SpecifierSet(build.requires_python).contains(f"{python}.99"):
        return False
    return not (subdir.is_osx and build.macos is not None and Version(build.macos) > Version(macos))


def tensorflow_combinations(
    recipe: Recipe, *, targets: Sequence[Target], minors: Sequence[str], facts: Facts, refusals: list[Refusal]
) -> Iterator[Combination]:
    """Every proven combination, the newest TensorFlow first, then the newest Python. `refusals` collects why not."""
    for release in facts.releases_of("tensorflow", targets[0].origin):
        version = Version(release.version)
        others = [facts.release("tensorflow", release.version, target.origin) for target in targets]
        if any(other is None for other in others) or not all(t.allows("tensorflow", version) for t in targets):
            continue
        builds = [other.build(t.subdir) for other, t in zip(others, targets, strict=True) if other is not None]
        for python in minors:
            if any(
                build is None or not build_fits(build, python=python, subdir=target.subdir, macos=recipe.macos)
                for build, target in zip(builds, targets, strict=True)
            ):
                continue
            releases = [other for other in others if other is not None]
            found = _with_keras(
                release, python, targets=targets, builds=[b for b in builds if b is not None], facts=facts,
                releases=releases, refusals=refusals,
            )  # fmt: skip
            if found is not None:
                yield found


def _with_keras(
    release: Release,
    python: str,
    *,
    targets: Sequence[Target],
    builds: Sequence[Build],
    facts: Facts,
    releases: Sequence[Release],
    refusals: list[Refusal],
) -> Combination | None:
    tensorflow = ("tensorflow", Version(release.version))
    plugin, plugin_facts = _plugin(tensorflow[1], python, targets=targets, facts=facts, refusals=refusals)
    if plugin is None and any(target.plugin for target in targets):
        return None
    numpy = _numpy(tensorflow, python, targets=targets, builds=builds, facts=facts, refusals=refusals)
    if numpy is None:
        return None
    declared = _declared("keras", python, targets=targets, builds=builds, facts=facts)
    proven: list[Version] = []
    evidence: list[Relation] = []
    unsafe: list[Relation] = []
    for keras in facts.releases_of("keras", "pypi"):
        version = Version(keras.version)
        build = keras.build(targets[0].subdir)
        allowed = (
            build is not None
            and build_fits(build, python=python, subdir=targets[0].subdir, macos="99")
            and declared.contains(version)
            and all(target.allows("keras", version) for target in targets)
        )
        relations = facts.related(tensorflow, ("keras", version), python=python)
        works = [relation for relation in relations if relation.verdict == "works"]
        bad = [relation for relation in relations if relation.verdict == "fails"]
        risky: list[Relation] = []
        if plugin is not None:
            beside = facts.related(("tensorflow-metal", plugin), ("keras", version), python=python)
            risky = [relation for relation in beside if relation.verdict == "unsafe"]
        pinned = any(pin.package == "keras" for target in targets for pin in target.pins)
        if allowed and works and not bad and (not risky or pinned):
            proven.append(version)
            evidence += works
            unsafe += risky
        elif proven:
            break
    if not proven:
        return None
    keras_facts: tuple[Fact, ...] = (*evidence,)
    if plugin is not None and not unsafe:
        newer = [r for r in facts.releases_of("keras", "pypi") if Version(r.version) > proven[0]]
        for keras in newer[-1:]:
            keras_facts = (
                *facts.related(("tensorflow-metal", plugin), ("keras", Version(keras.version))),
                *keras_facts,
            )
    return Combination(
        python=python,
        framework=tensorflow[1],
        keras=tuple(proven),
        plugin=plugin,
        numpy=numpy,
        facts={
            "tensorflow": tuple(releases),
            "python": tuple(releases),
            "keras": keras_facts,
            "tensorflow-metal": plugin_facts,
            "numpy": (*releases, *_numpy_relations(tensorflow, facts)),
        },
        warnings=tuple(dict.fromkeys(f"{relation.cause}. {relation.remedy or ''}".strip() for relation in unsafe)),
        checks=tuple(dict.fromkeys(relation.check for relation in unsafe if relation.check)),
    )


def _plugin(
    tensorflow: Version, python: str, *, targets: Sequence[Target], facts: Facts, refusals: list[Refusal]
) -> tuple[Version | None, tuple[Fact, ...]]:
    """The newest Metal plug-in that is known to load with this TensorFlow on the targets that want one."""
    wanting = [target for target in targets if target.plugin]
    if not wanting:
        return None, ()
    for release in facts.releases_of("tensorflow-metal", "pypi"):
        version = Version(release.version)
        if not all(target.allows("tensorflow-metal", version) for target in wanting):
            continue
        builds = [release.build(target.subdir) for target in wanting]
        if any(build is None or (build.pythons and python not in build.pythons) for build in builds):
            continue
        relations = facts.related(("tensorflow", tensorflow), ("tensorflow-metal", version), python=python)
        bad = [relation for relation in relations if relation.verdict == "fails"]
        if bad:
            refusals.append(
                Refusal(
                    statement=bad[0].cause,
                    facts=tuple(bad),
                    remedy=bad[0].remedy,
                    packages=("tensorflow", "tensorflow-metal"),
                )
            )
        elif any(relation.verdict == "works" for relation in relations):
            return version, (release, *relations)
    return None, ()


def _declared(
    name: str, python: str, *, targets: Sequence[Target], builds: Sequence[Build], facts: Facts
) -> SpecifierSet:
    found = SpecifierSet()
    for target, build in zip(targets, builds, strict=True):
        found &= facts.requirement(build, name, subdir=target.subdir, python=python) or SpecifierSet()
    return found


def _numpy_relations(tensorflow: tuple[str, Version], facts: Facts) -> tuple[Relation, ...]:
    newest = facts.releases_of("numpy", "pypi")[:1]
    return tuple(
        relation for release in newest for relation in facts.related(tensorflow, ("numpy", Version(release.version)))
    )


def _numpy(
    tensorflow: tuple[str, Version],
    python: str,
    *,
    targets: Sequence[Target],
    builds: Sequence[Build],
    facts: Facts,
    refusals: list[Refusal],
) -> str | None:
    """The NumPy range every target's build declares and every fact allows, or None where no release is in it."""
    declared = _declared("numpy", python, targets=targets, builds=builds, facts=facts)
    fitting: list[Version] = []
    for release in facts.releases_of("numpy", "pypi"):
        version = Version(release.version)
        relations = facts.related(tensorflow, ("numpy", version), python=python)
        bad = [relation for relation in relations if relation.verdict == "fails"]
        pinned_away = not all(target.allows("numpy", version) for target in targets)
        built = all((b := release.build(t.subdir)) is None or python in b.pythons for t in targets)
        if declared.contains(version) and not bad and built and not pinned_away:
            fitting.append(version)
        elif bad and not pinned_away:
            refusals.append(
                Refusal(
                    statement=bad[0].cause, facts=tuple(bad), remedy=bad[0].remedy, packages=("numpy", "tensorflow")
                )
            )
    if not fitting:
        return None
    low, high = minor(fitting[-1]), Version(minor(fitting[0])).release
    return f">={low},<{high[0]}.{high[1] + 1}"
