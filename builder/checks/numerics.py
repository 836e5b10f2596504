"""Judging numbers: known answers, tolerances by dtype, the BLAS and OpenMP libraries really loaded."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.checks.registry import Check
from builder.frameworks.judging import judge_workers, known_answer

if TYPE_CHECKING:
    from builder.checks.judge import Case, Judge
    from builder.finding import Finding

CHECKS: Final = (
    Check(
        id="numerics.numpy",
        area="numerics",
        catches="Wrong results of NumPy's BLAS and LAPACK against known answers, in float32 and float64.",
        otherwise="Silence: wrong numbers (numpy#31776: float32 `A @ A.T` with one OpenBLAS build).",
    ),
    Check(
        id="numerics.scipy",
        area="numerics",
        catches="Wrong or failing decompositions of SciPy's LAPACK.",
        otherwise="`LinAlgError` or wrong eigenvalues (scipy#21862: Accelerate of macOS 15.1).",
    ),
    Check(
        id="blas.loaded",
        area="numerics",
        catches="A BLAS in the process other than the one the recipe asks for, or several of different kinds.",
        otherwise="Silence: linear algebra up to ten times slower, or two thread pools that fight for the cores.",
    ),
    Check(
        id="blas.rate",
        area="numerics",
        catches="A NumPy whose matrix products run at a fraction of what the machine can do.",
        otherwise="Silence: training and linear algebra up to ten times slower.",
    ),
    Check(
        id="workers.start",
        area="numerics",
        catches="Worker processes (data loaders) that hang or crash when forked or spawned.",
        otherwise="A training that stops at its first batch, without a message.",
    ),
    Check(
        id="openmp.loaded",
        area="numerics",
        catches="More than one OpenMP runtime in one process, with who brought each.",
        otherwise="`OMP: Error #15: Initializing libomp.dylib, but found libomp.dylib already initialized.`",
    ),
)

#: Part of the machine's peak (or of Accelerate's own rate) below which NumPy's products are called slow. A
#: reference BLAS without blocking reaches about a fiftieth; OpenBLAS on a shared virtual machine more than half.
_SLOW_RATE: Final = 0.08
_SLOW_BESIDE_ACCELERATE: Final = 0.4

#: Path of an image (lower case) → kind of BLAS. Accelerate itself lives in the system's shared cache; conda-forge
#: reaches it through its own shims (build_pkg.sh of blas-feedstock).
_BLAS_KINDS: Final = (
    (re.compile(r"openblas[^/]*$"), "openblas"),
    (re.compile(r"/(accelerate|veclib)\.framework/|libveclibfort|libblas_reexport"), "accelerate"),
    (re.compile(r"/libmkl_(rt|core)"), "mkl"),
    (re.compile(r"/libblis"), "blis"),
)
_OPENMP_KINDS: Final = (
    (re.compile(r"/libiomp5[^/]*$"), "Intel"),
    (re.compile(r"/libomp(?![a-z])[^/]*$"), "LLVM"),
    (re.compile(r"/libgomp[^/]*$"), "GNU"),
)


def judge_rate(case: Case) -> Finding:
    """NumPy's float32 product beside Accelerate's (macOS) or a rough peak of the processor (Linux)."""
    facts = case.facts
    rate, accelerate, peak = facts["numpy"], facts.get("accelerate"), facts.get("peak_per_core")
    if accelerate is not None:
        evidence = (f"NumPy {rate:.0f} GFLOP/s, Accelerate {accelerate:.0f} GFLOP/s (float32)",)
        slow = rate < _SLOW_BESIDE_ACCELERATE * accelerate
        cure = "take a NumPy that uses Accelerate (`blas: accelerate`, or PyPI's macosx_14_0 wheel)"
    elif peak is not None:
        whole = peak * facts["cpus"]
        evidence = (
            f"NumPy {rate:.0f} GFLOP/s, rough peak {whole:.0f} GFLOP/s ({facts['cpus']} CPUs, {facts['how']}, float32)",
        )
        slow = rate < _SLOW_RATE * whole
        cure = "take a NumPy with OpenBLAS or MKL (`blas: openblas`), and run again on an idle machine"
    else:
        return case.passed(f"NumPy multiplies at {rate:.0f} GFLOP/s.", facts.get("how", ""))
    if slow:
        return case.warned("NumPy multiplies matrices far slower than this machine can.", *evidence, remedy=cure)
    return case.passed(f"NumPy multiplies at {rate:.0f} GFLOP/s.", *evidence)


def judge_blas(case: Case) -> Finding:
    """Which BLAS libraries NumPy and SciPy have loaded, against the recipe's `blas:` on macOS."""
    loaded = _kinds(case.facts["images"], _BLAS_KINDS)
    reported = tuple(
        f"{library} says: {key} {value}"
        for library in ("numpy", "scipy")
        for key, value in case.facts.get(library, {}).items()
    )
    threads = case.facts.get("threads", {})
    pools = tuple(
        f"threads: {pool['num_threads']} in {Path(pool['filepath']).name}, {threads['cpus']} CPUs"
        for pool in threads.get("pools", ())
    )
    evidence = (*(f"loaded: {kind} {_short(path, case)}" for kind, path in loaded), *reported, *pools)
    kinds = {kind for kind, _ in loaded}
    wanted = case.context.expectations.blas
    if case.context.subdir.is_osx and wanted in ("accelerate", "newaccelerate") and "accelerate" not in kinds:
        return case.failed(
            f"The recipe asks for Accelerate, but {', '.join(sorted(kinds)) or 'no BLAS that is known'} is loaded.",
            *evidence,
            remedy=case.packages.rebuild(),
        )
    if len(kinds) > 1:
        return case.warned(
            f"NumPy and SciPy use different BLAS libraries: {', '.join(sorted(kinds))}.",
            *evidence,
            remedy="take NumPy and SciPy from the same channel, for the same macOS floor",
        )
    name = next(iter(kinds), None)
    return case.passed(f"NumPy and SciPy use {name}." if name else "NumPy's own BLAS is used.", *evidence)


