"""Which BLAS the packages of an Apple-silicon Mac use: conda's `libblas`, or the one inside PyPI's NumPy wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import Version

from builder.compat.ranges import parse_range
from builder.errors import UnsatisfiableError
from builder.plan.model import ChosenSpec
from builder.plan.reasons import references
from builder.platforms import Subdir

if TYPE_CHECKING:
    from builder.compat.facts import Facts
    from builder.compat.model import BlasVariant
    from builder.plan.model import Choice
    from builder.plan.question import Target
    from builder.recipe.model import Recipe

#: Best first, for `blas: auto`.
PREFERENCE: Final = ("newaccelerate", "accelerate", "openblas")


def blas_spec(recipe: Recipe, *, facts: Facts) -> ChosenSpec:
    """The `libblas` line for osx-arm64.

    Raises `UnsatisfiableError` where the recipe names a variant that its macOS floor is too old for.
    """
    floor = Version(recipe.macos)
    for variant in PREFERENCE if recipe.blas == "auto" else (recipe.blas,):
        entries = _variants(facts, "libblas", variant)
        fitting = [entry for entry in entries if Version(entry.macos) <= floor]
        if fitting:
            asked = "asked for by the recipe" if recipe.blas == variant else "the fastest this macOS floor allows"
            return ChosenSpec(
                manager="conda",
                name="libblas",
                spec=f"* {fitting[0].build}",
                reason=f"{asked} (macos: {recipe.macos}): {fitting[0].statement}",
                facts=references(fitting),
            )
        if recipe.blas == variant and entries:
            raise _too_old(recipe, entries[0])
    raise UnsatisfiableError(f"no BLAS is known to run on macOS {recipe.macos}", hint='write `macos: "11.0"` or newer')


def numpy_blas(target: Target, numpy: Choice | None, *, wanted: str, facts: Facts) -> str:
    """What BLAS the NumPy wheels of the choice use on the target, as the end of a reason (empty off macOS).

    Raises `UnsatisfiableError` where the recipe wants Accelerate and the wheels for its floor do not use it.
    """
    if target.subdir is not Subdir.OSX_ARM64 or numpy is None:
        return ""
    floor = Version(target.macos)
    accelerate = [
        entry for entry in _variants(facts, "numpy", "accelerate") if parse_range(entry.versions).contains(numpy.newest)
    ]
    if accelerate and Version(accelerate[0].macos) <= floor:
        if wanted == "openblas":
            raise UnsatisfiableError(
                f"blas: openblas is not possible with NumPy from PyPI: {accelerate[0].statement}",
                hint="write `blas: auto`, or `provider: conda-forge`",
            )
        return f"; {accelerate[0].statement}"
    if wanted in ("accelerate", "newaccelerate"):
        if accelerate:
            raise UnsatisfiableError(
                f"blas: {wanted} needs macOS {accelerate[0].macos} for NumPy from PyPI and the floor is "
                f"{target.macos}: {accelerate[0].statement} [{accelerate[0].source}]",
                hint=f'raise `macos:` to "{accelerate[0].macos}", or write `blas: auto`',
            )
        raise UnsatisfiableError(
            f"blas: {wanted} is not possible: NumPy {numpy.newest} from PyPI brings OpenBLAS on every macOS",
            hint="use a framework release that takes NumPy 2, `provider: conda-forge`, or `blas: auto`",
        )
    return "; its wheels for this macOS floor bring OpenBLAS"


def _variants(facts: Facts, package: str, variant: str) -> list[BlasVariant]:
    found = (entry for entry in facts.blas if entry.package == package and entry.variant == variant)
    return sorted(found, key=lambda entry: Version(entry.macos))


def _too_old(recipe: Recipe, entry: BlasVariant) -> UnsatisfiableError:
    return UnsatisfiableError(
        f"blas: {recipe.blas} needs macOS {entry.macos} and the recipe's floor is {recipe.macos}: "
        f"{entry.statement} [{entry.source}]",
        hint=f'raise `macos:` to "{entry.macos}", or write `blas: auto`',
    )
