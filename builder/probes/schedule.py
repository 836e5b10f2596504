"""Which probes run for an environment at a level, and what each of them answers for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from builder.frameworks import registry
from builder.probes.level import Level

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Seconds a probe may take. A first import without bytecode caches took 20 s for TensorFlow on a loaded machine
#: of 2 cores; the limits leave room for slower ones.
_LIMITS: Final = {Level.QUICK: 90.0, Level.DEFAULT: 180.0, Level.FULL: 600.0}
#: Seconds for comparing compiled files with their sources, those changed last first (about 2 MB of source a second).
_COMPARING: Final = {Level.QUICK: 0.0, Level.DEFAULT: 5.0, Level.FULL: 120.0}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the probes of one environment. `limit` replaces the seconds each may take."""

    level: Level
    modules: tuple[str, ...]
    """Modules whose import is checked."""
    main: tuple[str, ...] = ()
    """Those that the environment is made for: its framework's, or NumPy."""
    snippets: tuple[str, ...]
    """Code of the recipe that must run."""
    has: Callable[[str], bool]
    """Whether a module is installed."""
    folders: tuple[str, ...] = ()
    """Where installed packages lie."""
    limit: float | None = None

    @property
    def seconds(self) -> float:
        return self.limit or _LIMITS[self.level]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of one probe.

    `answers` are the checks it settles, each with the subjects that must come up ("" where there is none): what
    is missing from its results because the process died is reported as not reached.
    """

    probe: str
    answers: tuple[tuple[str, str], ...]
    limit: float
    doing: str
    """What it does, after "while"."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """What the script is given; with it comes `scratch`, a folder of its own for this run."""
    exclusive: bool = False
    """It measures time, so nothing of ours may run beside it."""
    folder: Path | None = None
    """Where its script lies, if not beside our own."""
    modules: tuple[str, ...] = ()
    """What it imports: where one of them is known to hang, it need not be tried again."""
    then: tuple[Task, ...] = ()
    """What is asked in the same process afterwards while all goes well, else in processes of their own."""

    @property
    def told(self) -> str:
        """What it does, with the first check that it settles."""
        return f"{self.doing} ({self.answers[0][0]})" if self.answers else self.doing

    def joined(self, begun: int) -> Task:
        """With those of `then` so far as they were begun, as one task: what they import is no longer imported alone."""
        further = self.then[: begun - 1]
        answers = (
            ("import.together" if check == "import.alone" else check, about)
            for task in further
            for check, about in task.answers
        )
        doing = "; ".join((self.doing, *(task.doing for task in further)))
        return replace(self, answers=(*self.answers, *answers), doing=doing, then=())


def tasks(request: Request) -> list[Task]:
    """All probes but the first (which settles whether the interpreter runs at all), the longest first."""
    quick = request.level is Level.QUICK
    probes = [probe for probe in registry.probes() if request.has(probe.module) and (probe.quick or not quick)]
    found = [
        Task(
            probe=probe.script,
            answers=probe.expected(request.has, quick=quick),
            arguments={"level": request.level.value},
            limit=request.seconds,
            doing=probe.doing,
            folder=probe.folder,
            modules=(probe.module, *probe.settles),
        )
        for probe in sorted(probes, key=lambda probe: not probe.quick)
    ]
    settled = {module for task in found for module in task.modules}
    if request.level is Level.DEFAULT:
        found = _sharing(found)
    if quick:
        light = tuple(module for module in request.modules if module.partition(".")[0] not in settled)
        return [*found, _imports(light, request, check="import.together")] if light else found
    found.append(_imports(request.modules, request, check="import.together"))
    if request.level is Level.FULL or _may_clash(request.modules):
        found.append(_imports(request.modules[::-1], request, check="import.reversed"))
    if request.folders:
        found.append(_bytecode(request))
    if request.has("numpy"):
        found += [_workers(request), _arrays(request), _rate(request)]
    asked = [*found, *(task for host in found for task in host.then)]
    alone = {module for task in asked for check, module in task.answers if check == "import.alone"}
    found += [_imports((module,), request, check="import.alone") for module in request.modules if module not in alone]
    return found + _snippets(request)


def _sharing(found: list[Task]) -> list[Task]:
    """The tasks, one about a library that an earlier task imports anyway following that one in its process.

    Importing TensorFlow takes longer than all that is then asked of it.
    """
    shared: list[Task] = []
    for task in found:
        place = next((place for place, host in enumerate(shared) if task.modules[0] in host.modules[1:]), None)
        if place is None:
            shared.append(task)
        else:
            shared[place] = replace(shared[place], then=(*shared[place].then, task))
    return shared


def user_imports(request: Request) -> Task | None:
    """One import of the main modules with the user's own variables; not at the quick level, nor where there is none."""
    modules = tuple(module for module in request.main if request.has(module.partition(".")[0]))
    if request.level is Level.QUICK or not modules:
        return None
    task = _imports(modules, request, check="user.imports")
    return replace(
        task,
        arguments=task.arguments | {"use": True, "same": True},  # flags may be read at the first computation only
        doing=f"importing {', '.join(modules)} with your own settings",
    )


