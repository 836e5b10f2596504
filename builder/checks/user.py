"""The user's own settings and what they do to an environment: user site, PYTHONPATH, working directory, variables."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.checks import failures
from builder.checks.case import Case
from builder.checks.causes import USER_STARTUP
from builder.checks.check import Check, Needs
from builder.checks.process import removable
from builder.checks.startup import of_user
from builder.finding import Finding, Remedy, Status
from builder.probes.level import Level
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.checks.subject import Subject

#: Variable → what it does. Source: ld.so(8), dyld(1), Python's and LLVM OpenMP's documentation.
_RISKY_VARIABLES: Final[dict[str, str]] = {
    "DYLD_LIBRARY_PATH": "libraries are taken from there before the environment's own",
    "DYLD_INSERT_LIBRARIES": "libraries are forced into every process",
    "DYLD_FALLBACK_LIBRARY_PATH": "missing libraries are taken from there",
    "LD_LIBRARY_PATH": "libraries are taken from there before the environment's own",
    "LD_PRELOAD": "libraries are forced into every process",
    "PYTHONEXECUTABLE": "what Python starts again (worker processes, pip) is that program",
    "PYTHONHOME": "Python takes its standard library from there",
    "KMP_DUPLICATE_LIB_OK": "hides that two OpenMP runtimes are loaded; results may then be wrong",
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "another implementation of protobuf is used",
}
#: Variables that can keep Python from starting at all, for where no single one of them does.
_CAN_KILL: Final = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONPLATLIBDIR",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
)
#: How the step that computes is called, beside the one that imports.
_COMPUTING: Final = "computing with "
_USER_SITE: Final = "process.user-site"
_PYTHONPATH: Final = "process.pythonpath"
_DIRECTORY: Final = "process.working-directory"

#: check → what it means that something there comes before the environment, and that nothing does.
_TITLES: Final[dict[str, tuple[str, str]]] = {
    _USER_SITE: (
        "Packages of your user site folder hide those of the environment",
        "No package of your user site folder hides one of the environment",
    ),
    _PYTHONPATH: (
        "PYTHONPATH puts other modules before those of the environment",
        "PYTHONPATH hides nothing of the environment",
    ),
    _DIRECTORY: (
        "Files in the working directory hide installed packages",
        "Nothing in the working directory hides an installed package",
    ),
}


def _leaks(check: str, subject: Subject) -> Iterator[Finding]:
    """What one of the user's settings changes: the same search for modules, once isolated and once as the user runs it.

    A module that the environment lacks and that is found outside does not count: that is what PYTHONPATH is for.
    """
    results = subject.runs.results
    isolated, outcome = results.alive, results.as_user
    if isolated is None or outcome is None:
        return
    for step in outcome.steps:
        if step.how == "done":
            yield judge_as_user(check, Case(step=step, whole=subject), isolated.facts)
        elif check == step.check:
            yield failures.failure(step, outcome, subject)


def judge_as_user(check: str, case: Case, isolated: Mapping[str, Any]) -> Finding:
    """The modules that come from another place than in isolation (`isolated`: facts) because of `check`'s setting."""
    found = [
        (name, origin)
        for name, origin in case.facts["origins"].items()
        if origin is not None and origin != isolated["origins"].get(name) and _setting_of(origin, case) == check
    ]
    if not found:
        return _harmless(check, case)
    expected = {name.partition(".")[0] for name in case.whole.modules}
    names = [name for name, _ in found]
    # Of the standard library nothing is replaced on purpose; of the rest what the environment is for matters.
    known = (expected | sys.stdlib_module_names) & set(names)
    return Finding(
        check=check,
        # What lies in PYTHONPATH or the working directory may be meant; the user site is forgotten, not meant.
        status=Status.FAIL if known or check == _USER_SITE else Status.WARN,
        title=f"{_TITLES[check][0]}: {', '.join(sorted(known) or names)}",
        evidence=tuple(f"{name}: {origin}" for name, origin in found),
        remedy=_remedy(check, [removable(origin) for _, origin in found]),
        about=frozenset(origin for _, origin in found),
    )


