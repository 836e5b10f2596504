"""What one file under `data/` may hold. The compiled facts are read without it."""

from __future__ import annotations

from builder.compat.model import (
    BlasVariant,
    GridSpec,
    OpenmpWheel,
    PackageNames,
    PackageTraits,
    Relation,
    Release,
)
from builder.compat.runs import (
    Linkage,
    Suite,
    SuiteRun,
    SymbolRun,
)
from builder.models import Model


class FactFile(Model):
    """One file under `data/`."""

    releases: tuple[Release, ...] = ()
    relations: tuple[Relation, ...] = ()
    blas: tuple[BlasVariant, ...] = ()
    openmp: tuple[OpenmpWheel, ...] = ()
    names: tuple[PackageNames, ...] = ()
    packages: tuple[PackageTraits, ...] = ()
    measured_on: str | None = None
    """What the `runs` of this file were made on."""
    grids: tuple[GridSpec, ...] = ()
    suite: Suite | None = None
    linkage: Linkage | None = None
    runs: tuple[SuiteRun, ...] = ()
    symbols: tuple[SymbolRun, ...] = ()

    def check_fields(self) -> None:
        if (self.runs or self.symbols) and not self.measured_on:
            raise ValueError("a file with `runs` or `symbols` must say in `measured_on` what they were made on")
        if (self.runs and self.suite is None) or (self.symbols and self.linkage is None):
            raise ValueError(
                "a file with `runs` needs `suite`, one with `symbols` needs `linkage`: what they are about"
            )
