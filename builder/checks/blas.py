"""BLAS: which linear algebra NumPy and SciPy really use."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from builder.checks.registry import Check
from builder.errors import BinaryError
from builder.finding import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.dyld import Process
    from builder.checks.survey import Survey

CHECKS: Final = (
    Check(
        id="blas.vendor",
        area="linking",
        catches="Another BLAS than the recipe asks for, and NumPy and SciPy on two different ones.",
        otherwise="No error: matrix products up to ten times slower than Accelerate, or more threads than cores.",
    ),
)

#: The modules of each package that call BLAS or LAPACK.
_CALLERS: Final = {
    "numpy": re.compile(r"(^|/)numpy/(_core|core)/_multiarray_umath\.|(^|/)numpy/linalg/_umath_linalg\."),
    "scipy": re.compile(r"(^|/)scipy/linalg/(_fblas|_flapack|cython_blas|cython_lapack)\."),
}
_LIBRARIES: Final = (
    (re.compile(r"lib(scipy_)?openblas"), "OpenBLAS"),
    (re.compile(r"libvecLibFort|libblas_reexport"), "Accelerate"),
    (re.compile(r"libmkl_"), "MKL"),
    (re.compile(r"libblis"), "BLIS"),
)


def check(survey: Survey) -> Iterator[Finding]:
    if not survey.is_mac:
        return
    vendors = {package: found for package in _CALLERS if (found := _vendors(survey, package))}
    target = _conda_target(survey)
    if not vendors:
        yield Finding(check="blas.vendor", status=Status.SKIP, title="Neither NumPy nor SciPy is there to look at")
        return
    lines = [
        f"{survey.packages.described(f'{rel}')}: {vendor} ({why})"
        for found in vendors.values()
        for rel, vendor, why in found[:1]
    ]
    if target is not None:
        lines.append(f"lib/libblas.3.dylib → {target}")
    names = {package: found[0][1] for package, found in vendors.items()}
    asked = survey.prefix.stamp.expectations.blas if survey.prefix.stamp is not None else None
    wrong = {package: vendor for package, vendor in names.items() if not _as_asked(vendor, asked)}
    if wrong:
        yield Finding(
            check="blas.vendor",
            status=Status.FAIL,
            title=f"The recipe asks for {asked}, but "
            + ", ".join(f"{name} uses {vendor}" for name, vendor in wrong.items()),
            evidence=tuple(lines),
            remedy="conda: `libblas=*=*_accelerate` or `*_newaccelerate`; PyPI: wheels tagged macosx_14_0.",
        )
    elif len({vendor.split(" ")[0] for vendor in names.values()}) > 1:
        yield Finding(
            check="blas.vendor",
            status=Status.WARN,
            title="NumPy and SciPy use different BLAS libraries: "
            + ", ".join(f"{package} {vendor}" for package, vendor in names.items()),
            evidence=(*lines, "Results are right; each keeps its own threads."),
            remedy="Take both from conda-forge, or both as macosx_14_0 wheels.",
        )
    else:
        yield Finding(
            check="blas.vendor",
            status=Status.PASS,
            title=f"{' and '.join(package for package in names)} {'use' if len(names) > 1 else 'uses'} "
            f"{', '.join(sorted(set(names.values())))}",
            evidence=tuple(lines),
        )


def _as_asked(vendor: str, asked: str | None) -> bool:
    match asked:
        case None | "auto":
            return True
        case "newaccelerate":
            return vendor == "Accelerate (new LAPACK)"
        case "accelerate":
            return vendor.startswith("Accelerate")
        case _:
            return vendor.lower().startswith(asked.lower())


def _vendors(survey: Survey, package: str) -> list[tuple[str, str, str]]:
    """(module, vendor, why) for each module of `package` that links one."""
    found = []
    for process in survey.processes:
        rel = process.entry.rel
        if _CALLERS[package].search(rel) and (told := _vendor(process)) is not None:
            found.append((rel, *told))
    return found


def _vendor(process: Process) -> tuple[str, str] | None:
    for binary, resolutions in process.images.values():
        for pattern, vendor in _LIBRARIES:
            if pattern.match(binary.name) and binary is not process.entry:
                return vendor, f"links {binary.rel}"
        if any("/Accelerate.framework/" in item.name or "/vecLib.framework/" in item.name for item in resolutions):
            try:
                new = any(b"$NEWLAPACK" in name for name, *_ in binary.imports)
            except (BinaryError, OSError):
                new = False
            return (
                ("Accelerate (new LAPACK)", "imports $NEWLAPACK symbols")
                if new
                else ("Accelerate (classic)", "imports the classic symbols")
            )
    return None


def _conda_target(survey: Survey) -> str | None:
    """The file that conda's libblas.3.dylib is a link to."""
    link = survey.prefix.path / "lib" / "libblas.3.dylib"
    return os.path.basename(os.path.realpath(link)) if link.exists() else None  # noqa: PTH119
