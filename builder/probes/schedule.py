"""Which probes run for an environment at a level, and what each of them answers for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from builder.checks.level import Level
from builder.frameworks import registry
from builder.frameworks.model import Probe

if TYPE_CHECKING:
    from pathlib import Path

    from builder.checks.context import Context

#: Seconds a probe may take. A first import without bytecode caches took 20 s for TensorFlow on a loaded machine
#: of 2 cores; the limits leave room for slower ones.
_LIMITS: Final = {Level.QUICK: 90.0, Level.DEFAULT: 180.0, Level.FULL: 600.0}


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of one probe.

    `answers` are the checks it settles, each with the subjects that must come up ("" where there is none): what
    is missing from its results because the process died is reported as not reached.
    """

    probe: str
    answers: tuple[tuple[str, str], ...]
    limit: float
    arguments: dict[str, Any] = field(default_factory=dict)
    doing: str = ""
    folder: Path | None = None
    """Where the probe lies, for one that is not among ours."""
    exclusive: bool = False
    """It measures time, so nothing of ours may run beside it."""


def tasks(context: Context, *, scratch: Path, limit: float | None = None) -> list[Task]:
    """All probes but the first (which settles whether the interpreter runs at all), the longest first."""
    limit = limit or _LIMITS[context.level]
    quick = context.level is Level.QUICK
    present = [probe for probe in _probes() if context.has(probe.module) and (probe.quick or not quick)]
    found = [_library(probe, context, scratch=scratch, limit=limit) for probe in present]
    if quick:
        settled = {module for probe in present for module in (probe.module, *probe.settles)}
        light = tuple(module for module in context.modules if module.partition(".")[0] not in settled)
        return [*found, _imports(light, limit=limit, check="import.together")]
    found.append(_imports(context.modules, limit=limit, check="import.together"))
    if context.level is Level.FULL or _may_clash(context.modules):
        found.append(_imports(context.modules[::-1], limit=limit, check="import.reversed"))
    if context.has("numpy"):
        found.append(_workers(context, limit=limit))
        found.append(
            Task(
                probe="rate",
                answers=(("blas.rate", ""),),
                limit=limit,
                exclusive=True,
                doing="measuring matrix products",
            )
        )
    settled = {module for task in found for check, module in task.answers if check == "import.alone"}
    found.extend(
        _imports((module,), limit=limit, check="import.alone") for module in context.modules if module not in settled
    )
    return found + _snippets(context, limit=limit)


def _probes() -> tuple[Probe, ...]:
    """The libraries' own probes, the longest first, and NumPy's. Each imports its module first, which settles that."""
    arrays = Probe(script="arrays", module="numpy", doing="NumPy and SciPy against known answers")
    return (*sorted(registry.probes(), key=lambda probe: not probe.quick), arrays)


#: Pairs beside the frameworks that are known to clash in one order of import and not in the other: two OpenMP runtimes.
_CLASHING_PAIRS: Final = (("sklearn", "xgboost"), ("sklearn", "lightgbm"))


def _may_clash(modules: tuple[str, ...]) -> bool:
    return registry.clash(modules) or any(set(pair) <= set(modules) for pair in _CLASHING_PAIRS)


def _library(probe: Probe, context: Context, *, scratch: Path, limit: float) -> Task:
    folder = scratch / f"{probe.script}-files"
    folder.mkdir(exist_ok=True)
    return Task(
        probe=probe.script,
        folder=probe.folder,
        answers=probe.expected(context.has, quick=context.level is Level.QUICK),
        arguments={"level": context.level.value, "scratch": str(folder), "scipy": context.has("scipy")},
        limit=limit,
        doing=probe.doing,
    )


def _imports(modules: tuple[str, ...], *, limit: float, check: str) -> Task:
    together = check != "import.alone"
    order = ", in reverse order" if check == "import.reversed" else ""
    return Task(
        probe="imports",
        answers=tuple((check, module) for module in modules) + (("openmp.loaded", ""),) * together,
        arguments={"modules": list(modules), "check": check, "use": together},
        limit=limit,
        doing="importing " + (f"{len(modules)} modules in one process{order}" if together else modules[0]),
    )


def _workers(context: Context, *, limit: float) -> Task:
    also = [module for module in ("scipy", "sklearn") if context.has(module)]
    return Task(
        probe="workers",
        answers=(("workers.start", "fork"), ("workers.start", "spawn")),
        arguments={"modules": also, "seconds": limit / 3},
        limit=limit,
        doing="starting worker processes",
    )


def _snippets(context: Context, *, limit: float) -> list[Task]:
    return [
        Task(
            probe="snippet",
            answers=(("recipe.snippet", f"snippet {number}"),),
            arguments={"code": code, "name": f"snippet {number}"},
            limit=limit,
            doing=f"snippet {number} of the recipe",
        )
        for number, code in enumerate(context.expectations.snippets, start=1)
    ]
