"""What a probe's result is judged against: the prefix and what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from builder.environment.stamp import Expectations
from builder.frameworks import registry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.checks.level import Level
    from builder.environment.environment import Environment
    from builder.platforms import Subdir

#: What nearly every machine-learning environment is made of.
_COMMON_MODULES: Final = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "sklearn",
    "xgboost",
    "lightgbm",
    "matplotlib",
    "h5py",
    "ipykernel",
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """One verification: which environment, what is expected, and the user's own settings around it."""

    prefix: Environment
    python: Path
    expectations: Expectations
    subdir: Subdir
    level: Level
    environ: Mapping[str, str]
    home: Path
    cwd: Path

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """Every module whose import is checked."""
        framework = registry.known_framework(self.expectations.framework)
        return tuple(dict.fromkeys((*self.expectations.imports, *framework.imports)))

    def has(self, module: str) -> bool:
        """Whether a top-level module of this name is installed (as a folder or file in site-packages)."""
        return module_exists(self.prefix, module)

    @property
    def values(self) -> dict[str, str]:
        """What remedies may name."""
        return {"prefix": str(self.prefix.path), "python": str(self.python)}


def module_exists(prefix: Environment, module: str) -> bool:
    folder = prefix.site_packages
    if folder is None:
        return False
    place = folder.joinpath(*module.split("."))
    return place.is_dir() or any(place.parent.glob(f"{place.name}.*"))


def expectations_of(prefix: Environment) -> Expectations:
    """What the stamp expects; for an environment that is not ours, that what is in it works.

    The common modules are looked for in both cases, because an environment is used through them whether or
    not the recipe names them.
    """
    found = tuple(module for module in _COMMON_MODULES if module_exists(prefix, module))
    if prefix.stamp is not None:
        stamped = prefix.stamp.expectations
        return replace(stamped, imports=tuple(dict.fromkeys((*stamped.imports, *found))))
    present = [
        framework
        for framework in registry.all_frameworks()
        if framework.modules and module_exists(prefix, framework.modules[0])
    ]
    also = tuple(
        module
        for library in registry.libraries()
        for module in library.modules
        if module_exists(prefix, module.partition(".")[0])
    )
    # Of several the first is what the environment is taken to be made for.
    framework = present[0].name if present else None
    return Expectations(framework=framework, imports=tuple(dict.fromkeys((*found, *also))))
