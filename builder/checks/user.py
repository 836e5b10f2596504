"""Judging what the user's own settings do to an environment: user site, PYTHONPATH, keras.json, variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.checks.known_errors import DISTRIBUTIONS
from builder.checks.process import removable
from builder.checks.registry import Check
from builder.finding import Finding, Status
from builder.wording import plural

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.checks.context import Context
    from builder.checks.judge import Case

CHECKS: Final = (
    Check(
        id="process.user-site",
        area="user",
        catches="Packages in the user's own site folder (~/.local) that come before those of the environment.",
        otherwise="Another version is imported, without a message.",
    ),
    Check(
        id="process.pythonpath",
        area="user",
        catches="PYTHONPATH putting other packages before those of the environment.",
        otherwise="Another version is imported, without a message.",
    ),
    Check(
        id="process.working-directory",
        area="user",
        catches="A file or folder in the working directory that hides an installed package.",
        otherwise="`AttributeError: partially initialized module 'keras' …` only when started from that folder.",
    ),
    Check(
        id="process.variables",
        area="user",
        catches="Variables that change which libraries are loaded or hide errors (DYLD_*, LD_PRELOAD, PYTHONHOME, "
        "KMP_DUPLICATE_LIB_OK, …).",
        otherwise="Crashes and `Symbol not found` in one terminal and not in another; wrong results.",
    ),
)

#: Variable → what it does. Source: ld.so(8), dyld(1), Python's and LLVM OpenMP's documentation.
_RISKY_VARIABLES: Final[dict[str, str]] = {
    "DYLD_LIBRARY_PATH": "libraries are taken from there before the environment's own",
    "DYLD_INSERT_LIBRARIES": "libraries are forced into every process",
    "DYLD_FALLBACK_LIBRARY_PATH": "missing libraries are taken from there",
    "LD_LIBRARY_PATH": "libraries are taken from there before the environment's own",
    "LD_PRELOAD": "libraries are forced into every process",
    "PYTHONHOME": "Python takes its standard library from there",
    "KMP_DUPLICATE_LIB_OK": "hides that two OpenMP runtimes are loaded; results may then be wrong",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "another implementation of protobuf is used",
}


def judge_as_user(case: Case, isolated: Mapping[str, Any]) -> list[Finding]:
    """What the user's own settings change: the same search for modules, once isolated and once as the user runs it.

    `isolated` are the facts of the isolated probe. A module that the environment lacks and that is found
    outside does not count: that is what PYTHONPATH is for.
    """
    context = case.context
    environ = context.environ
    groups: dict[str, list[tuple[str, str]]] = {name: [] for name in _OUTSIDE}
    for name, origin in case.facts["origins"].items():
        if origin is None or origin == isolated["origins"].get(name):
            continue
        groups[_outside(origin, case, environ)].append((name, origin))
    return [_leak(check, title, remedy, groups[check], case) for check, (title, remedy) in _OUTSIDE.items()]


#: check → (what it means, what to do); the working directory is what is left over.
_OUTSIDE: Final[dict[str, tuple[str, str]]] = {
    "process.user-site": (
        "Packages of your user site folder hide those of the environment",
        "export PYTHONNOUSERSITE=1 (for good: conda env config vars set PYTHONNOUSERSITE=1 -p {prefix}), or remove the "
        "packages: {python} -m pip uninstall {names}",
    ),
    "process.pythonpath": (
        "PYTHONPATH puts other modules before those of the environment",
        "unset PYTHONPATH, in the shell's start-up files too",
    ),
    "process.working-directory": (
        "Files in the working directory hide installed packages",
        "rename {files}; a script must not have the name of a package",
    ),
}


def _outside(origin: str, case: Case, environ: Mapping[str, str]) -> str:
    user_site = case.facts["user_site"]
    if user_site and Path(origin).is_relative_to(user_site):
        return "process.user-site"
    entries = [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if any(Path(origin).is_relative_to(Path(case.context.cwd, entry)) for entry in entries):
        return "process.pythonpath"
    return "process.working-directory"


def _leak(check: str, title: str, remedy: str, leaks: list[tuple[str, str]], case: Case) -> Finding:
    if not leaks:
        return _harmless(check, case)
    expected = {name.partition(".")[0] for name in case.context.modules}
    names = [name for name, _ in leaks]
    known = expected & set(names)
    values = case.context.values | {
        "names": " ".join(DISTRIBUTIONS.get(name, name) for name in names),
        "files": ", ".join(removable(origin) for _, origin in leaks),
    }
    return Finding(
        check=check,
        # What lies in PYTHONPATH or the working directory may be meant; the user site is forgotten, not meant.
        status=Status.FAIL if known or check == "process.user-site" else Status.WARN,
        title=f"{title}: {', '.join(sorted(known) or names)}.",
        evidence=tuple(f"{name}: {origin}" for name, origin in leaks),
        remedy=remedy.format_map(values),
    )


def _harmless(check: str, case: Case) -> Finding:
    """Nothing of the environment is hidden; what leaks into it all the same is a warning."""
    added = case.facts.get("user_site_holds", [])
    if check == "process.user-site" and added:
        return Finding(
            check=check,
            status=Status.WARN,
            title=f"Your user site folder adds {plural(len(added), 'package')} that the environment does not have.",
            evidence=(str(case.facts["user_site"]), *added[:20]),
            remedy=f"export PYTHONNOUSERSITE=1 (for good: conda env config vars set PYTHONNOUSERSITE=1 -p "
            f"{case.context.prefix.path})",
        )
    path = case.context.environ.get("PYTHONPATH")
    evidence = (f"PYTHONPATH={path}",) if check == "process.pythonpath" and path else ()
    return Finding(check=check, status=Status.PASS, title=f"{_NOTHING[check]}.", evidence=evidence)


_NOTHING: Final[dict[str, str]] = {
    "process.user-site": "No package of your user site folder hides one of the environment",
    "process.pythonpath": "PYTHONPATH hides nothing of the environment",
    "process.working-directory": "Nothing in the working directory hides an installed package",
}


def variables(context: Context) -> Finding:
    """Variables of the user's shell that change how libraries are loaded."""
    found = {name: context.environ[name] for name in _RISKY_VARIABLES if context.environ.get(name)}
    if not found:
        return Finding(
            check="process.variables", status=Status.PASS, title="No variable changes which libraries are loaded."
        )
    return Finding(
        check="process.variables",
        status=Status.WARN,
        title=f"Your shell changes how programs are loaded: {', '.join(found)}.",
        evidence=tuple(f"{name}={value}: {_RISKY_VARIABLES[name]}" for name, value in found.items()),
        remedy="unset " + " ".join(found) + " (and remove it from the shell's start-up files)",
    )
