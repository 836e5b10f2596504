"""Judging which interpreter runs, and where it takes its modules from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks.registry import Check

if TYPE_CHECKING:
    from builder.checks.judge import Case, Judge
    from builder.finding import Finding

CHECKS: Final = (
    Check(
        id="process.interpreter",
        area="process",
        catches="An interpreter of another architecture than the environment's, or one that Rosetta translates.",
        otherwise="`Illegal instruction: 4` on `import tensorflow`, `incompatible architecture (have 'x86_64', need "
        "'arm64')`, or (Rosetta of macOS 15 and later) nothing but slowness.",
    ),
    Check(
        id="process.prefix",
        area="process",
        catches="An interpreter that takes its prefix or packages from somewhere else, as a `.pth` file can make it.",
        otherwise="`ModuleNotFoundError` for packages that `conda list` shows.",
    ),
    Check(
        id="process.shadow",
        area="process",
        catches="A module that is imported from another place than the package that was installed.",
        otherwise="`AttributeError: module 'keras' has no attribute 'layers'`, or silently another version.",
    ),
)


def judge_interpreter(case: Case) -> Finding:
    """Native, of the platform's machine, and of its own opinion about the platform."""
    facts, want = case.facts, case.context.subdir
    evidence = (
        f"{facts['executable']}: {facts['implementation']} {facts['version']}, machine {facts['machine']}",
        f"sysconfig.get_platform(): {facts['platform']}",
    )
    if facts["translated"]:
        universal = "universal2" in facts["platform"]
        return case.failed(
            "The universal interpreter runs as x86_64 under Rosetta, because what started it does."
            if universal
            else "The interpreter is an x86_64 build translated by Rosetta.",
            *evidence,
            "sysctl.proc_translated: 1",
            remedy="start the terminal or IDE natively (Finder, Get Info, untick “Open using Rosetta”), or rebuild the "
            f"environment for osx-arm64: {case.packages.rebuild()}",
        )
    # Python of conda-forge and python.org says `macosx-14.0-arm64`, `macosx-10.9-universal2`, `linux-x86_64`.
    told = facts["platform"].rpartition("-")[2]
    if facts["machine"] != want.machine or told not in (want.machine, "universal2"):
        return case.failed(
            f"The interpreter runs as {facts['machine']}, but the environment is for {want}.",
            *evidence,
            remedy=case.packages.rebuild(),
        )
    return case.passed(f"Python {facts['version']} runs natively as {facts['machine']}.", *evidence)


def judge_prefix(case: Case) -> Finding:
    """`sys.executable` and `sys.prefix` are those of the environment."""
    facts, path = case.facts, case.context.prefix.path
    evidence = tuple(f"sys.{name}: {facts[name]}" for name in ("executable", "prefix", "base_prefix"))
    inside = Path(facts["executable"]).parent.resolve() == (path / "bin").resolve()
    if Path(facts["prefix"]).resolve() != path or not inside:
        return case.failed(
            "The interpreter takes its packages from another prefix.",
            *evidence,
            f"the environment: {path}",
            remedy=case.packages.rebuild(),
        )
    if case.context.prefix.is_conda and Path(facts["base_prefix"]).resolve() != path:
        return case.failed(
            "The interpreter takes its standard library from outside the environment.",
            *evidence,
            remedy=case.packages.rebuild(),
        )
    leaks = [folder for folder in facts["path"] if _is_foreign(folder, path)]
    if leaks:
        named = _named_by(leaks, case.context.prefix.site_packages)
        return case.warned(
            f"Python also looks for packages in another environment: {', '.join(leaks)}.",
            *evidence,
            *(f"named by {file}" for file in named),
            remedy=f"remove {', '.join(map(str, named))}"
            if named
            else "build the environment without the other one's packages (no --system-site-packages)",
        )
    return case.passed("The interpreter and its packages are the environment's own.", *evidence)


def _is_foreign(folder: str, prefix: Path) -> bool:
    """Whether a folder of `sys.path` holds another environment's packages; sources of an editable install do not."""
    place = Path(folder)
    packages = place.name in ("site-packages", "dist-packages")
    return packages and place.is_dir() and not place.resolve().is_relative_to(prefix)


def _named_by(folders: list[str], site: Path | None) -> list[Path]:
    """The `.pth` files that put one of the folders on Python's path."""
    found = []
    for file in sorted(site.glob("*.pth")) if site is not None else ():
        try:
            lines = {line.strip().rstrip("/") for line in file.read_text("utf-8", errors="replace").splitlines()}
        except OSError:
            continue
        if lines & set(folders):
            found.append(file)
    return found


def judge_shadow(case: Case) -> Finding:
    """Every installed top-level module is found where its package was installed, without the user's settings."""
    site = case.context.prefix.site_packages
    hidden = {
        name: origin
        for name, origin in case.facts["origins"].items()
        if site is not None and origin is not None and name in case.packages.modules and not _inside(origin, site)
    }
    if hidden:
        return case.failed(
            f"Installed modules are hidden by other files: {', '.join(sorted(hidden))}.",
            *(
                f"{name}: imported from {origin}, installed by {case.packages.modules[name].name} in {site}"
                for name, origin in hidden.items()
            ),
            remedy="remove or rename " + ", ".join(removable(origin) for origin in hidden.values()),
        )
    return case.passed("Every installed module is imported from the package that brought it.")


def _inside(origin: str, folder: Path) -> bool:
    return Path(os.path.realpath(origin)).is_relative_to(folder.resolve()) or Path(origin).is_relative_to(folder)


def removable(origin: str) -> str:
    """What to remove or rename so that a module is no longer imported from `origin`: its folder, or its file."""
    path = Path(origin)
    return str(path.parent if path.name == "__init__.py" else path)


JUDGES: Final[dict[str, Judge]] = {
    "process.interpreter": judge_interpreter,
    "process.prefix": judge_prefix,
    "process.shadow": judge_shadow,
}