def _setting_of(origin: str, case: Case) -> str:
    """The check of the setting by which a module is found; the working directory is what is left over."""
    user_site = case.facts["user_site"]
    if user_site and Path(origin).is_relative_to(user_site):
        return _USER_SITE
    if any(Path(origin).is_relative_to(case.whole.cwd / entry) for entry in _python_path(case.whole.environ)):
        return _PYTHONPATH
    return _DIRECTORY


def _remedy(check: str, paths: list[Path]) -> Remedy:
    if check == _USER_SITE:
        return _without_user_site()
    if check == _PYTHONPATH:
        return Remedy("Unset PYTHONPATH, in the shell's start-up files too.", ("unset PYTHONPATH",))
    return Remedy(f"Rename {listing([str(path) for path in paths])}: a script must not have the name of a package.")


def _without_user_site() -> Remedy:
    return Remedy(
        "Keep the user site out of Python; put the line into the shell's start-up file to have it for good.",
        ("export PYTHONNOUSERSITE=1",),
    )


def _harmless(check: str, case: Case) -> Finding:
    """Nothing of the environment is hidden; what leaks into it all the same is a warning."""
    added = case.facts.get("user_site_holds", [])
    if check == _USER_SITE and added:
        return Finding(
            check=check,
            status=Status.WARN,
            title=f"Your user site folder adds {plural(len(added), 'package')} that the environment does not have",
            evidence=(str(case.facts["user_site"]), *added[:20]),
            remedy=_without_user_site(),
        )
    path = case.whole.environ.get("PYTHONPATH")
    evidence = (f"PYTHONPATH={path}",) if check == _PYTHONPATH and path else ()
    return Finding(check=check, status=Status.PASS, title=_TITLES[check][1], evidence=evidence)


def _variables(subject: Subject) -> Iterator[Finding]:
    """Variables of the user's shell that keep Python from starting, or change which libraries it loads."""
    outcome = subject.runs.results.as_user
    if outcome is not None and not outcome.steps:
        yield _killed(subject.environ, outcome.stderr, subject.runs.results.stoppers, hung=outcome.timed_out)
    else:
        ran = subject.runs.results.user_imports
        # What an import fails by is said there.
        named = ran.culprits if ran is not None else ()
        yield risky_variables({name: value for name, value in subject.environ.items() if name not in named})


def _killed(environ: Mapping[str, str], stderr: str, stoppers: tuple[str, ...], *, hung: bool = False) -> Finding:
    """Isolated the interpreter runs; with the user's own variables it does not get as far as running code."""
    how = (
        "hangs with your own settings, although it starts"
        if hung
        else "does not start with your own settings, although it does"
    )
    names = list(stoppers) or [name for name in _CAN_KILL if environ.get(name)]
    return Finding(
        check="process.variables",
        status=Status.FAIL,
        title=f"Python {how} without them"
        + (f": {listing([f'{name}={environ[name]}' for name in names])}" if names else ""),
        evidence=tuple(stderr.splitlines()[-8:]),
        remedy=_unset(names) if names else Remedy("Find what your shell sets that an empty one does not: `env`."),
        about=frozenset((USER_STARTUP,)),
    )


def risky_variables(environ: Mapping[str, str]) -> Finding:
    """Variables that change which code is loaded, or hide that it clashes."""
    found = {name: environ[name] for name in _RISKY_VARIABLES if environ.get(name)}
    if not found:
        return Finding(
            check="process.variables", status=Status.PASS, title="No variable changes which libraries are loaded"
        )
    return Finding(
        check="process.variables",
        status=Status.WARN,
        title=f"Your shell changes how programs are loaded: {', '.join(found)}",
        evidence=tuple(f"{name}={value}: {_RISKY_VARIABLES[name]}" for name, value in found.items()),
        remedy=_unset(list(found)),
    )


