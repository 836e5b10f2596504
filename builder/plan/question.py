"""What is being asked of the facts: the framework, the targets, the pins, the Pythons in question."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from packaging.version import Version

from builder.compat.fit import Setting
from builder.errors import UnsatisfiableError
from builder.plan.catalogue import PYTHONS
from builder.plan.pins import Pin, pins, touches_series
from builder.platforms import Subdir
from builder.recipe.specs import specifier_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Origin
    from builder.frameworks.model import Framework
    from builder.plan.catalogue import Catalogue
    from builder.plan.providers import Provider
    from builder.recipe.model import Recipe

#: No minor of Python has had more patches.
_PATCHES: Final = 30


class Target(Struct, frozen=True, kw_only=True):
    """One platform of the question: where its framework comes from and what the recipe pins on it."""

    subdir: Subdir
    provider: Provider
    pins: tuple[Pin, ...]
    macos: str

    @property
    def plugin(self) -> bool:
        """Whether the GPU plug-in is to be installed here."""
        return self.provider.plugin and self.subdir is Subdir.OSX_ARM64

    @property
    def origin(self) -> Origin:
        return self.provider.origin

    def allows(self, package: str, version: Version, facts: Facts) -> bool:
        """Whether the recipe's pins allow a release.

        Of most packages facts know the newest patch of each minor only; a pin on another patch is no objection there.
        """
        pins = [pin for pin in self.pins if pin.package == package]
        if facts.knows_every_patch(package):
            return all(pin.allows(version) for pin in pins)
        return all(touches_series(version, pin) for pin in pins)

    def setting(self, framework: Framework, python: str) -> Setting:
        """The target as the facts see it. Keras and the companions are judged by their PyPI metadata everywhere."""
        origins: dict[str, Origin] = {framework.main: self.origin}
        macos = self.macos if self.subdir.is_osx else None
        return Setting(subdir=self.subdir, python=python, macos=macos, origins=origins)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything a choice depends on. `minors` are the Pythons in question, newest first."""

    recipe: Recipe
    framework: Framework
    partners: tuple[str, ...]
    """Packages to be chosen together with the framework: its own partners, and those the recipe asks for."""
    targets: tuple[Target, ...]
    minors: tuple[str, ...]
    facts: Facts
    catalogue: Catalogue | None = field(default=None, compare=False)
    """What exists on the channels; None where they cannot be asked, so that facts have to stand in."""
    given_up: frozenset[str] = frozenset()
    """Restrictions of the recipe to plan without (`Pin.where`, and `python`): what would be possible then."""

    @property
    def plugin(self) -> str | None:
        return self.framework.plugin.name if self.framework.plugin is not None else None

    def allows(self, package: str, version: Version) -> bool:
        return all(target.allows(package, version, self.facts) for target in self.targets)

    def pins_on(self, *packages: str) -> tuple[Pin, ...]:
        found = (pin for target in self.targets for pin in target.pins if pin.package in packages)
        return tuple({(pin.package, pin.text, pin.where): pin for pin in found}.values())


def make_targets(
    recipe: Recipe, subdirs: Sequence[Subdir], *, framework: Framework, provider: Provider, facts: Facts
) -> tuple[Target, ...]:
    return tuple(
        Target(
            subdir=subdir,
            provider=provider,
            pins=pins(recipe, subdir=subdir, framework=framework, facts=facts),
            macos=recipe.macos,
        )
        for subdir in subdirs
    )


def python_patches(minor: str, recipe: Recipe, targets: Sequence[Target]) -> tuple[Version, ...]:
    """The patches of a minor that the recipe's `python:` and dependencies allow."""
    pinned = [pin for target in targets for pin in target.pins if pin.package == "python"]
    within = _patches_within(minor, recipe.python)
    return tuple(version for version in within if all(pin.allows(version) for pin in pinned))


@cache
def _patches_within(minor: str, python: str) -> tuple[Version, ...]:
    allowed = specifier_set(python)
    every = (Version(f"{minor}.{patch}") for patch in range(_PATCHES))
    return tuple(version for version in every if allowed.contains(version))


def minors(recipe: Recipe, targets: Sequence[Target], asked: str | None) -> tuple[str, ...]:
    """Python minors that the recipe and the machine allow, newest first. `asked` is a version or a minor.

    Raises `UnsatisfiableError` when the machine's interpreter, or every Python known here, is outside.
    """
    if asked is not None:
        minor = ".".join(asked.split(".")[:2])
        patches = python_patches(minor, recipe, targets)
        exact = asked if re.fullmatch(r"\d+\.\d+\.\d+", asked) else None
        if not patches or (exact is not None and Version(exact) not in patches):
            raise UnsatisfiableError(
                f"this interpreter is Python {asked} and the recipe allows {recipe.python}",
                hint=f"choose an interpreter within {recipe.python} (--python PATH), or change `python:`",
            )
        return (minor,)
    found = tuple(minor for minor in PYTHONS if python_patches(minor, recipe, targets))
    if not found:
        raise UnsatisfiableError(
            f"python: {recipe.python} allows none of the Pythons that envbuild plans for ({', '.join(PYTHONS)})",
            hint='write for instance python: ">=3.11,<3.13"',
        )
    return found


@cache
def python_spec(minor: str, python: str) -> str:
    """The conda spec of a chosen minor within a recipe's `python:`: `3.12.*`, `3.12.*,<3.12.5`, `3.12.4.*`."""
    allowed = specifier_set(python)
    patches = [f"{minor}.{patch}" for patch in range(_PATCHES)]
    if all(allowed.contains(patch) for patch in patches):
        return f"{minor}.*"
    beyond = [
        # What holds for every patch of the minor says nothing more than the minor itself.
        specifier
        for specifier in allowed
        if not all(specifier.contains(patch) for patch in patches)
    ]
    texts = [
        _conda(str(specifier)) for specifier in sorted(beyond, key=lambda s: (not s.operator.startswith(">"), str(s)))
    ]
    exact = next((text for text in texts if text.startswith("==") or (text.endswith(".*") and text[0].isdigit())), None)
    return exact if exact is not None and len(texts) == 1 else ",".join((f"{minor}.*", *texts))


def _conda(specifier: str) -> str:
    """`==3.12.4.*` as conda writes it: `3.12.4.*`."""
    return specifier.removeprefix("==") if specifier.startswith("==") and specifier.endswith(".*") else specifier