#: Pairs beside the frameworks that are known to clash in one order of import and not in the other: two OpenMP runtimes.
_CLASHING_PAIRS: Final = (("sklearn", "xgboost"), ("sklearn", "lightgbm"))


def _may_clash(modules: tuple[str, ...]) -> bool:
    return registry.clash(modules) or any(set(pair) <= set(modules) for pair in _CLASHING_PAIRS)


def _arrays(request: Request) -> Task:
    return Task(
        probe="arrays",
        answers=(("import.alone", "numpy"), ("blas.loaded", "")),
        arguments={"level": request.level.value, "scipy": request.has("scipy")},
        limit=request.seconds,
        doing="checking NumPy and SciPy against known answers",
        modules=("numpy", "scipy"),
    )


def _imports(modules: tuple[str, ...], request: Request, *, check: str) -> Task:
    together = check in ("import.together", "import.reversed")
    order = ", in reverse order" if check == "import.reversed" else ""
    return Task(
        probe="imports",
        answers=tuple((check, module) for module in modules) + (("openmp.loaded", ""),) * together,
        arguments={"modules": list(modules), "check": check, "use": together},
        limit=request.seconds,
        doing="importing " + (f"{len(modules)} modules in one process{order}" if together else ", ".join(modules)),
        modules=modules,
    )


def _bytecode(request: Request) -> Task:
    return Task(
        probe="bytecode",
        answers=(("pkg.bytecode", ""),),
        arguments={"folders": list(request.folders), "seconds": _COMPARING[request.level]},
        limit=request.seconds,
        doing="comparing compiled files with their sources",
    )


def _workers(request: Request) -> Task:
    also = tuple(module for module in ("sklearn", "scipy") if request.has(module))
    return Task(
        probe="workers",
        answers=(
            *(("import.alone", module) for module in also[:1]),
            ("workers.start", "fork"),
            ("workers.start", "spawn"),
        ),
        arguments={"modules": list(also), "seconds": request.seconds / 3},
        limit=request.seconds,
        doing="starting worker processes",
        modules=("numpy", *also),
    )


def _rate(request: Request) -> Task:
    return Task(
        probe="rate",
        answers=(("blas.rate", ""),),
        limit=request.seconds,
        exclusive=True,
        doing="measuring matrix products",
        modules=("numpy",),
    )


def _snippets(request: Request) -> list[Task]:
    return [
        Task(
            probe="snippet",
            answers=(("recipe.snippet", f"snippet {number}"),),
            arguments={"code": code, "name": f"snippet {number}"},
            limit=request.seconds,
            doing=f"running snippet {number} of the recipe",
        )
        for number, code in enumerate(request.snippets, start=1)
    ]
