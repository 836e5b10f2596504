"""One runtime from two places: which copies of OpenMP and OpenBLAS a process may end up with, and what that does.

Wheels bring their own copies, under names and in folders that no other package looks in (auditwheel's `numpy.libs`,
delocate's `.dylibs`). For OpenBLAS, and for GNU's OpenMP, that is how PyPI works and harms nothing; LLVM's and Intel's
OpenMP refuse a second copy of either, and a copy that conda shares between packages beside a wheel's own means that
two sources were mixed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.checks.registry import Check
from builder.checks.survey import Scope
from builder.finding import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.survey import Survey

CHECKS: Final = (
    Check(
        id="link.duplicate",
        area="linking",
        catches="One runtime from two places: OpenMP (libomp, libiomp5, libgomp) or OpenBLAS, with who loads each.",
        otherwise="OMP: Error #15: Initializing libomp.dylib, but found libomp.dylib already initialized.",
    ),
)

#: Runtimes of which a process should have one: family → file names.
FAMILIES: Final = {
    "OpenMP": re.compile(r"lib(i?omp5?|gomp)([.-].*)?\.(dylib|so)(\..*)?|lib(i?omp5?|gomp)(-[0-9a-f]+)?\.so[.\d]*"),
    "OpenBLAS": re.compile(r"lib(scipy_)?openblas\w*([.-].*)?\.(dylib|so)(\..*)?"),
}
#: GNU's OpenMP has no check for a second copy; LLVM's, and Intel's of the same origin, abort (kmp_runtime.cpp,
#: `__kmp_register_library_startup`).
_GNU: Final = re.compile(r"libgomp\b|libgomp[.-]")


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy that something loads. `identity`: two copies of one identity never are in one process (glibc: SONAME)."""

    rel: str
    identity: str
    users: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.rel.rpartition("/")[2]

    @property
    def line(self) -> str:
        return f"{self.rel}, loaded by {', '.join(self.users)}"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What is loaded of one family. `together`: a binary whose loading alone brings `pair`, two of the copies."""

    copies: tuple[Copy, ...]
    unused: tuple[str, ...]
    together: str | None = None
    pair: tuple[str, ...] = ()


def check(survey: Survey) -> Iterator[Finding]:
    """One finding per family with a hazard, or one pass that says what copies there are."""
    if survey.scope is not Scope.FULL:
        return
    if survey.is_mac and not survey.inventory.binaries:
        yield Finding(check="link.duplicate", status=Status.SKIP, title="No binary is there to look at")
        return
    told: list[str] = []
    hazards: list[Finding] = []
    for family, pattern in FAMILIES.items():
        loaded = _on_mac(survey, pattern) if survey.is_mac else _on_linux(survey, pattern)
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
    aborts = openmp and not all(_GNU.match(copy.name) for copy in copies)
    wheels = [copy.rel for copy in copies if survey.packages.from_wheel(copy.rel)]
    if not aborts and len(wheels) == len(copies):
        return None
    sure = openmp and sum(not _GNU.match(name) for name in loaded.pair) > 1
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
        remedy=_remedy(copies, wheels, aborts=aborts),
    )


def _remedy(copies: tuple[Copy, ...], wheels: list[str], *, aborts: bool) -> str:
    mixed = 0 < len(wheels) < len(copies)
    users = sorted({user for copy in copies if not mixed or copy.rel in wheels for user in copy.users})
    text = f"Take {', '.join(users)} from conda-forge, so that all share one runtime."
    if aborts and not mixed:
        text += " Where that cannot be, import them in separate processes."
    return text


def _on_mac(survey: Survey, pattern: re.Pattern[str]) -> Loaded:
    found = {binary.path: binary for binary in survey.inventory.binaries if pattern.fullmatch(binary.name)}
    users: dict[str, set[str]] = {path: set() for path in found}
    together: str | None = None
    pair: tuple[str, ...] = ()
    for process in survey.processes:
        inside = [path for path in process.images if path in found]
        for path in inside:
            if path != process.entry.path:
                users[path].add(survey.packages.owner(process.entry.rel))
        if together is None and len(inside) > 1:
            together, pair = process.entry.rel, tuple(found[path].name for path in inside)
    return Loaded(
        copies=tuple(
            Copy(rel=rel, identity=path, users=tuple(sorted(users[path])))
            for rel, path in sorted((binary.rel, path) for path, binary in found.items())
            if users[path]
        ),
        unused=tuple(binary.rel for path, binary in found.items() if not users[path]),
        together=together,
        pair=pair,
    )


def _on_linux(survey: Survey, pattern: re.Pattern[str]) -> Loaded:
    tree = survey.elf
    found = {binary.rel: binary for binary in tree.binaries if pattern.fullmatch(binary.name)}
    users: dict[str, set[str]] = {rel: set() for rel in found}
    for binary in tree.binaries:
        for linked in tree.links[binary.rel].values():
            if linked is not None and linked.rel in users:
                users[linked.rel].add(survey.packages.owner(binary.rel))
    together: str | None = None
    pair: tuple[str, ...] = ()
    if sum(map(bool, users.values())) > 1:
        for binary in tree.binaries:
            inside = {found[rel].soname or rel: found[rel].name for rel in tree.closure(binary) if rel in found}
            if len(inside) > 1:
                together, pair = binary.rel, tuple(inside.values())
                break
    return Loaded(
        copies=tuple(
            Copy(rel=rel, identity=found[rel].soname or rel, users=tuple(sorted(names)))
            for rel, names in sorted(users.items())
            if names
        ),
        unused=tuple(rel for rel, names in users.items() if not names),
        together=together,
        pair=pair,
    )


def _cxx_runtimes(survey: Survey) -> list[str]:
    """Copies of libc++ in the prefix. Two-level binding keeps each to the binaries that link it."""
    return [binary.rel for binary in survey.inventory.binaries if re.match(r"libc\+\+(abi)?[.-]", binary.name)]
