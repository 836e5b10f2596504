"""All frameworks and libraries that envbuild knows: one for each file of this folder, and those of other packages.

A package that is installed beside envbuild adds a framework by an entry point of the group `envbuild.frameworks` whose
value is a `Framework`.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from typing import TYPE_CHECKING, Final

from builder import frameworks
from builder.errors import UsageError
from builder.frameworks.announced import announced
from builder.frameworks.model import Framework, Library

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from builder.frameworks.model import Claim, Plugin, Probe

GROUP: Final = "envbuild.frameworks"
NONE: Final = "none"


@cache
def all_frameworks() -> tuple[Framework, ...]:
    """Every framework that a recipe may name, `none` last.

    Raises `UsageError` for an entry point that does not give one, or that takes a name that is taken.
    """
    found = [library for library in _own() if isinstance(library, Framework)]
    for entry in announced(GROUP):
        try:
            value = entry.load()
        except Exception as error:
            raise UsageError(
                f"the framework {entry.name!r} of {entry.value} cannot be loaded: {type(error).__name__}: {error}",
                hint="uninstall or update the package that brings it",
            ) from error
        if not isinstance(value, Framework):
            raise UsageError(f"{entry.value} is not a Framework", hint="see docs/contributing/adding-a-framework.md")
        taken = {name for other in found for name in (other.name, *other.aliases)} & {value.name, *value.aliases}
        if taken:
            raise UsageError(
                f"{entry.value} brings a framework called {', '.join(sorted(taken))}, which exists",
                hint="uninstall the package that brings it",
            )
        found.append(value)
    return tuple(sorted(found, key=lambda framework: (framework.precedence, framework.name)))


def from_outside() -> bool:
    """Whether any framework comes from a package beside envbuild."""
    own = {library.name for library in _own()}
    return any(entry.name not in own for entry in all_frameworks())


@cache
def _modules() -> tuple[ModuleType, ...]:
    found = pkgutil.iter_modules(frameworks.__path__)
    return tuple(importlib.import_module(f"{frameworks.__name__}.{module.name}") for module in found)


def _own() -> tuple[Library, ...]:
    """What the modules of this folder define as `FRAMEWORK` or `LIBRARY`."""
    named = (vars(module).get(name) for module in _modules() for name in ("FRAMEWORK", "LIBRARY"))
    return tuple(value for value in named if value is not None)


def framework(name: str | None) -> Framework:
    """The framework of a name or alias; None is no framework. Raises `UsageError` for an unknown name."""
    name = name or NONE
    found = next((entry for entry in all_frameworks() if name in (entry.name, *entry.aliases)), None)
    if found is None:
        known = ", ".join(entry.name for entry in all_frameworks())
        raise UsageError(f"there is no framework called {name!r}", hint=f"use one of {known}")
    return found


def known_framework(name: str | None) -> Framework:
    """As `framework`, but a name that nothing here knows (a stamp of another version) is no framework."""
    known = {alias for entry in all_frameworks() for alias in (entry.name, *entry.aliases)}
    return framework(name if name in known else None)


def libraries() -> tuple[Library, ...]:
    """Frameworks, and the libraries over them, in a stable order."""
    return (*all_frameworks(), *(library for library in _own() if not isinstance(library, Framework)))


def claims() -> tuple[Claim, ...]:
    """Every check that a library brings, and those that several share (`CLAIMS` of a module)."""
    shared = (claim for module in _modules() for claim in vars(module).get("CLAIMS", ()))
    return (*(claim for library in libraries() for claim in library.claims), *shared)


def probes() -> tuple[Probe, ...]:
    return tuple(probe for library in libraries() for probe in library.probes)


def bringing(library: str) -> Framework | None:
    """The framework whose package brings the library of that file name."""
    return next((one for one in all_frameworks() if one.libraries and re.fullmatch(one.libraries, library)), None)


def matched() -> frozenset[str]:
    """Packages whose fit with a framework a check of its own judges, from what both declare."""
    from builder.frameworks.keras import LEGACY, OVER_FRAMEWORKS

    return frozenset((OVER_FRAMEWORKS, LEGACY))


def gpu_plugins() -> tuple[Plugin, ...]:
    return tuple(entry.plugin for entry in all_frameworks() if entry.plugin is not None)


def clash(modules: Iterable[str]) -> bool:
    """Whether two of these modules are known to clash in one order of import and not in the other."""
    present = {module.partition(".")[0] for module in modules}
    return any(
        library.modules and library.modules[0] in present and present & set(library.clashes) for library in libraries()
    )


def parity_names() -> tuple[str, ...]:
    """What `parity: full` keeps at one version: Python, NumPy and the frameworks, under every name they go by."""
    return ("python", "numpy", *dict.fromkeys(name for entry in all_frameworks() for name in entry.parity))


def telling_packages() -> tuple[str, ...]:
    """Distributions whose versions identify an environment in a report: the frameworks and what goes with them."""
    names = (
        name
        for entry in all_frameworks()
        for name in (*entry.distributions, *entry.gpu_names, *entry.partners, *entry.follows_minor)
    )
    return (*dict.fromkeys(names), "numpy", "scipy")


def fact_folders() -> tuple[Path, ...]:
    """Folders of facts that frameworks from outside bring."""
    return tuple(entry.facts for entry in all_frameworks() if entry.facts is not None)


def clear() -> None:
    """Forget what was found, so that frameworks installed meanwhile are seen."""
    all_frameworks.cache_clear()
