"""The checks of architecture and linking for Linux prefixes, under the same ids."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from builder.checks.survey import Scope, optional_reason
from builder.finding import Finding, Status
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.elf import ElfBinary, ElfTree
    from builder.checks.survey import Survey

_VENDORS: Final = (
    (re.compile(r"lib(scipy_)?openblas"), "OpenBLAS"),
    (re.compile(r"libmkl_"), "MKL"),
    (re.compile(r"libblis"), "BLIS"),
    (re.compile(r"lib(c?blas|lapack)\.so"), "Netlib"),
)
_CALLERS: Final = {
    "numpy": re.compile(r"(^|/)numpy/(_core|core)/_multiarray_umath\.|(^|/)numpy/linalg/_umath_linalg\."),
    "scipy": re.compile(r"(^|/)scipy/linalg/(_fblas|_flapack)\."),
}


def check(survey: Survey) -> Iterator[Finding]:
    if survey.is_mac:
        return
    tree = survey.elf
    machine = survey.elf_machine
    yield from _machines(survey, tree, machine)
    yield from _interpreter(survey, tree, machine)
    yield from _missing(survey, tree)
    if survey.scope is Scope.FULL:
        yield from _blas(tree)


def _machines(survey: Survey, tree: ElfTree, machine: str) -> Iterator[Finding]:
    wrong = [f"{item.rel}: {item.reason}" for item in tree.unreadable]
    wrong += [
        f"{binary.rel} ({survey.packages.described(binary.rel)}): have '{binary.machine}', need '{machine}'"
        for binary in tree.binaries
        if binary.machine != machine
    ]
    wrong += [f"{binary.rel}: a macOS binary ({'/'.join(binary.archs)})" for binary in survey.inventory.binaries]
    if wrong:
        yield Finding(
            check="arch.binary",
            status=Status.FAIL,
            title=f"{plural(len(wrong), 'binary', 'binaries')} cannot run on Linux {machine}",
            evidence=listed(wrong),
            remedy="Install the packages of these files again, for this platform.",
        )
    else:
        yield Finding(
            check="arch.binary",
            status=Status.PASS,
            title=f"All {plural(len(tree.binaries), 'binary', 'binaries')} are for Linux {machine}",
            evidence=(f"{plural(survey.inventory.files, 'file')} looked at",),
        )


def _interpreter(survey: Survey, tree: ElfTree, machine: str) -> Iterator[Finding]:
    python = survey.prefix.python
    real = os.path.realpath(python) if python is not None else None
    found = next((binary for binary in tree.binaries if binary.path == real), None)
    if found is None:
        yield Finding(
            check="arch.interpreter",
            status=Status.SKIP,
            title="The folder holds no Python interpreter"
            if python is None
            else "The interpreter lies outside the prefix",
        )
    else:
        yield Finding(
            check="arch.interpreter",
            status=Status.PASS if found.machine == machine else Status.FAIL,
            title=f"The interpreter is built for {found.machine}",
            evidence=(found.rel,),
        )


def _missing(survey: Survey, tree: ElfTree) -> Iterator[Finding]:
    harmless = [item for item in tree.missing if optional_reason(item.binary.rel) is not None]
    grouped: dict[str, list[ElfBinary]] = {}
    for item in tree.missing:
        if item not in harmless:
            grouped.setdefault(item.name, []).append(item.binary)
    for name, binaries in grouped.items():
        first = binaries[0]
        yield Finding(
            check="link.missing-library",
            status=Status.FAIL,
            title=f"{first.rel} needs {name}, which the environment does not provide",
            evidence=(
                f"{name}: cannot open shared object file: No such file or directory",
                f"Searched: {', '.join(first.search) or 'no RUNPATH'}",
                *listed([f"also needed by: {binary.rel}" for binary in binaries[1:]], most=5),
            ),
            remedy=f"Install the package that provides {name}, or another version of "
            f"{survey.packages.described(first.rel)} that brings it along.",
        )
    if not grouped:
        needed = sum(len(binary.needed) for binary in tree.binaries)
        yield Finding(
            check="link.missing-library",
            status=Status.PASS,
            title=f"Every library that {plural(len(tree.binaries), 'binary', 'binaries')} need is there",
            evidence=(
                f"{needed:,} NEEDED entries resolved; glibc and what manylinux leaves to the system taken as present",
                *listed([f"left out: {item.binary.rel} lacks {item.name}" for item in harmless], most=5),
            ),
        )


def _blas(tree: ElfTree) -> Iterator[Finding]:
    vendors: dict[str, str] = {}
    lines: list[str] = []
    for binary in tree.binaries:
        for package, caller in _CALLERS.items():
            if package not in vendors and caller.search(binary.rel):
                for linked in tree.closure(binary).values():
                    vendor = next((name for pattern, name in _VENDORS if pattern.match(linked.name)), None)
                    if vendor is not None:
                        vendors[package] = vendor
                        lines.append(f"{package}: {vendor} (links {linked.rel})")
                        break
    if not vendors:
        yield Finding(check="blas.vendor", status=Status.SKIP, title="Neither NumPy nor SciPy is there to look at")
        return
    mixed = len(set(vendors.values())) > 1
    yield Finding(
        check="blas.vendor",
        status=Status.WARN if mixed else Status.PASS,
        title="NumPy and SciPy use different BLAS libraries"
        if mixed
        else f"{' and '.join(vendors)} {'use' if len(vendors) > 1 else 'uses'} {next(iter(vendors.values()))}",
        evidence=tuple(lines),
        remedy="Take both from one source." if mixed else None,
    )