def _imports(subject: Subject) -> Iterator[Finding]:
    """Whether the main modules import with the user's own variables, as they do without."""
    results = subject.runs.results
    ran = results.user_imports
    if ran is None:
        return
    step = ran.failed
    if step is None:
        modules = [
            step.subject for step in ran.outcome.steps if step.check == "user.imports" and " " not in step.subject
        ]
        if not modules:
            title = "Nothing was imported with your own settings: Python ends before that"
            yield Finding(check="user.imports", status=Status.SKIP, title=title)
            return
        yield Finding(
            check="user.imports",
            status=Status.PASS,
            title=f"{listing(modules)} {'imports' if len(modules) == 1 else 'import'} with your own settings too",
        )
        return
    if not _works_isolated(step.subject, subject):
        return  # nothing of the user's: it fails without, and is reported as that
    failure = failures.failure(step, ran.outcome, subject)
    environ = subject.environ
    yield replace(
        failure,
        title=f"With your own settings, {_doing(step.subject)} fails, and without them it does not"
        + (f": {listing([f'{name}={environ[name]}' for name in ran.culprits])}" if ran.culprits else ""),
        evidence=(failure.title, *failure.evidence),
        remedy=_unset(list(ran.culprits))
        if ran.culprits
        else Remedy("Find what your shell sets that an empty one does not: `env`."),
        about=frozenset((USER_STARTUP,)),
    )


def _doing(about: str) -> str:
    return about if about.startswith(_COMPUTING) else f"importing {about}"


def _works_isolated(about: str, subject: Subject) -> bool:
    module, check = about.removeprefix(_COMPUTING), "import.used" if about.startswith(_COMPUTING) else "import."
    return any(
        step.how == "done" and step.subject == module and step.check.startswith(check)
        for ran in subject.runs.results.probes
        if ran.outcome is not None
        for step in ran.outcome.steps
    )


def _startup(subject: Subject) -> Iterator[Finding]:
    """Code of the user's own that runs in every Python of theirs."""
    environ = subject.environ
    found = of_user(environ, home=subject.home, version=subject.environment.python_version)
    if not found:
        yield Finding(
            check="user.startup", status=Status.PASS, title="Nothing of yours runs code whenever Python starts"
        )
        return
    paths = [str(one.path) for one in found]
    by_path = [one for one in found if any(one.path.is_relative_to(entry) for entry in _python_path(environ))]
    yield Finding(
        check="user.startup",
        status=Status.WARN,
        title=f"{listing(paths)} {'runs' if len(paths) == 1 else 'run'} code in every Python of yours",
        evidence=listed([one.line for one in found]),
        remedy=Remedy("Take PYTHONPATH out of the shell, in its start-up files too.", ("unset PYTHONPATH",))
        if by_path
        else _without_user_site(),
        about=frozenset((USER_STARTUP,)),
    )


def _python_path(environ: Mapping[str, str]) -> list[str]:
    return [entry for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _unset(names: list[str]) -> Remedy:
    them = "it" if len(names) == 1 else "them"
    return Remedy(
        f"Unset {listing(names)}, and take {them} out of the shell's start-up files.", (shlex.join(("unset", *names)),)
    )


CHECKS: Final = (
    Check(
        id=_USER_SITE,
        area="user",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="Packages in the user's own site folder (~/.local) that come before those of the environment.",
        otherwise="Another version is imported, without a message.",
        run=partial(_leaks, _USER_SITE),
    ),
    Check(
        id=_PYTHONPATH,
        area="user",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="PYTHONPATH putting other packages before those of the environment.",
        otherwise="Another version is imported, without a message.",
        run=partial(_leaks, _PYTHONPATH),
    ),
    Check(
        id=_DIRECTORY,
        area="user",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="A file or folder in the working directory that hides an installed package.",
        otherwise="`AttributeError: partially initialized module 'keras' …` only when started from that folder.",
        run=partial(_leaks, _DIRECTORY),
    ),
    Check(
        id="process.variables",
        area="user",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="Variables that change which libraries are loaded, hide errors or keep Python from starting (DYLD_*, "
        "LD_PRELOAD, PYTHONHOME, KMP_DUPLICATE_LIB_OK, …).",
        otherwise="Crashes and `Symbol not found` in one terminal and not in another; wrong results.",
        run=_variables,
    ),
    Check(
        id="user.startup",
        area="user",
        needs=Needs.MACHINE,
        level=Level.QUICK,
        catches="`.pth` files and usercustomize of your user site, and sitecustomize on PYTHONPATH: code that runs in "
        "every Python of yours.",
        otherwise="Python that ends at once, or that computes with another backend, for you alone.",
        run=_startup,
    ),
    Check(
        id="user.imports",
        area="user",
        needs=Needs.PROCESS,
        catches="Variables of your shell by which the framework does not import, and which of them it is.",
        otherwise="`Unknown flag in TF_XLA_FLAGS` and an abort, in your terminal and in no other.",
        run=_imports,
    ),
)
