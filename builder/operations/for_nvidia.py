"""What wheels bring for NVIDIA's GPUs where nobody asked for it: gigabytes, on Linux alone, and otherwise silently.

PyPI's builds of several frameworks declare CUDA's libraries as dependencies (`nvidia-cublas`, `cuda-toolkit`).
conda-forge has builds with and without, and those with it need the virtual package `__cuda`, which no lock of ours has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.frameworks import registry
from builder.names import conda_name
from builder.plan.terms import Source
from builder.wording import bytes_told, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.lock.model import Lock, LockedPackage
    from builder.operations.preparing import Prepared
    from builder.platforms import Subdir

_FOR_NVIDIA: Final = re.compile(r"(nvidia|cuda)-.+")
#: A requirement that asks for it: by its own name, or by an extra (`jax[cuda12]`).
_ASKS: Final = re.compile(r"(nvidia|cuda|cupy).*|[^\[]*\[[^\]]*(cuda|gpu)[^\]]*\].*")


def unasked(lock: Lock, prepared: Prepared, *, source: Source) -> str | None:
    """A sentence about what is there for NVIDIA's GPUs, and how to do without; None where it is nothing, or meant."""
    if _is_meant(prepared):
        return None
    for subdir in lock.platforms:
        there = lock.on(subdir, manager="pip")
        found = [package for package in there if _FOR_NVIDIA.fullmatch(package.name)]
        if found:
            return _told(subdir, found, _bringing(there), prepared=prepared, source=source)
    return None


def _is_meant(prepared: Prepared) -> bool:
    lines = (line for specs in prepared.rendered.platforms for line in (*specs.conda, *specs.pip))
    return prepared.recipe.verify.devices.get("GPU", 0) > 0 or any(_ASKS.fullmatch(line.text) for line in lines)


def _bringing(packages: Iterable[LockedPackage]) -> list[LockedPackage]:
    return [
        package
        for package in packages
        if not _FOR_NVIDIA.fullmatch(package.name) and any(map(_FOR_NVIDIA.fullmatch, package.dependencies))
    ]


def _told(
    subdir: Subdir,
    found: Sequence[LockedPackage],
    bringing: Sequence[LockedPackage],
    *,
    prepared: Prepared,
    source: Source,
) -> str:
    sizes = [package.size for package in found if package.size is not None]
    size = f" ({bytes_told(sum(sizes))} to download)" if len(sizes) == len(found) else ""
    by = listing([f"{package.name} {package.version}" for package in bringing]) or "PyPI"
    brings = "brings" if len(bringing) < 2 else "bring"
    what = f"{subdir}: {by} {brings} {plural(len(found), 'package')} for NVIDIA GPUs{size}"
    return f"{what}; {_without(bringing, prepared=prepared, source=source)}"


def _without(bringing: Sequence[LockedPackage], *, prepared: Prepared, source: Source) -> str:
    """How to do without: by conda-forge's builds, which a lock takes without CUDA."""
    if source is Source.PYPI:
        return "without `--source pypi` conda-forge's builds are taken, which need none of them"
    framework = prepared.recipe.framework.name
    own = {conda_name(name) for name in registry.known_framework(framework).distributions}
    names = list(dict.fromkeys(conda_name(package.name) for package in bringing))
    if own & set(names) and any(plan.provider != "conda-forge" for plan in prepared.plans.values()):
        return "`framework: {provider: conda-forge}` takes builds that need none of them"
    return f"{listing(names)} under `dependencies:` instead takes conda-forge's build, which needs none of them"
