"""The plan: every spec that goes into environment.yml, with the reason and the facts behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from packaging.version import Version

    from builder.compat.model import Fact, Relation
    from builder.plan.terms import ProviderName, Source
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe


class FactRef(Struct, frozen=True, kw_only=True):
    """A fact that a choice rests on: its id in the compatibility data and the source it names."""

    id: str
    statement: str
    source: str
    established: Literal["measured", "published", "metadata"]


class ChosenSpec(Struct, frozen=True, kw_only=True):
    """One line of environment.yml.

    `spec` is what follows the name: a conda version and build (`2.19.*`, `* *_newaccelerate`) or a PEP 440
    specifier with extras and marker left out; empty for any version.
    """

    manager: Literal["conda", "pip"]
    name: str
    spec: str
    reason: str
    group: str = MAIN_GROUP
    extras: tuple[str, ...] = ()
    facts: tuple[FactRef, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What was chosen for one platform. `warnings` are for the user to read before locking."""

    recipe: Recipe
    subdir: Subdir
    source: Source
    provider: ProviderName
    specs: tuple[ChosenSpec, ...]
    gpu: bool = False
    """Whether a plug-in for the Mac's GPU is part of the plan on this platform."""
    warnings: tuple[str, ...] = ()
    mandatory_checks: tuple[str, ...] = ()
    virtual_packages: dict[str, str] = field(default_factory=dict)
    """Virtual packages assumed of the target, e.g. `{"__osx": "14.0", "__archspec": "1 m1"}`."""

    existence: str = ""
    """Who said what exists: the channel's own metadata, a lock, or facts of a day."""
    newer: str | None = None
    """The newest release of the framework that the channel has and that facts know nothing about; None: none."""
    instead: str | None = None
    """The framework that would be chosen without the lock there is, as people write it; None: the same."""
    combination: Combination | None = field(default=None, compare=False, repr=False)
    """What was chosen, for whoever has to explain why it cannot be solved."""

    def spec(self, manager: Literal["conda", "pip"], name: str) -> ChosenSpec | None:
        return next((spec for spec in self.specs if spec.manager == manager and spec.name == name), None)


class Choice(Struct, frozen=True, kw_only=True):
    """The releases of one package that fit, newest first, a contiguous run; and what that rests on."""

    package: str
    versions: tuple[Version, ...]
    facts: tuple[Fact, ...] = ()

    @property
    def newest(self) -> Version:
        """The newest of the run; a choice that was left open has none."""
        return self.versions[0]


class Combination(Struct, frozen=True, kw_only=True):
    """What was chosen, the same for all targets it was chosen for."""

    python: str
    main: Choice | None = None
    partners: tuple[Choice, ...] = ()
    plugin: Choice | None = None
    numpy: Choice | None = None
    companions: tuple[Choice, ...] = ()
    """Companions that need a bound of ours, because what is declared admits releases that break."""
    unsafe: tuple[Relation, ...] = ()
    unproven: tuple[str, ...] = ()
    held_back: str = ""
    """Why the newest framework in question was not taken; empty when it was."""
    kept: bool = False
    """Whether it was chosen because the lock there is has it."""

    @property
    def releases(self) -> tuple[object, ...]:
        """Python, framework and plug-in: what tells one combination from another."""
        return (self.python, *(choice.versions[:1] for choice in (self.main, self.plugin) if choice is not None))

    def warnings(self, *, plugin: bool) -> tuple[str, ...]:
        """What the user must read first; what is unsafe is so beside the plug-in only."""
        unsafe = self.unsafe if plugin else ()
        loud = [f"UNSAFE: {r.cause}" + (f"; {r.remedy}" if r.remedy else "") for r in unsafe]
        return tuple(dict.fromkeys([*loud, *(f"unproven: {text}" for text in self.unproven)]))

    @property
    def checks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(relation.check for relation in self.unsafe if relation.check))
