"""The plan: every spec that goes into environment.yml, with the reason and the facts behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe

MAIN_GROUP = "main"
ProviderName = Literal["conda-forge", "metal", "pypi"]


class Source(StrEnum):
    """Where packages come from."""

    CONDA_FORGE = "conda-forge"
    """The recipe's channels (and PyPI only for what the provider or the recipe says)."""
    PYPI = "pypi"
    """Python from the local `host` channel, everything else from PyPI wheels."""


@dataclass(frozen=True, kw_only=True)
class FactRef:
    """A fact that a choice rests on: its id in the compatibility data and the source it names."""

    id: str
    statement: str
    source: str
    established: Literal["measured", "published", "metadata"]


@dataclass(frozen=True, kw_only=True)
class ChosenSpec:
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
    warnings: tuple[str, ...] = ()
    mandatory_checks: tuple[str, ...] = ()
    virtual_packages: dict[str, str] = field(default_factory=dict)
    """Virtual packages assumed of the target, e.g. `{"__osx": "14.0", "__archspec": "1 m1"}`."""

    def spec(self, manager: Literal["conda", "pip"], name: str) -> ChosenSpec | None:
        return next((spec for spec in self.specs if spec.manager == manager and spec.name == name), None)
