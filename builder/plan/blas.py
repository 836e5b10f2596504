"""Which BLAS the conda packages of a Mac use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import Version

from builder.errors import UnsatisfiableError
from builder.plan.model import ChosenSpec

if TYPE_CHECKING:
    from builder.compat.facts import Facts
    from builder.compat.model import BlasVariant
    from builder.recipe.model import Recipe

#: Best first, for `blas: auto`.
PREFERENCE: Final = ("newaccelerate", "accelerate", "openblas")


def choose_blas(recipe: Recipe, *, facts: Facts) -> tuple[str, str, tuple[BlasVariant, ...]]:
    """The `libblas` spec for osx-arm64, its reason, and the facts behind it.

    Raises `UnsatisfiableError` where the recipe names a variant that its macOS floor is too old for.
    """
    floor = Version(recipe.macos)
    for variant in PREFERENCE if recipe.blas == "auto" else (recipe.blas,):
        entries = sorted((v for v in facts.blas if v.variant == variant), key=lambda entry: Version(entry.macos))
        fitting = tuple(entry for entry in entries if Version(entry.macos) <= floor)
        if fitting:
            asked = "asked for by the recipe" if recipe.blas == variant else "the fastest this macOS floor allows"
            return f"* {fitting[0].build}", f"{fitting[0].statement}; {asked} (macos: {recipe.macos})", fitting
        if recipe.blas == variant:
            raise UnsatisfiableError(
                f"blas: {variant} needs macOS {entries[0].macos} and the recipe's floor is {recipe.macos}: "
                f"{entries[0].statement} [{entries[0].source}]",
                hint=f'raise `macos:` to "{entries[0].macos}", or write `blas: auto`',
            )
    raise UnsatisfiableError(f"no BLAS runs on macOS {recipe.macos}", hint='raise `macos:` to "11.0" or newer')


def blas_spec(recipe: Recipe, *, facts: Facts) -> ChosenSpec:
    from builder.plan.reasons import reference

    spec, reason, variants = choose_blas(recipe, facts=facts)
    return ChosenSpec(
        manager="conda",
        name="libblas",
        spec=spec,
        reason=reason,
        facts=tuple(reference(v, v.statement) for v in variants),
    )
