"""From a recipe to decisions: the providers it leaves open, and every combination worth trying in turn."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from builder.compat.together import LockedSetJudge
from builder.frameworks import registry
from builder.frameworks.keras import OVER_FRAMEWORKS
from builder.names import conda_name
from builder.plan.catalogue import LOCKED, PYTHONS
from builder.plan.choose import PROVEN, TOLERANCES, Search, Tolerance
from builder.plan.existence import Existing, Obstacles, existing, refuse_unknown_packages
from builder.plan.pins import conda_to_pep440, wanted
from builder.plan.providers import offers
from builder.plan.question import Question, make_targets, minors
from builder.plan.refuse import refusal
from builder.plan.staying import staying
from builder.plan.terms import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.version import Version

    from builder.compat.facts import Facts
    from builder.errors import UnsatisfiableError
    from builder.frameworks.model import Framework
    from builder.plan.catalogue import Catalogue
    from builder.plan.choose import Memo
    from builder.plan.model import Combination
    from builder.plan.providers import Provider
    from builder.plan.question import Target
    from builder.plan.staying import Kept
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe


class Decision(Struct, frozen=True, kw_only=True):
    """A combination for the targets of one question, and what the user should know about how it came to be."""

    question: Question
    combination: Combination
    notes: tuple[str, ...] = ()
    newer: Version | None = None
    """The newest release that the channel has and that no fact is about, where it was passed over for that alone."""
    instead: str | None = None
    """What would be chosen without the lock there is; None where that changes nothing."""

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.question.targets


class _Asked(Struct, frozen=True, kw_only=True):
    """One provider's question, with what the channel has that no fact is about."""

    question: Question
    existing: Existing
    memo: Memo
    obstacles: Obstacles | None

    def search(self, tolerance: Tolerance, question: Question | None = None) -> Search:
        """A run through the candidates; `question` is this one with more of it fixed."""
        asked = question or self.question
        return Search(
            question=asked,
            tolerance=tolerance,
            unknown=self.existing.unknown,
            memo=self.memo,
            obstacles=replace(self.obstacles, question=asked) if self.obstacles is not None else None,
        )

    @property
    def pinned(self) -> bool:
        """Whether the user asks for a release of the framework, its partners or its plug-in by name."""
        question = self.question
        names = (question.framework.main, *question.partners, *((question.plugin,) if question.plugin else ()))
        return bool(question.pins_on(*names))


def decisions(
    recipe: Recipe,
    subdirs: Sequence[Subdir],
    *,
    source: Source,
    facts: Facts,
    python: str | None,
    catalogue: Catalogue | None,
    kept: Kept | None = None,
) -> Iterator[Decision]:
    """Every decision in the order of preference: what is proven first, then by provider, framework and Python.

    With what the lock there is has (`kept`), that comes first among what is as well proven. Raises
    `UnsatisfiableError`, with the fact or the channel's metadata behind it, where there is none at all.
    """
    framework = registry.framework(recipe.framework.name)
    providers = offers(recipe, framework, source)
    if catalogue is not None:
        _ask_ahead(recipe, subdirs, framework, facts=facts, catalogue=catalogue)
        refuse_unknown_packages(recipe, subdirs, providers, facts=facts, catalogue=catalogue)
    asked = [
        _ask(recipe, subdirs, framework, provider, facts=facts, python=python, catalogue=catalogue)
        for provider in providers
    ]
    if not framework.main:
        _refuse_pinned_pairs(recipe, subdirs, facts=facts)
    seen: set[tuple[object, ...]] = set()
    for tolerance in _tolerances(recipe):
        for one, combination in _found(asked, tolerance, kept):
            key = (one.question.targets[0].provider, *combination.releases)
            if key in seen:
                continue  # a laxer search finds again what a stricter one has found
            seen.add(key)
            newer = _newer(one, combination)
            notes = (*_fallen_back(asked, one), *_gpu_notes(recipe, one), *_told(one, combination, newer))
            # What a lock holds does not say what the channels would have led to.
            asks = combination.kept and not (catalogue is not None and catalogue.described == LOCKED)
            instead = _instead(asked, tolerance, combination) if asks else None
            yield Decision(question=one.question, combination=combination, notes=notes, newer=newer, instead=instead)
    if not seen:
        raise _why_nothing(asked)