def judge_openmp(case: Case) -> Finding:
    """Two LLVM-family runtimes abort or corrupt; GNU beside them competes for cores; a foreign one belongs nowhere.

    Source: LLVM OpenMP's own Error #15, and threadpoolctl's `multiple_openmp.md` on which mixtures break.
    """
    loaded = _kinds(case.facts["images"], _OPENMP_KINDS)
    evidence = tuple(f"{kind}: {_short(path, case)}{_brought_by(path, case)}" for kind, path in loaded)
    names = " and ".join(sorted(Path(path).name for _, path in loaded))
    foreign = [path for _, path in loaded if _foreign(path, case)]
    mixed = len({kind for kind, _ in loaded}) > 1
    if len([path for kind, path in loaded if kind in ("Intel", "LLVM")]) > 1:
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
        title = f"{len(loaded)} copies of the GNU OpenMP runtime are loaded, which get along."
    return case.passed(title, *evidence)


def _foreign(path: str, case: Case) -> bool:
    """Inside the prefix but of no package, or of a package that the lock does not know."""
    if not Path(path).is_relative_to(case.context.prefix.path):
        return False
    owner = case.packages.owner(Path(path))
    if owner is None:
        return True
    return case.context.prefix.stamp is not None and case.packages.locked_version(owner.name) is None


def _openmp_remedy(foreign: list[str], case: Case) -> str:
    for path in foreign:
        owner = case.packages.owner(Path(path))
        if owner is None:
            return f"remove {path}, which no package of the environment brought"
        if owner.manager == "pip":
            return f"remove {owner.name}, which the lock does not know: " + case.packages.uninstall(owner.name)
    return (
        "take the packages that bring them from one channel, so that they share one runtime; never set "
        f"KMP_DUPLICATE_LIB_OK. As the lock has it: {case.packages.rebuild()}"
    )


def _kinds(images: list[str], table: tuple[tuple[re.Pattern[str], str], ...]) -> list[tuple[str, str]]:
    """(kind, path) of the images that a pattern of `table` fits, each real file once."""
    found: dict[str, tuple[str, str]] = {}
    for image in images:
        kind = next((kind for pattern, kind in table if pattern.search(image.lower())), None)
        if kind is not None:
            found.setdefault(str(Path(image).resolve()), (kind, image))
    return list(found.values())


def _short(path: str, case: Case) -> str:
    prefix = case.context.prefix.path
    return str(Path(path).relative_to(prefix)) if Path(path).is_relative_to(prefix) else path


def _brought_by(path: str, case: Case) -> str:
    owner = case.packages.owner(Path(path))
    return f" (from {owner.name} {owner.version})" if owner else " (of no package)"


def summaries(steps: list[Any]) -> dict[str, tuple[int, float]]:
    """check → (how many known answers were right, the largest relative error among all)."""
    found: dict[str, tuple[int, float]] = {}
    for step in steps:
        if step.check.startswith("numerics.") and "error" in step.facts:
            count, worst = found.get(step.check, (0, 0.0))
            found[step.check] = (count + 1, max(worst, step.facts["error"]))
    return found


JUDGES: Final[dict[str, Judge]] = {
    "numerics.numpy": partial(known_answer, module="numpy"),
    "numerics.scipy": partial(known_answer, module="scipy"),
    "blas.rate": judge_rate,
    "workers.start": judge_workers,
    "blas.loaded": judge_blas,
    "openmp.loaded": judge_openmp,
}
