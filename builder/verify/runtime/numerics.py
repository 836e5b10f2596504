"""Judging numbers: known answers, tolerances by dtype, the BLAS and OpenMP libraries really loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.verify.registry import Check

if TYPE_CHECKING:
    from builder.verify.finding import Finding
    from builder.verify.runtime.judge import Case, Judge

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
        id="openmp.loaded",
        area="numerics",
        catches="More than one OpenMP runtime in one process, with who brought each.",
        otherwise="`OMP: Error #15: Initializing libomp.dylib, but found libomp.dylib already initialized.`",
    ),
)

#: Relative errors accepted, several times what correct libraries reach on the sizes used (measured: OpenBLAS
#: on linux-64 stays below 3e-6, 2e-14), and orders of magnitude below what the published bugs give.
TOLERANCES: Final[dict[str, float]] = {"float16": 5e-2, "bfloat16": 2e-1, "float32": 2e-4, "float64": 1e-10}

#: File name (lower case) → kind. Accelerate lives in the system's shared cache.
_BLAS_KINDS: Final = (
    ("openblas", "openblas"),
    ("accelerate.framework", "accelerate"),
    ("libmkl_rt", "mkl"),
    ("libmkl_core", "mkl"),
    ("libblis", "blis"),
)
_OPENMP_KINDS: Final = (("libiomp5", "Intel"), ("libomp", "LLVM"), ("libgomp", "GNU"))


def tolerance(case: Case, dtype: str) -> float:
    """The recipe's tolerance for a dtype, else the default."""
    return case.context.expectations.tolerances.get(dtype, TOLERANCES[dtype])


def judge_known_answer(case: Case) -> Finding | None:
    """Only wrong numbers are findings of their own; `summary` says what was right."""
    error, allowed = case.facts["error"], tolerance(case, case.facts["dtype"])
    if error <= allowed:
        return None
    library = case.step.check.rpartition(".")[2]
    owner = case.packages.module_owner(library)
    return case.failed(
        f"{library} computes {case.step.subject} wrongly.",
        f"relative error {error:.3g}, allowed {allowed:.3g}",
        remedy="take another build of its BLAS"
        + (f"; if the files may be damaged: {case.packages.reinstall(owner)}" if owner else ""),
    )


def judge_blas(case: Case) -> Finding:
    """Which BLAS libraries NumPy and SciPy have loaded, against the recipe's `blas:` on macOS."""
    loaded = _kinds(case.facts["images"], _BLAS_KINDS)
    reported = tuple(
        f"{library} says: {key} {value}"
        for library in ("numpy", "scipy")
        for key, value in case.facts.get(library, {}).items()
    )
    evidence = (*(f"loaded: {kind} {_short(path, case)}" for kind, path in loaded), *reported)
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
    """Two LLVM-family runtimes abort or corrupt; GNU beside them only competes for cores.

    Source: LLVM OpenMP's own Error #15, and threadpoolctl's `multiple_openmp.md` on which mixtures break.
    """
    loaded = _kinds(case.facts["images"], _OPENMP_KINDS)
    evidence = tuple(f"{kind}: {_short(path, case)}{_brought_by(path, case)}" for kind, path in loaded)
    family = [path for kind, path in loaded if kind in ("Intel", "LLVM")]
    remedy = _openmp_remedy(case)
    if len(family) > 1:
        return case.failed("Two OpenMP runtimes of one family are loaded in one process.", *evidence, remedy=remedy)
    if len({kind for kind, _ in loaded}) > 1:
        names = " and ".join(sorted(Path(path).name for _, path in loaded))
        return case.warned(f"Two kinds of OpenMP runtime are loaded in one process: {names}.", *evidence, remedy=remedy)
    title = "One OpenMP runtime is loaded." if loaded else "No OpenMP runtime is loaded."
    if len(loaded) > 1:
        title = f"{len(loaded)} copies of the GNU OpenMP runtime are loaded, which get along."
    return case.passed(title, *evidence)


def _openmp_remedy(case: Case) -> str:
    return (
        "take the packages that bring them from one channel, so that they share one runtime; never set "
        f"KMP_DUPLICATE_LIB_OK. As the lock has it: {case.packages.rebuild()}"
    )


def _kinds(images: list[str], table: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """(kind, path) of the images whose file name begins like one of `table`, each real file once."""
    found: dict[str, tuple[str, str]] = {}
    for image in images:
        for part, kind in table:
            name = Path(image).name.lower()
            if (
                (part in image.lower())
                if "." in part or (part == "openblas" and ".so" in name)
                else name.startswith(part)
            ):
                found.setdefault(str(Path(image).resolve()), (kind, image))
                break
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
    "numerics.numpy": judge_known_answer,
    "numerics.scipy": judge_known_answer,
    "blas.loaded": judge_blas,
    "openmp.loaded": judge_openmp,
}