def _found(asked: Sequence[_Asked], tolerance: Tolerance, kept: Kept | None) -> Iterator[tuple[_Asked, Combination]]:
    """What the providers have at a tolerance: as much as possible of the lock there is first, then anything."""
    # Only what a user asked for by name may compute wrongly.
    allowed = [one for one in asked if one.pinned or not tolerance.unsafe]
    for questions in zip_longest(*(staying(one.question, kept) for one in allowed if kept is not None)):
        for one, question in zip(allowed, questions, strict=True):
            if question is not None:
                for combination in one.search(tolerance, question).combinations():
                    yield one, structs.replace(combination, kept=True)
    for one in allowed:
        for combination in one.search(tolerance).combinations():
            yield one, combination


def _instead(asked: Sequence[_Asked], tolerance: Tolerance, kept: Combination) -> str | None:
    """`TensorFlow 2.21.0`, where that is what the recipe leads to and the lock has another one."""
    for one, combination in _found(asked, tolerance, None):
        if combination.main is None or kept.main is None or combination.main.newest <= kept.main.newest:
            return None
        return one.question.facts.display(combination.main.package, combination.main.newest)
    return None


def _ask_ahead(
    recipe: Recipe, subdirs: Sequence[Subdir], framework: Framework, *, facts: Facts, catalogue: Catalogue
) -> None:
    """Tell the catalogue every package that will be asked for."""
    asked = [dependency.conda_name for subdir in subdirs for dependency in wanted(recipe, subdir=subdir, facts=facts)]
    names = ("python", "numpy", framework.conda, framework.conda_base, *map(conda_name, framework.partners), *asked)
    catalogue.ask([name for name in dict.fromkeys(names) if name], subdirs)


def _refuse_pinned_pairs(recipe: Recipe, subdirs: Sequence[Subdir], *, facts: Facts) -> None:
    """Raise `UnsatisfiableError` for exact versions that the recipe asks for and that are known not to work together.

    With a framework they are part of the question; without one this is what can be told before anything is locked.
    """
    judge = LockedSetJudge(facts=facts)
    for subdir in subdirs:
        exact = {}
        for dependency in wanted(recipe, subdir=subdir, facts=facts):
            requirement = dependency.pypi if dependency.always_pypi else None
            specifiers = (requirement.specifier,) if requirement else conda_to_pep440(dependency.conda_spec)
            for specifier in specifiers[0] if len(specifiers) == 1 else ():
                if specifier.operator == "==" and not specifier.version.endswith(".*"):
                    exact["pip" if requirement else "conda", dependency.subject] = specifier.version
        judge(subdir, exact)


def _tolerances(recipe: Recipe) -> tuple[Tolerance, ...]:
    if recipe.framework.unproven == "allow":
        return tuple(tolerance for tolerance in TOLERANCES if tolerance.unproven)
    return TOLERANCES


def _ask(
    recipe: Recipe,
    subdirs: Sequence[Subdir],
    framework: Framework,
    provider: Provider,
    *,
    facts: Facts,
    python: str | None,
    catalogue: Catalogue | None,
) -> _Asked:
    there = Existing(facts=facts)
    if catalogue is not None and provider.origin == "conda-forge" and framework.main:
        there = existing(facts, framework=framework, catalogue=catalogue, subdirs=subdirs, pythons=PYTHONS)
    targets = make_targets(recipe, subdirs, framework=framework, provider=provider, facts=facts)
    question = Question(
        recipe=recipe,
        framework=framework,
        partners=_partners(recipe, framework, provider, targets, facts),
        targets=targets,
        minors=minors(recipe, targets, python),
        facts=there.facts,
        catalogue=catalogue,
    )
    obstacles = Obstacles(question=question) if catalogue is not None else None
    return _Asked(question=question, existing=there, memo=there.facts.judged, obstacles=obstacles)


def _partners(
    recipe: Recipe, framework: Framework, provider: Provider, targets: Sequence[Target], facts: Facts
) -> tuple[str, ...]:
    """The framework's own partners, Keras where it is asked for, and what the recipe wants of its companions.

    Without a framework: everything the recipe asks for that facts are about.
    """
    subjects = [
        dependency.subject for target in targets for dependency in wanted(recipe, subdir=target.subdir, facts=facts)
    ]
    if not framework.main:
        return tuple(dict.fromkeys(subject for subject in subjects if facts.releases_of(subject, "pypi")))
    over = (OVER_FRAMEWORKS,) if recipe.framework.keras is not None else ()
    # What a channel builds for its own framework, its metadata says; wheels are bound to wheels.
    tied = [
        subject
        for subject in subjects
        if provider.origin == "pypi" and subject in framework.companions and facts.releases_of(subject, "pypi")
    ]
    return tuple(dict.fromkeys((*framework.partners, *over, *tied)))


