"""Imports: every module, alone and together in both orders, and the snippets that the recipe asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.checks.judging import probed
from builder.finding import Remedy
from builder.frameworks import registry
from builder.wording import capital

if TYPE_CHECKING:
    from builder.checks.case import Case
    from builder.finding import Finding

#: Modules beside the frameworks whose `__version__` is the version of their distribution.
_TELL_THEIR_VERSION: Final = ("numpy", "scipy", "pandas", "sklearn")


def judge_import(case: Case) -> Finding:
    """The module is the installed one, in the version its metadata says."""
    name, file = case.subject, case.facts["file"]
    version = case.facts["version"]
    place = (f"{file}",) if file else ()
    inside = file is None or Path(file).is_relative_to(case.environment.path)
    if not inside and not Path(file).resolve().is_relative_to(case.environment.path):
        return case.failed(
            f"{name} is imported from outside the environment.",
            *place,
            remedy=Remedy(
                f"Find what puts {Path(file).parent.parent} on Python's path (PYTHONPATH, a .pth file) and take it off."
            ),
        )
    dist = case.repair.modules.get(name)
    if _tells_its_version(name) and dist is not None and version and not _same(version, dist.version):
        return case.failed(
            f"The files of {name} are {version}, but its metadata says {dist.version}.",
            *place,
            remedy=case.repair.restore_module(name),
        )
    took = f"{case.seconds:.1f} s"
    return case.passed(f"{name} {version} imports.".replace("  ", " "), *place, took)


def _tells_its_version(module: str) -> bool:
    libraries = (library.modules[:1] for library in registry.libraries() if library.tells_version)
    return module in _TELL_THEIR_VERSION or (module,) in libraries


def _same(left: str, right: str) -> bool:
    try:
        return Version(left).public == Version(right).public
    except InvalidVersion:
        return left == right


CHECKS: Final = (
    probed(
        id="import.alone",
        area="imports",
        catches="A module that does not import in a fresh process.",
        otherwise="`ImportError`, `Symbol not found`, or the process dies without a word.",
        judge=judge_import,
    ),
    probed(
        id="import.together",
        area="imports",
        catches="Modules that import alone but not all in one process.",
        otherwise="`OMP: Error #15`, a crash in the second library that brings its own runtime.",
        judge=judge_import,
    ),
    probed(
        id="import.reversed",
        area="imports",
        catches="Modules that import in one order but not in the reverse one.",
        otherwise="A crash that comes and goes with the order of the import lines.",
        judge=judge_import,
    ),
    probed(
        id="import.used",
        area="imports",
        catches="Libraries that import together but die or fail when each computes something.",
        otherwise="`OMP: Error #15` or a hang at the first training, long after all imports succeeded.",
        judge=lambda case: case.passed(f"{case.subject} computes beside the others."),
    ),
    probed(
        id="recipe.snippet",
        area="imports",
        catches="A snippet of the recipe's `verify:` section that raises or does not end.",
        otherwise="Whatever the team wrote it for.",
        judge=lambda case: case.passed(f"{capital(case.subject)} runs.", f"{case.seconds:.1f} s"),
    ),
)
