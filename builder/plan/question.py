"""What is being asked of the facts: the frameworks and how they are made up, the targets, the pins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from builder.compat.fit import EVERY_PATCH, Setting
from builder.errors import UnsatisfiableError
from builder.plan.model import Source
from builder.plan.pins import Pin, pins, touches_series
from builder.platforms import Subdir
from builder.recipe.specs import specifier_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.version import Version

    from builder.compat.facts import Facts
    from builder.compat.model import Origin
    from builder.recipe.model import FrameworkName, Recipe

#: Python minors envbuild plans for, newest first.
PYTHONS: Final = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9")

ProviderName = Literal["conda-forge", "metal", "pypi"]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A framework: the package whose builds decide, the packages that must fit it, and Apple's GPU plug-in for it."""

    name: FrameworkName
    main: str
    conda: str
    """Conda's name of `main`."""
    partners: tuple[str, ...] = ()
    plugin: str | None = None
    build: str = ""
    """Glob of the CPU builds on conda-forge; `{py}` stands for `312`."""
    open_above: bool = False
    """Nothing else must fit it, so a newer release than the facts know may be taken from a channel."""
    gpu: str = ""
    """How the Mac's GPU is reached without a plug-in, for the reason."""


FAMILIES: Final[dict[str, Family]] = {
    "tensorflow": Family(
        name="tensorflow", main="tensorflow", conda="tensorflow", partners=("keras",), plugin="tensorflow-metal",
        build="cpu_py{py}*",
    ),
    "pytorch": Family(
        name="pytorch", main="torch", conda="pytorch", build="cpu_*",
        gpu="PyTorch reaches the Mac's GPU by itself (MPS)",
    ),
    "jax": Family(name="jax", main="jaxlib", conda="jaxlib", partners=("jax",), plugin="jax-metal", build="cpu_*"),
    "mlx": Family(
        name="mlx", main="mlx", conda="mlx", open_above=True, gpu="MLX is made for the Mac's GPU",
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Target:
    """One platform of the question: where its framework comes from and what the recipe pins on it."""

    subdir: Subdir
    provider: ProviderName
    pins: tuple[Pin, ...]
    macos: str
    plugin: bool = False

    @property
    def origin(self) -> Origin:
        return "conda-forge" if self.provider == "conda-forge" else "pypi"

    def allows(self, package: str, version: Version) -> bool:
        """Whether the recipe's pins allow a release.

        Of most packages facts know the newest patch of each minor only; a pin on another patch is no objection there.
        """
        pins = [pin for pin in self.pins if pin.package == package]
        if package in EVERY_PATCH:
            return all(pin.allows(version) for pin in pins)
        return all(touches_series(version, pin) for pin in pins)

    def setting(self, family: Family, python: str) -> Setting:
        """The target as the facts see it. Keras and the companions are judged by their PyPI metadata everywhere."""
        origins: dict[str, Origin] = {family.main: self.origin}
        macos = self.macos if self.subdir.is_osx else None
        return Setting(subdir=self.subdir, python=python, macos=macos, origins=origins)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything a choice depends on. `minors` are the Pythons in question, newest first."""

    family: Family
    targets: tuple[Target, ...]
    minors: tuple[str, ...]
    facts: Facts

    def allows(self, package: str, version: Version) -> bool:
        return all(target.allows(package, version) for target in self.targets)

    def pins_on(self, *packages: str) -> tuple[Pin, ...]:
        found = (pin for target in self.targets for pin in target.pins if pin.package in packages)
        return tuple({(pin.package, pin.text, pin.where): pin for pin in found}.values())


def provider(recipe: Recipe, source: Source, *, plugin_fits: bool) -> ProviderName:
    """Where the framework comes from. `auto` is metal where a GPU is asked for and the plug-in fits."""
    if source is Source.PYPI:
        return "pypi"
    family = FAMILIES.get(recipe.framework.name)
    if family is None or family.plugin is None:
        return "conda-forge"
    if recipe.framework.provider == "metal":
        return "metal"
    return "metal" if recipe.framework.provider == "auto" and recipe.framework.gpu and plugin_fits else "conda-forge"


def wants_plugin(recipe: Recipe) -> bool:
    """Whether the recipe asks for the plug-in, or leaves it to `auto` and asks for a GPU."""
    family = FAMILIES.get(recipe.framework.name)
    if family is None or family.plugin is None:
        return False
    return recipe.framework.provider == "metal" or (recipe.framework.provider == "auto" and recipe.framework.gpu)


def make_targets(
    recipe: Recipe, subdirs: Sequence[Subdir], *, source: Source, facts: Facts, plugin: bool
) -> tuple[Target, ...]:
    chosen = provider(recipe, source, plugin_fits=plugin)
    return tuple(
        Target(
            subdir=subdir,
            provider=chosen,
            pins=pins(recipe, subdir=subdir, facts=facts),
            macos=recipe.macos,
            plugin=plugin and subdir is Subdir.OSX_ARM64,
        )
        for subdir in subdirs
    )


def python_fits(text: str, recipe: Recipe, targets: Sequence[Target]) -> bool:
    """A minor fits a range when some patch of it does: `>=3.11.4` allows 3.11."""
    allowed = specifier_set(recipe.python)
    patches = (f"{text}.0", f"{text}.99")
    return any(
        allowed.contains(patch)
        and all(pin.allows(patch) for target in targets for pin in target.pins if pin.package == "python")
        for patch in patches
    )


def minors(recipe: Recipe, targets: Sequence[Target], asked: str | None) -> tuple[str, ...]:
    """Python minors that the recipe and the machine allow, newest first.

    Raises `UnsatisfiableError` when the machine's interpreter, or every Python known here, is outside.
    """
    if asked is not None:
        if not python_fits(asked, recipe, targets):
            raise UnsatisfiableError(
                f"this interpreter is Python {asked} and the recipe allows {recipe.python}",
                hint=f"choose an interpreter within {recipe.python} (--python PATH), or change `python:`",
            )
        return (asked,)
    found = tuple(text for text in PYTHONS if python_fits(text, recipe, targets))
    if not found:
        raise UnsatisfiableError(
            f"python: {recipe.python} allows none of the Pythons that envbuild plans for ({', '.join(PYTHONS)})",
            hint='write for instance python: ">=3.11,<3.13"',
        )
    return found