def _fallen_back(asked: Sequence[_Asked], taken: _Asked) -> tuple[str, ...]:
    """Why the providers that come before the one taken have nothing: the GPU's plug-in, the channel."""
    notes = []
    for passed in asked[: asked.index(taken)]:
        provider = passed.question.targets[0].provider
        title = passed.question.facts.display(passed.question.framework.main)
        if next(passed.search(PROVEN).combinations(), None) is not None:
            # It had its turn, and the solver refused all of it.
            beside = "cannot be solved together with what else the recipe asks for"
            if provider.plugin:
                notes.append(f"{title} with the GPU's plug-in {beside}, so the framework runs on the CPU")
            else:
                notes.append(f"{title} is taken from PyPI, because that of {provider.name} {beside}")
            continue
        catalogue = passed.question.catalogue
        if catalogue is not None and catalogue.described == LOCKED and not provider.plugin:
            # A lock holds what was taken, and cannot say what the channel had.
            notes.append(f"{title} is locked from PyPI: {provider.name} had none that fitted when the lock was made")
            continue
        reason = refusal(passed.question, passed.search(PROVEN)).plain
        if provider.plugin:
            notes.append(f"no GPU plug-in fits, so the framework runs on the CPU: {reason}")
        else:
            notes.append(f"{title} is taken from PyPI, because {provider.name} does not have it: {reason}")
    return tuple(notes)


def _gpu_notes(recipe: Recipe, one: _Asked) -> tuple[str, ...]:
    question = one.question
    framework, provider = question.framework, question.targets[0].provider
    if not framework.main:
        return ()
    notes = []
    if recipe.framework.gpu and recipe.framework.provider not in ("metal", "auto") and framework.plugin is not None:
        place = "conda-forge" if provider.origin == "conda-forge" else "PyPI without its plug-in"
        notes.append(
            f"`gpu: true` has no effect: {question.facts.display(framework.main)} from {place} computes on the CPU of "
            "a Mac; write `provider: metal` or `provider: auto`"
        )
    if recipe.framework.keras is not None and OVER_FRAMEWORKS not in framework.partners and framework.keras_backend:
        default = next(entry for entry in registry.all_frameworks() if OVER_FRAMEWORKS in entry.partners)
        notes.append(f"Keras takes {default.title} unless KERAS_BACKEND={framework.keras_backend} is set")
    return tuple(notes)


def _newer(one: _Asked, combination: Combination) -> Version | None:
    """The newest release that the channel has and that no fact is about, where it was passed over for that alone."""
    question, main = one.question, combination.main
    if main is None:
        return None
    there = (
        version
        for version in one.existing.unknown
        if version > main.newest
        and question.allows(main.package, version)
        and (release := question.facts.release(main.package, version, "conda-forge")) is not None
        and all(release.build(target.subdir) is not None for target in question.targets)
    )
    return max(there, default=None)


def _told(one: _Asked, combination: Combination, newer: Version | None) -> tuple[str, ...]:
    main, catalogue = combination.main, one.question.catalogue
    if newer is None or main is None or catalogue is None:
        return ()
    return (
        f"{one.question.facts.display(main.package, newer)} is on {catalogue.described}; no fact here shows what works "
        f"with it, so {main.newest} was taken; "
        f'`framework: {{version: "{newer.major}.{newer.minor}", unproven: allow}}` takes it',
    )


def _why_nothing(asked: Sequence[_Asked]) -> UnsatisfiableError:
    """The refusal of the provider that was left to the end, which of several is the least demanding one."""
    last = asked[-1]
    tolerance = TOLERANCES[-1] if last.pinned else Tolerance(unsafe=False, unproven=True)
    return refusal(last.question, last.search(tolerance), elsewhere=_elsewhere(last))


def _elsewhere(one: _Asked) -> str | None:
    """`provider: pypi` where the recipe insists on another one and PyPI has what it asks for."""
    question = one.question
    recipe = question.recipe
    asked_for = recipe.framework.provider
    if asked_for not in ("conda-forge", "metal") or question.targets[0].provider.local or not question.framework.main:
        return None
    other = recipe.replaced(framework=recipe.framework.replaced(provider="pypi"))
    subdirs = tuple(target.subdir for target in question.targets)
    (provider,) = offers(other, question.framework, Source.CONDA_FORGE)
    asked = _ask(
        other, subdirs, question.framework, provider, facts=replace(question.facts, asked=frozenset()), python=None,
        catalogue=None,
    )  # fmt: skip
    found = next(asked.search(PROVEN).combinations(), None)
    if found is None or found.main is None:
        return None
    named = question.facts.display(found.main.package, found.main.newest)
    return f"write `provider: pypi` ({named} from PyPI{', without the GPU' if asked_for == 'metal' else ''})"
