"""BLAS: which linear algebra NumPy and SciPy really use, by their files and in a process, and how fast it is."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks.check import Check, Needs
from builder.checks.images import loaded_runtimes, short
from builder.checks.judging import probed
from builder.checks.runtimes import BLAS, runtime_of
from builder.errors import BinaryError
from builder.finding import Finding, Remedy, Status
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.binaries.dyld import Process
    from builder.checks.case import Case
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

#: The modules of each package that call BLAS or LAPACK.
_CALLERS: Final = {
    "numpy": re.compile(r"(^|/)numpy/(_core|core)/_multiarray_umath\.|(^|/)numpy/linalg/_umath_linalg\."),
    "scipy": re.compile(r"(^|/)scipy/linalg/(_fblas|_flapack|cython_blas|cython_lapack)\."),
}
_ACCELERATE: Final = ("accelerate", "newaccelerate")

#: What is vectorised by hand.
_FAST: Final = ("openblas", "mkl", "blis")
#: Part of Accelerate's own rate below which NumPy's products are called slow.
_SLOW_BESIDE_ACCELERATE: Final = 0.4
#: How many times as fast as `einsum` (vectorised, no blocking) a product must at least be, both on one core. Measured
#: with AVX-512: OpenBLAS 6 times, busy or not; a reference BLAS, neither vectorised by hand nor blocked, a tenth.
_SLOW_BESIDE_EINSUM: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Linked:
    """What a module links: the key and name of the BLAS, whether with the new LAPACK's symbols, and how we know."""

    key: str
    name: str
    why: str
    new_lapack: bool = False

    @property
    def shown(self) -> str:
        if self.key != "accelerate":
            return self.name
        return f"Accelerate ({'new LAPACK' if self.new_lapack else 'classic'})"

    def is_what_is_asked(self, asked: str | None) -> bool:
        """`accelerate` is content with the new LAPACK too; `newaccelerate` is not with the classic one."""
        match asked:
            case None | "auto":
                return True
            case "newaccelerate":
                return self.key == "accelerate" and self.new_lapack
            case _:
                return self.key == asked.lower()


