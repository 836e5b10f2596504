"""OpenMP: which copies of its runtimes (and of OpenBLAS) a process may load or has loaded, and what that does.

Wheels bring their own copies, under names and in folders that no other package looks in (auditwheel's `numpy.libs`,
delocate's `.dylibs`). For OpenBLAS, and for GNU's OpenMP, that is how PyPI works and harms nothing; LLVM's and Intel's
OpenMP refuse a second copy of either, and a copy that conda shares between packages beside a wheel's own means that
two sources were mixed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks.check import Check, Needs
from builder.checks.copies import Copy, Loaded, loaded_copies
from builder.checks.images import brought_by, loaded_runtimes, short
from builder.checks.judging import probed
from builder.checks.runtimes import BLAS, OPENMP, Runtime, runtime_of
from builder.finding import Finding, Remedy, Status
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.case import Case
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

#: Runtimes of which a process should have one.
_FAMILIES: Final[dict[str, tuple[Runtime, ...]]] = {
    "OpenMP": OPENMP,
    "OpenBLAS": tuple(runtime for runtime in BLAS if runtime.key == "openblas"),
}


def _copies(subject: Subject) -> Iterator[Finding]:
    """One finding per family with a hazard, or one pass that says what copies there are."""
    survey = subject.survey
    if not (survey.inventory.binaries if survey.is_mac else survey.elf.binaries):
        yield Finding(check="link.duplicate", status=Status.SKIP, title="No binaries to check")
        return
    told: list[str] = []
    hazards: list[Finding] = []
    for family, table in _FAMILIES.items():
        loaded = loaded_copies(survey, table)
        hazard = _hazard(survey, family, loaded)
        if hazard is not None:
            hazards.append(hazard)
            continue
        names = [*(copy.rel for copy in loaded.copies), *loaded.unused]
        told.append(f"{family}: {', '.join(sorted(names)) or 'none'}")
        if len({copy.identity for copy in loaded.copies}) > 1:
            told.append(f"{family}: each is a wheel's private copy, which only its own package loads; no conflict")
        elif len(loaded.copies) > 1:
            told.append(f"{family}: all have the SONAME {loaded.copies[0].identity}, so that one process loads one")
    if hazards:
        yield from hazards
        return
    if survey.is_mac:
        told.append(f"libc++ beside macOS's own (harmless): {', '.join(_cxx_runtimes(survey)) or 'none'}")
    yield Finding(
        check="link.duplicate",
        status=Status.PASS,
        title="No OpenMP or BLAS runtime gets in the way of another",
        evidence=tuple(told),
    )


def _hazard(survey: Survey, family: str, loaded: Loaded) -> Finding | None:
    copies = loaded.copies
    if len({copy.identity for copy in copies}) < 2:
        return None
    openmp = family == "OpenMP"
    aborts = openmp and any(_aborts(copy.rel) for copy in copies)
    wheels = [copy.rel for copy in copies if survey.packages.from_wheel(copy.rel)]
    if not aborts and len(wheels) == len(copies):
        return None
    sure = openmp and sum(map(_aborts, loaded.pair)) > 1
    lines = [copy.line for copy in copies]
    if loaded.together is not None:
        lines.append(f"both in one process as soon as this is imported: {loaded.together}")
    if aborts:
        lines.append("Two OpenMP runtimes abort the process or hang it (OMP: Error #15).")
    else:
        lines.append("Each keeps its own threads: more threads than cores, no wrong results.")
    return Finding(
        check="link.duplicate",
        status=Status.FAIL if sure else Status.WARN,
        title=f"{len(copies)} copies of {family} can end up in one process",
        evidence=tuple(lines),
        about=frozenset(copy.rel for copy in copies),
        remedy=_remedy(copies, wheels, aborts=aborts),
    )


def _aborts(path: str) -> bool:
    runtime = runtime_of(path, OPENMP)
    return runtime is not None and runtime.aborts


def _remedy(copies: tuple[Copy, ...], wheels: list[str], *, aborts: bool) -> Remedy:
    mixed = 0 < len(wheels) < len(copies)
    users = sorted({user for copy in copies if not mixed or copy.rel in wheels for user in copy.users})
    text = f"Take {', '.join(users)} from conda-forge, so that all share one runtime."
    if aborts and not mixed:
        text += " Where that cannot be, import them in separate processes."
    return Remedy(text)


def _cxx_runtimes(survey: Survey) -> list[str]:
    """Copies of libc++ in the prefix. Two-level binding keeps each to the binaries that link it."""
    return [binary.rel for binary in survey.inventory.binaries if re.match(r"libc\+\+(abi)?[.-]", binary.name)]


def judge_loaded(case: Case) -> Finding:
    """Two LLVM-family runtimes abort or corrupt; GNU beside them competes for cores; a foreign one belongs nowhere.

    Source: LLVM OpenMP's own Error #15, and threadpoolctl's `multiple_openmp.md` on which mixtures break.
    """
    loaded = loaded_runtimes(case.facts["images"], OPENMP)
    evidence = tuple(f"{runtime.name}: {short(path, case)}{brought_by(path, case)}" for runtime, path in loaded)
    names = listing(sorted(Path(path).name for _, path in loaded))
    foreign = [path for _, path in loaded if _is_foreign(path, case)]
    mixed = len({runtime.key for runtime, _ in loaded}) > 1
    if sum(runtime.aborts for runtime, _ in loaded) > 1:
        title = f"Two OpenMP runtimes of one family are loaded in one process: {names}."
        return case.failed(title, *evidence, remedy=_openmp_remedy(foreign, case))
    if mixed and foreign:
        title = f"An OpenMP runtime that the environment did not bring is loaded beside its own: {names}."
        return case.failed(title, *evidence, remedy=_openmp_remedy(foreign, case))
    if mixed:
        title = f"Two kinds of OpenMP runtime are loaded in one process: {names}."
        return case.warned(title, *evidence, remedy=_openmp_remedy(foreign, case))
    title = "One OpenMP runtime is loaded." if loaded else "No OpenMP runtime is loaded."
    if len(loaded) > 1:
        title = f"{len(loaded)} copies of GNU's OpenMP are loaded, which do not disturb each other."
    return case.passed(title, *evidence)


def _is_foreign(path: str, case: Case) -> bool:
    """Inside the prefix but of no package, or of a package that the lock does not know."""
    if not Path(path).is_relative_to(case.environment.path):
        return False
    owner = case.repair.owner(Path(path))
    if owner is None:
        return True
    return case.environment.stamp is not None and case.repair.locked_version(owner.name) is None


def _openmp_remedy(foreign: list[str], case: Case) -> Remedy:
    for path in foreign:
        owner = case.repair.owner(Path(path))
        if owner is None:
            return case.repair.set_aside(Path(path), say=f"Move {path} out of the way: no package brought it.")
        if owner.manager == "pip":
            return case.repair.uninstall(owner.name, say=f"Remove {owner.name}, which is not in the lock.")
    say = "Take the packages that bring them from one channel, so that they share one runtime."
    return case.repair.rebuild(why=f"{say} Never set KMP_DUPLICATE_LIB_OK.")


CHECKS: Final = (
    Check(
        id="link.duplicate",
        area="openmp",
        needs=Needs.FILES,
        catches="One runtime from two places: OpenMP (libomp, libiomp5, libgomp) or OpenBLAS, with who loads each.",
        otherwise="OMP: Error #15: Initializing libomp.dylib, but found libomp.dylib already initialized.",
        run=_copies,
    ),
    probed(
        id="openmp.loaded",
        area="openmp",
        catches="More than one OpenMP runtime in one process, with who brought each.",
        otherwise="`OMP: Error #15: Initializing libomp.dylib, but found libomp.dylib already initialized.`",
        judge=judge_loaded,
    ),
)
