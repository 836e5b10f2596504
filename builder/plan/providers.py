"""Where a framework comes from: one class for each provider, and what follows from it for everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from builder.plan.terms import Source

if TYPE_CHECKING:
    from builder.compat.model import Origin
    from builder.frameworks.model import Framework
    from builder.plan.terms import ProviderName
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe


class Provider(Protocol):
    """A provider decides the origin of the framework and, with NumPy's, that of everything which links NumPy."""

    @property
    def name(self) -> ProviderName: ...

    @property
    def origin(self) -> Origin:
        """Where the framework, its partners and NumPy come from."""

    @property
    def manager(self) -> Literal["conda", "pip"]: ...

    @property
    def plugin(self) -> bool:
        """Whether the Mac's GPU plug-in is part of it."""

    @property
    def local(self) -> bool:
        """Whether conda brings the interpreter alone, so that even pip has to be asked for."""

    def pypi_reason(self, *, links_numpy: bool) -> str | None:
        """Why a dependency that conda has is taken from PyPI, as the end of a reason; None where it stays conda's."""

    def note(self, subdir: Subdir) -> str:
        """What to add to the framework's reason on a platform."""


class CondaForge(Struct, frozen=True):
    """Everything from the recipe's channels."""

    name: ProviderName = "conda-forge"
    origin: Origin = "conda-forge"
    manager: Literal["conda", "pip"] = "conda"
    plugin: bool = False
    local: bool = False

    def pypi_reason(self, *, links_numpy: bool) -> str | None:
        return None

    def note(self, subdir: Subdir) -> str:
        return ""


class Pypi(Struct, frozen=True):
    """The framework and what links NumPy from PyPI, over a conda Python: newer releases and Pythons than channels have.

    With `local` the interpreter is this machine's own and everything else is from PyPI (`--source pypi`).
    """

    name: ProviderName = "pypi"
    origin: Origin = "pypi"
    manager: Literal["conda", "pip"] = "pip"
    plugin: bool = False
    local: bool = False

    def pypi_reason(self, *, links_numpy: bool) -> str | None:
        if self.local:
            return ""
        return "; from PyPI, because conda's build would bring a second NumPy and BLAS" if links_numpy else None

    def note(self, subdir: Subdir) -> str:
        return ""


class Metal(Pypi, frozen=True):
    """As `Pypi`, with Apple's plug-in on the Mac; the other platforms get the same release."""

    name: ProviderName = "metal"
    plugin: bool = True

    def note(self, subdir: Subdir) -> str:
        return "" if subdir.is_osx else "; from PyPI as on the Mac, so that it is the same release"


def offers(recipe: Recipe, framework: Framework, source: Source) -> tuple[Provider, ...]:
    """The providers that the recipe leaves open, best first."""
    asked = recipe.framework
    has_plugin = framework.plugin is not None
    if source is Source.PYPI:
        without = Pypi(local=True)
        if not has_plugin or asked.provider not in ("metal", "auto") or (asked.provider == "auto" and not asked.gpu):
            return (without,)
        with_plugin = Pypi(local=True, plugin=True)
        return (with_plugin, without) if asked.provider == "auto" else (with_plugin,)
    if asked.provider == "metal":
        return (Metal(),)
    if asked.provider == "conda-forge" or (asked.provider == "auto" and not framework.main):
        return (CondaForge(),)
    if asked.provider == "pypi":
        return (Pypi(),)
    metal = (Metal(),) if has_plugin and asked.gpu else ()
    return (*metal, CondaForge(), Pypi())