def _vendor(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    linked = dict(_on_mac(survey) if survey.is_mac else _on_linux(survey))
    if not linked:
        yield Finding(check="blas.vendor", status=Status.SKIP, title="Neither NumPy nor SciPy is there to check")
        return
    lines = [f"{package}: {found.shown} ({found.why})" for package, found in linked.items()]
    if (target := _conda_target(survey)) is not None:
        lines.append(f"lib/libblas.3.dylib → {target}")
    asked = subject.expectations.blas
    wrong = {package: found for package, found in linked.items() if not found.is_what_is_asked(asked)}
    if wrong:
        yield Finding(
            check="blas.vendor",
            status=Status.FAIL,
            title=f"The recipe asks for {asked}, but "
            + ", ".join(f"{name} uses {found.shown}" for name, found in wrong.items()),
            evidence=tuple(lines),
            remedy=subject.repair.restore(map(subject.repair.module_owner, wrong)),
        )
    elif len({found.key for found in linked.values()}) > 1:
        yield Finding(
            check="blas.vendor",
            status=Status.WARN,
            title="NumPy and SciPy use different BLAS libraries: "
            + ", ".join(f"{package} {found.shown}" for package, found in linked.items()),
            evidence=(*lines, "Results are right; each keeps its own threads."),
            remedy=Remedy("Take NumPy and SciPy from one source: both from conda-forge, or both from PyPI."),
        )
    else:
        yield Finding(
            check="blas.vendor",
            status=Status.PASS,
            title=f"{listing(list(linked))} {'use' if len(linked) > 1 else 'uses'} "
            f"{listing(sorted({found.shown for found in linked.values()}))}",
            evidence=tuple(lines),
        )


def _on_mac(survey: Survey) -> Iterator[tuple[str, Linked]]:
    """For each package the first of its modules that links a BLAS."""
    for package, caller in _CALLERS.items():
        processes = (process for process in survey.processes if caller.search(process.entry.rel))
        found = next((told for process in processes if (told := _linked_by(process)) is not None), None)
        if found is not None:
            yield package, found


def _linked_by(process: Process) -> Linked | None:
    for binary, resolutions in process.images.values():
        # conda-forge's shims re-export the system's Accelerate, whose symbols the module itself imports.
        if binary is not process.entry and (runtime := runtime_of(binary.rel, BLAS)) is not None:
            new = runtime.key == "accelerate" and _imports_new_lapack(process)
            return Linked(key=runtime.key, name=runtime.name, why=f"links {binary.rel}", new_lapack=new)
        named = (runtime_of(item.name, BLAS) for item in resolutions if item.name.startswith("/"))
        if any(runtime is not None and runtime.key == "accelerate" for runtime in named):
            new = _imports_new_lapack(process)
            why = "imports $NEWLAPACK symbols" if new else "imports the classic symbols"
            return Linked(key="accelerate", name="Accelerate", why=why, new_lapack=new)
    return None


def _imports_new_lapack(process: Process) -> bool:
    """Accelerate of macOS 13.3 has each symbol twice: `_dgesv$NEWLAPACK` is that of LAPACK 3.9 and later."""
    for binary, _ in process.images.values():
        try:
            if b"$NEWLAPACK" in binary.imports.names.joined:
                return True
        except (BinaryError, OSError):
            continue
    return False


def _conda_target(survey: Survey) -> str | None:
    """The file that conda's libblas.3.dylib is a link to."""
    taken = survey.inventory
    path = (taken.real or os.path.realpath)(f"{taken.root}/lib/libblas.3.dylib")
    return taken.by_path[path].name if path in taken.by_path else None


def _on_linux(survey: Survey) -> Iterator[tuple[str, Linked]]:
    tree = survey.elf
    for package, caller in _CALLERS.items():
        for binary in tree.binaries:
            if caller.search(binary.rel):
                linked = ((one.rel, runtime_of(one.rel, BLAS)) for one in tree.closure(binary).values())
                found = next(((rel, runtime) for rel, runtime in linked if runtime is not None), None)
                if found is not None:
                    yield package, Linked(key=found[1].key, name=found[1].name, why=f"links {found[0]}")
                    break


def judge_loaded(case: Case) -> Finding:
    """Which BLAS libraries NumPy and SciPy have loaded, against the recipe's `blas:` on macOS.

    Which of Accelerate's two LAPACKs is used no list of loaded files can tell: `blas.vendor` reads that.
    """
    loaded = loaded_runtimes(case.facts["images"], BLAS)
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
    evidence = (*(f"loaded: {runtime.name} {short(path, case)}" for runtime, path in loaded), *reported, *pools)
    names = {runtime.key: runtime.name for runtime, _ in loaded}
    if case.subdir.is_osx and case.expectations.blas in _ACCELERATE and "accelerate" not in names:
        return case.failed(
            f"The recipe asks for Accelerate, but {listing(sorted(names.values())) or 'no BLAS that is known'} is "
            "loaded.",
            *evidence,
            remedy=case.repair.restore_module("numpy"),
        )
    if len(names) > 1:
        return case.warned(
            f"NumPy and SciPy use different BLAS libraries: {listing(sorted(names.values()))}.",
            *evidence,
            remedy=Remedy("Take NumPy and SciPy from one source, for the same macOS floor."),
        )
    name = next(iter(names.values()), None)
    return case.passed(f"NumPy and SciPy use {name}." if name else "NumPy uses its own BLAS.", *evidence)


def judge_rate(case: Case) -> Finding:
    """NumPy's float32 product beside something else on the same machine, in turn with it in one process.

    On macOS that is Accelerate's own product; elsewhere NumPy's `einsum`, which no BLAS takes part in. Both are timed
    by what their thread computed, so that a busy machine slows neither.
    """
    rate, accelerate, einsum = (case.facts.get(name) for name in ("numpy", "accelerate", "einsum"))
    if rate is None:
        return case.skipped("No rate was measured.")
    if accelerate is not None:
        beside, slow = f"Accelerate {accelerate:.0f}", rate < _SLOW_BESIDE_ACCELERATE * accelerate
    elif einsum is not None:
        beside, slow = f"einsum without BLAS {einsum:.1f}", rate < _SLOW_BESIDE_EINSUM * einsum
    else:
        return case.passed(f"NumPy multiplies at {rate:.0f} GFLOP/s on one core.")
    evidence = f"NumPy {rate:.0f}, {beside} GFLOP/s (float32, one core)"
    if slow:
        loaded = loaded_runtimes(case.facts.get("images", ()), BLAS)
        uses = tuple(f"NumPy uses {runtime.name}: {short(path, case)}" for runtime, path in loaded)
        return case.warned(
            "NumPy multiplies matrices far slower than this machine can.",
            evidence,
            *(uses or ("NumPy uses no BLAS that is known",)),
            remedy=_faster(case, {runtime.key: path for runtime, path in loaded}),
        )
    return case.passed(f"NumPy multiplies at {rate:.0f} GFLOP/s on one core.", evidence)


def _faster(case: Case, loaded: Mapping[str, str]) -> Remedy:
    """What makes products faster than with the libraries `loaded` (their paths by their keys).

    A fast one that computes slowly is damaged, or was built for, or started on, another CPU.
    """
    best = "accelerate" if case.subdir.is_osx else next((key for key in _FAST if key in loaded), "openblas")
    if best in loaded:
        return case.repair.restore([case.repair.owner(Path(loaded[best])) or case.repair.module_owner("numpy")])
    by_conda = (owner := case.repair.module_owner("numpy")) is not None and owner.manager == "conda"
    stamp = case.environment.stamp
    if not by_conda:
        wheel = "for macOS 14 or newer" if case.subdir.is_osx else "from PyPI, which brings OpenBLAS"
        return Remedy(f"Take a wheel of NumPy {wheel}, instead of this one.")
    if stamp is None:
        return Remedy(f"Have conda take another BLAS: `libblas=*=*{best}`.")
    change = "`blas: accelerate`" if case.subdir.is_osx else f"`libblas * *{best}` among its dependencies"
    recipe = stamp.recipe or stamp.name
    again = f"`envbuild lock {recipe}`, then `{shlex.join(stamp.create_command(case.environment.path))}`"
    return Remedy(f"Write {change} into the recipe {recipe}: {again}.")


CHECKS: Final = (
    Check(
        id="blas.vendor",
        area="blas",
        needs=Needs.FILES,
        catches="Another BLAS than the recipe asks for, and NumPy and SciPy on two different ones.",
        otherwise="No error: matrix products up to ten times slower than Accelerate, or more threads than cores.",
        run=_vendor,
    ),
    probed(
        id="blas.loaded",
        area="blas",
        catches="A BLAS in the process other than the one the recipe asks for, or several of different kinds.",
        otherwise="Silence: linear algebra up to ten times slower, or two thread pools that fight for the cores.",
        judge=judge_loaded,
    ),
    probed(
        id="blas.rate",
        area="blas",
        catches="A NumPy whose matrix products run at a fraction of what the machine can do.",
        otherwise="Silence: training and linear algebra up to ten times slower.",
        judge=judge_rate,
    ),
)
