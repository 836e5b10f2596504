"""Which probes run for an environment at a level, and what each of them answers for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from builder.verify.progress import Level

if TYPE_CHECKING:
    from pathlib import Path

    from builder.verify.runtime.context import Context

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


def tasks(context: Context, *, scratch: Path, limit: float | None = None) -> list[Task]:
    """All probes but the first (which settles whether the interpreter runs at all), the longest first."""
    limit = limit or _LIMITS[context.level]
    level = context.level
    found: list[Task] = []
    own_probe: set[str] = set()
    if context.has("keras"):
        folder = scratch / "keras-models"
        folder.mkdir()
        found.append(
            Task(
                probe="keras_model",
                answers=_keras_answers(level, tensorflow=context.has("tensorflow")),
                arguments={"level": level.value, "scratch": str(folder)},
                limit=limit,
                doing="Keras: build, train, save, load",
            )
        )
        own_probe.add("keras")
    if context.has("numpy") and level is not Level.QUICK:
        scipy = context.has("scipy")
        answers = [("import.alone", "numpy"), ("blas.loaded", "")] + ([("import.alone", "scipy")] if scipy else [])
        found.append(
            Task(
                probe="arrays",
                answers=tuple(answers),
                arguments={"scipy": scipy, "level": level.value},
                limit=limit,
                doing="NumPy and SciPy against known answers",
            )
        )
        own_probe |= {"numpy", "scipy"} if scipy else {"numpy"}
    if level is Level.QUICK:
        light = [module for module in context.modules if module.partition(".")[0] not in ("keras", "tensorflow")]
        found.append(_imports(light, limit=limit, check="import.together"))
        return found
    found.append(_imports(context.modules, limit=limit, check="import.together"))
    found.extend(
        _imports([module], limit=limit, check="import.alone") for module in context.modules if module not in own_probe
    )
    return found


def _imports(modules: list[str] | tuple[str, ...], *, limit: float, check: str) -> Task:
    return Task(
        probe="imports",
        answers=tuple((check, module) for module in modules) + (("openmp.loaded", ""),) * (check == "import.together"),
        arguments={"modules": list(modules), "check": check, "images": check == "import.together"},
        limit=limit,
        doing="importing " + (modules[0] if len(modules) == 1 else f"{len(modules)} modules in one process"),
    )


def _keras_answers(level: Level, *, tensorflow: bool) -> tuple[tuple[str, str], ...]:
    answers = [("import.alone", "keras"), ("keras.backend", ""), ("keras.versions", "")]
    if tensorflow:
        answers.append(("tensorflow.devices", ""))
    answers += [("keras.summary", ""), ("keras.build", "sequential"), ("keras.fit", "sequential")]
    answers.append(("keras.save", "sequential.keras"))
    if level is not Level.QUICK:
        for kind in ("functional", "custom"):
            answers += [("keras.build", kind), ("keras.fit", kind), ("keras.save", f"{kind}.keras")]
        answers += [("keras.save", "sequential.h5"), ("keras.mixed-precision", "")]
    return tuple(answers)
