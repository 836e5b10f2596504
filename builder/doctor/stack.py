"""The packages the question is about: Keras, the frameworks, and what they stand on, from `builder.frameworks`."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from builder.frameworks import keras_settings, registry
from builder.frameworks.keras import OVER_FRAMEWORKS

if TYPE_CHECKING:
    from builder.frameworks.model import Framework

#: What the frameworks compute, store and exchange with.
_BELOW: Final = ("numpy", "h5py", "protobuf", "scipy")


def _frameworks() -> tuple[Framework, ...]:
    return tuple(entry for entry in registry.all_frameworks() if entry.modules)


def _module(entry: Framework) -> str:
    return entry.modules[0].partition(".")[0]


@cache
def frameworks() -> tuple[str, ...]:
    """What is imported, the one that is asked about first unless a project says another: `keras`, `tensorflow`, …"""
    return OVER_FRAMEWORKS, *map(_module, _frameworks())


@cache
def distributions(module: str) -> tuple[str, ...]:
    """The distributions and conda packages that bring one of `frameworks()`, normalised, the usual name first.

    Nightly builds are called by the project's name or its short one (`tf-nightly`, `keras-nightly`).
    """
    if module == OVER_FRAMEWORKS:
        return (module, *(name for entry in _frameworks() for name in entry.follows_minor), f"{module}-nightly")
    entry = next(entry for entry in _frameworks() if _module(entry) == module)
    names = [entry.versioned]
    if entry.versioned == entry.main:
        # Else what `main` goes by is the library below (jaxlib), which does not bring the module.
        names += [*entry.distributions, entry.conda, entry.conda_base]
    names += [f"{name}-nightly" for name in (entry.name, *entry.aliases)]
    return tuple(dict.fromkeys(filter(None, names)))


@cache
def backends() -> dict[str, tuple[str, ...]]:
    """Keras 3's back-ends → the distributions of which one must be there."""
    known = frameworks()
    return {
        backend: distributions(module) if module in known else (module,)
        for backend, module in keras_settings.BACKENDS.items()
    }


@cache
def legacy() -> tuple[str, str]:
    """The framework that can be told to use the old Keras, and the distribution that holds that one."""
    return next((_module(entry), entry.follows_minor[0]) for entry in _frameworks() if entry.follows_minor)


@cache
def telling() -> tuple[str, ...]:
    """Distributions that are named where interpreters are compared."""
    return tuple(dict.fromkeys((OVER_FRAMEWORKS, *registry.telling_packages())))


@cache
def examined() -> tuple[str, ...]:
    """The packages whose recorded files are looked for: those in question under all names, and what they stand on."""
    names = (name for module in frameworks() for name in distributions(module))
    return tuple(dict.fromkeys((*names, *telling(), *_BELOW, "pandas", "ipykernel")))


@cache
def hidden() -> frozenset[str]:
    """The packages of which another version, put first, changes or breaks what imports them."""
    plugins = {plugin.name for plugin in registry.gpu_plugins()}
    extra = ("ml-dtypes", "absl-py", "optree", "typing-extensions", "flatbuffers", "wrapt")
    return frozenset({*examined(), *extra} - plugins - {"pandas", "ipykernel"})


@cache
def modules() -> tuple[str, ...]:
    """Import names that a script or a folder must not have."""
    return (*frameworks(), "numpy", "h5py")


@cache
def together() -> tuple[tuple[str, str], ...]:
    """Pairs of distributions that must fit each other."""
    pairs = [
        (entry.main, other)
        for entry in registry.all_frameworks()
        if entry.main
        for other in (*entry.gpu_names, *entry.partners, *entry.follows_minor, "numpy", "protobuf")
    ]
    return (*pairs, ("h5py", "numpy"), ("scipy", "numpy"))


@cache
def folders() -> dict[str, str]:
    """Folders of site-packages that are not called like what lies in them → the distribution."""
    return {plugin.folder: plugin.name for plugin in registry.gpu_plugins()} | {"google": "protobuf"}


@cache
def _declared() -> re.Pattern[str]:
    names = {name for module in frameworks() for name in distributions(module) if not name.endswith("-nightly")}
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    return re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)


def declared(text: str) -> list[str]:
    """The distributions in question that a list of requirements names, as they are written."""
    return _declared().findall(text)


def brought_by(distribution: str) -> str | None:
    """Which of `frameworks()` a distribution brings."""
    name = distribution.lower()
    return next((module for module in frameworks() if name in distributions(module)), None)
