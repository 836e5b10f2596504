"""Judging imports and the recipe's own snippets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.checks.registry import Check
from builder.frameworks import registry

if TYPE_CHECKING:
    from builder.checks.judge import Case, Judge
    from builder.finding import Finding

CHECKS: Final = (
    Check(
        id="import.alone",
        area="frameworks",
        catches="A module that does not import in a fresh process.",
        otherwise="`ImportError`, `Symbol not found`, or the process dies without a word.",
    ),
    Check(
        id="import.together",
        area="frameworks",
        catches="Modules that import alone but not all in one process.",
        otherwise="`OMP: Error #15`, a crash in the second library that brings its own runtime.",
    ),
    Check(
        id="import.reversed",
        area="frameworks",
        catches="Modules that import in one order but not in the reverse one.",
        otherwise="A crash that comes and goes with the order of the import lines.",
    ),
    Check(
        id="import.used",
        area="frameworks",
        catches="Libraries that import together but die or fail when each computes something.",
        otherwise="`OMP: Error #15` or a hang at the first training, long after all imports succeeded.",
    ),
    Check(
        id="recipe.snippet",
        area="frameworks",
        catches="A snippet of the recipe's `verify:` section that raises or does not end.",
        otherwise="Whatever the team wrote it for.",
    ),
)

#: Modules beside the frameworks whose `__version__` is the version of their distribution.
_TELL_THEIR_VERSION: Final = ("numpy", "scipy", "pandas", "sklearn")


def judge_import(case: Case) -> Finding:
    """The module is the installed one, in the version its metadata says."""
    name, file = case.step.subject, case.facts["file"]
    version = case.facts["version"]
    place = (f"{file}",) if file else ()
    inside = file is None or Path(file).is_relative_to(case.context.prefix.path)
    if not inside and not Path(file).resolve().is_relative_to(case.context.prefix.path):
        return case.failed(
            f"{name} is imported from outside the environment.",
            *place,
            remedy=f"find what adds {Path(file).parent.parent} to sys.path (a .pth file?) and remove it",
        )
    dist = case.packages.modules.get(name)
    if _tells_its_version(name) and dist is not None and version and not _same(version, dist.version):
        owner = case.packages.module_owner(name)
        return case.failed(
            f"The files of {name} are {version}, but its metadata says {dist.version}.",
            *place,
            remedy=case.packages.reinstall(owner) if owner else case.packages.rebuild(),
        )
    took = f"{case.step.seconds:.1f} s"
    return case.passed(f"{name} {version} imports.".replace("  ", " "), *place, took)


def _tells_its_version(module: str) -> bool:
    libraries = (library.modules[:1] for library in registry.libraries() if library.tells_version)
    return module in _TELL_THEIR_VERSION or (module,) in libraries


def _same(left: str, right: str) -> bool:
    try:
        return Version(left).public == Version(right).public
    except InvalidVersion:
        return left == right


JUDGES: Final[dict[str, Judge]] = {
    "import.alone": judge_import,
    "import.together": judge_import,
    "import.reversed": judge_import,
    "import.used": lambda case: case.passed(f"{case.step.subject} computes beside the others."),
    "recipe.snippet": lambda case: case.passed(f"{case.step.subject} runs.", f"{case.step.seconds:.1f} s"),
}
