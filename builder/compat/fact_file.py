"""What one file under `data/` may hold. The compiled facts are read without it."""

from __future__ import annotations

from pydantic import Field, model_validator

from builder.compat.model import (
    BlasVariant,
    FactModel,
    GridSpec,
    OpenmpWheel,
    PackageNames,
    PackageTraits,
    Relation,
    Release,
)
from builder.compat.runs import (  # noqa: TC001 - pydantic reads the annotations of this module
    Linkage,
    Suite,
    SuiteRun,
    SymbolRun,
)


class FactFile(FactModel):
    """One file under `data/`."""

    releases: tuple[Release, ...] = Field(default=(), strict=False)
    relations: tuple[Relation, ...] = Field(default=(), strict=False)
    blas: tuple[BlasVariant, ...] = Field(default=(), strict=False)
    openmp: tuple[OpenmpWheel, ...] = Field(default=(), strict=False)
    names: tuple[PackageNames, ...] = Field(default=(), strict=False)
    packages: tuple[PackageTraits, ...] = Field(default=(), strict=False)
    measured_on: str | None = Field(default=None, description="What the `runs` of this file were made on.")
    grids: tuple[GridSpec, ...] = Field(default=(), strict=False)
    suite: Suite | None = None
    linkage: Linkage | None = None
    runs: tuple[SuiteRun, ...] = Field(default=(), strict=False)
    symbols: tuple[SymbolRun, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _runs_say_where(self) -> FactFile:
        if (self.runs or self.symbols) and not self.measured_on:
            raise ValueError("a file with `runs` or `symbols` must say in `measured_on` what they were made on")
        if (self.runs and self.suite is None) or (self.symbols and self.linkage is None):
            raise ValueError(
                "a file with `runs` needs `suite`, one with `symbols` needs `linkage`: what they are about"
            )
        return self
