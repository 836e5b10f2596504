"""The process: which interpreter runs, where it takes its modules from, and how our own runs of it ended."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks import failures
from builder.checks.case import Case
from builder.checks.causes import STARTUP
from builder.checks.check import Check, Needs
from builder.checks.conda_tools import CONDA_LISTS
from builder.checks.integrity import described
from builder.checks.judging import judged
from builder.checks.startup import of_packages
from builder.finding import Finding, Remedy, Status
from builder.probes.harness import Step
from builder.probes.level import Level
from builder.wording import listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.judging import Judge
    from builder.checks.runs import Ran
    from builder.checks.subject import Subject
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.probes.harness import Outcome

#: Packages' files at start-up that are shown where one of them does what none should.
_MOST_SHOWN: Final = 12


def _interpreter(subject: Subject) -> Iterator[Finding]:
    """Whether the interpreter runs at all, alone and isolated, and what it says of itself."""
    outcome = subject.runs.results.interpreter
    if isinstance(outcome, OSError):
        real = os.path.realpath(subject.environment.python or "")
        yield Finding(
            check="process.interpreter",
            status=Status.FAIL,
            title="The environment's interpreter cannot be started",
            evidence=(f"{subject.environment.python}: {outcome.strerror or outcome}",),
            remedy=subject.repair.rebuild(),
            about=frozenset((real.removeprefix(f"{subject.environment.path}/"),)),
        )
        return
    steps = outcome.steps or (Step(check="process.interpreter", subject="", how="unfinished"),)
    for step in steps:
        if step.how != "done":
            failure = failures.failure(step, outcome, subject)
            # Only Python's own modules are imported here. Where it ended before it came to any code of ours, what runs
            # at start-up did that.
            yield replace(failure, about=failure.about | ({"python"} if outcome.steps else {"python", STARTUP}))
        elif (finding := judged(Case(step=step, whole=subject), judge_interpreter)) is not None:
            yield finding


def _startup(subject: Subject) -> Iterator[Finding]:
    """What happened before the first line of a program: output, and variables that were set."""
    outcome, alive = subject.runs.results.interpreter, subject.runs.results.alive
    if isinstance(outcome, OSError) or alive is None:
        return
    changed, replaced = alive.facts.get("changed") or {}, alive.facts.get("replaced") or []
    said = [line for line in outcome.stdout.splitlines() if line.strip()]
    if not changed and not replaced and not said:
        yield Finding(check="process.startup", status=Status.PASS, title="Nothing is printed or set when Python starts")
        return
    what = [
        *(("prints text",) if said else ()),
        *((f"sets {listing(sorted(changed))}",) if changed else ()),
        *((f"puts something else in the place of {listing(replaced)}",) if replaced else ()),
    ]
    yield Finding(
        check="process.startup",
        status=Status.FAIL,  # text too: it comes before what programs write for other programs to read
        title=f"Something {' and '.join(what)} whenever Python starts",
        evidence=(
            *(f"{name}={value}" if value is not None else f"{name} is removed" for name, value in changed.items()),
            *(f"printed: {line}" for line in said[:5]),
            *(
                f"{described(owner)} runs at every start: {one.line.removeprefix(f'{subject.environment.path}/')}"
                for one, owner in of_packages(subject.environment)[:_MOST_SHOWN]
            ),
        ),
        remedy=Remedy(
            "Take the package whose file at start-up does it out of the recipe, or pin it to a version that does not."
        ),
        about=frozenset((STARTUP,)),
    )


def _also(check: str, judge: Judge, subject: Subject) -> Iterator[Finding]:
    """Another judgement of what the isolated interpreter said."""
    alive = subject.runs.results.alive
    if alive is not None:
        step = Step(check=check, subject="", how="done", facts=alive.facts)
        finding = judged(Case(step=step, whole=subject), judge)
        if finding is not None and finding.status is Status.FAIL:
            finding = replace(finding, about=finding.about | subject.runs.results.doubts)
        yield from () if finding is None else (finding,)


def judge_interpreter(case: Case) -> Finding:
    """Native, of the platform's machine, and of its own opinion about the platform."""
    facts, want = case.facts, case.subdir
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
            remedy=case.repair.rebuild(
                why="Start the terminal or IDE natively (Finder, Get Info, untick “Open using Rosetta”), then build "
                "the environment again for osx-arm64."
            ),
        )
    # Python of conda-forge and python.org says `macosx-14.0-arm64`, `macosx-10.9-universal2`, `linux-x86_64`.
    told = facts["platform"].rpartition("-")[2]
    if facts["machine"] != want.machine or told not in (want.machine, "universal2"):
        return case.failed(
            f"The interpreter runs as {facts['machine']}, but the environment is for {want}.",
            *evidence,
            remedy=case.repair.rebuild(),
        )
    return case.passed(f"Python {facts['version']} runs natively as {facts['machine']}.", *evidence)


def judge_prefix(case: Case) -> Finding:
    """`sys.executable` and `sys.prefix` are those of the environment."""
    facts, path = case.facts, case.environment.path
    evidence = tuple(f"sys.{name}: {facts[name]}" for name in ("executable", "prefix", "base_prefix"))
    inside = Path(facts["executable"]).parent.resolve() == (path / "bin").resolve()
    if Path(facts["prefix"]).resolve() != path or not inside:
        return _of_python(
            case.failed(
                "The interpreter takes its packages from another prefix.",
                *evidence,
                f"the environment: {path}",
                remedy=case.repair.rebuild(),
            )
        )
    if case.environment.is_conda and Path(facts["base_prefix"]).resolve() != path:
        return _of_python(
            case.failed(
                "The interpreter takes its standard library from outside the environment.",
                *evidence,
                remedy=case.repair.rebuild(),
            )
        )
    leaks = [folder for folder in facts["path"] if _is_foreign(folder, path)]
    if leaks:
        named = _named_by(leaks, case.environment.site_packages)
        warned = case.warned(
            f"Python also looks for packages in another environment: {', '.join(leaks)}.",
            *evidence,
            *(f"named by {file}" for file in named),
            remedy=case.repair.set_aside(named[0], say=f"Move {listing(list(map(str, named)))} out of the way.")
            if named
            else Remedy("Build the environment without the other one's packages (no --system-site-packages)."),
        )
        return replace(warned, about=frozenset(os.path.relpath(folder, path) for folder in leaks))
    return case.passed("The interpreter and its packages are the environment's own.", *evidence)


def _of_python(finding: Finding) -> Finding:
    """About Python itself: it follows from whatever else is wrong with that."""
    return replace(finding, about=finding.about | {"python"})


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
    modules = case.repair.modules
    hidden = {
        name: origin
        for name, origin in case.facts["origins"].items()
        if origin is not None and name in modules and not _is_of(modules[name], origin, case.environment)
    }
    if hidden:
        failed = case.failed(
            f"Installed modules are hidden by other files: {', '.join(sorted(hidden))}.",
            *(
                f"{name}: imported from {origin}, installed by {modules[name].name} in {modules[name].site}"
                for name, origin in hidden.items()
            ),
            remedy=_unhide(case, [removable(origin) for origin in hidden.values()]),
        )
        owners = (case.repair.module_owner(name) for name in hidden)
        return replace(failed, about=frozenset(owner.name for owner in owners if owner is not None))
    return case.passed("Every installed module is imported from the package that brought it.")


def _is_of(dist: Distribution, origin: str, environment: Environment) -> bool:
    """Whether a module that came from `origin` is the distribution's own: an editable one is where its project is.

    One beside it of the same name is not: Python takes `six.cpython-312-darwin.so` before `six.py`.
    """
    if dist.source is not None and _inside(origin, dist.source):
        return True
    file = Path(os.path.realpath(Path(origin).parent)) / Path(origin).name
    stray = origin.endswith(".so") and environment.owners.package_of(file) is None
    return _inside(origin, dist.site) and not stray


def _inside(origin: str, folder: Path) -> bool:
    return Path(os.path.realpath(origin)).is_relative_to(folder.resolve()) or Path(origin).is_relative_to(folder)


def removable(origin: str) -> Path:
    """What must not be found so that a module is no longer imported from `origin`: its folder, or its file."""
    path = Path(origin)
    return path.parent if path.name == "__init__.py" else path


def _unhide(case: Case, paths: list[Path]) -> Remedy:
    """Move files of nobody out of the environment's way. What lies elsewhere is another's: stop looking there."""
    inside = [path for path in paths if path.is_relative_to(case.environment.path)]
    if len(inside) < len(paths):
        elsewhere = listing([str(path) for path in paths if path not in inside])
        return Remedy(
            f"{elsewhere} lies outside the environment: leave it, and take its folder off Python's path (a .pth file, "
            "a link, --system-site-packages)."
        )
    moves = [case.repair.set_aside(path, say="") for path in inside]
    say = f"Move {listing([str(path) for path in inside])} out of the way."
    return Remedy(say, tuple(command for move in moves for command in move.commands))


def _messages(subject: Subject) -> Iterator[Finding]:
    """Errors that libraries only print: the process went on, the user's results may be wrong."""
    for task, outcome in _ended(subject):
        match = failures.known(outcome.stderr, subject, survived=True)
        if match is not None and outcome.finished:
            yield Finding(
                check="runtime.messages",
                status=Status.WARN,
                title=f"While {task.task.doing}: {match.cause}",
                evidence=(match.line,),
                remedy=failures.remedy_of(match, subject, None),
            )


def _exit(subject: Subject) -> Iterator[Finding]:
    """Processes that did all their work and then crashed or hung; and one pass for those that came to their end."""
    ended = _ended(subject)
    for ran, outcome in ended:
        if outcome.finished and (outcome.returncode != 0 or outcome.timed_out):
            yield _died_at_exit(ran, outcome)
        elif not outcome.finished and outcome.unfinished is None and _reached_all(ran, outcome):
            yield failures.failure(
                Step(check="runtime.exit", subject=ran.task.probe, how="unfinished"), outcome, subject
            )
    well = [(ran, outcome) for ran, outcome in ended if outcome.finished and outcome.returncode == 0]
    if well:
        yield Finding(
            check="runtime.exit",
            status=Status.PASS,
            title=f"{len(well)} of {plural(len(ended), 'probe')} exited cleanly",
            evidence=tuple(
                f"{ran.task.doing}: {outcome.seconds:.1f} s, {outcome.peak_mib:.0f} MiB" for ran, outcome in well
            ),
        )


def _ended(subject: Subject) -> list[tuple[Ran, Outcome]]:
    return [(ran, ran.outcome) for ran in subject.runs.results.probes if ran.outcome is not None]


def _reached_all(ran: Ran, outcome: Outcome) -> bool:
    return set(ran.task.answers) <= {(step.check, step.subject) for step in outcome.steps}


def _died_at_exit(ran: Ran, outcome: Outcome) -> Finding:
    how = "hung" if outcome.timed_out else f"ended with status {outcome.returncode}"
    if outcome.returncode < 0 and not outcome.timed_out:
        how = f"died by {failures.signal_name(outcome.returncode)}"
    return Finding(
        check="runtime.exit",
        status=Status.WARN,
        title=f"All went well while {ran.task.doing}, but then the process {how} instead of exiting",
        evidence=tuple(outcome.stderr.splitlines()[-8:]),
        remedy=Remedy(
            "Scripts will seem to fail although their work is done: update the package named in the evidence, and "
            "until then end them with os._exit(0)."
        ),
    )


CHECKS: Final = (
    Check(
        id="process.interpreter",
        area="process",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="An interpreter of another architecture than the environment's, or one that Rosetta translates.",
        otherwise="`Illegal instruction: 4` on import, `incompatible architecture (have 'x86_64', need 'arm64')`, or "
        "(Rosetta of macOS 15 and later) nothing but slowness.",
        run=_interpreter,
    ),
    Check(
        id="process.startup",
        area="process",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="Text that is printed, and variables and modules that are set, before the first line of any program.",
        otherwise="A broken pipe of JSON, or a library that computes with another backend than asked for.",
        run=_startup,
    ),
    Check(
        id="process.prefix",
        area="process",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="An interpreter that takes its prefix or packages from somewhere else, as a `.pth` file can make it.",
        otherwise="`ModuleNotFoundError` for packages that `conda list` shows.",
        run=partial(_also, "process.prefix", judge_prefix),
    ),
    Check(
        id="process.shadow",
        area="process",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="A module that is imported from another place than the package that was installed.",
        otherwise="`AttributeError: module 'keras' has no attribute 'layers'`, or silently another version.",
        run=partial(_also, "process.shadow", judge_shadow),
    ),
    CONDA_LISTS,
    Check(
        id="runtime.messages",
        area="process",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="Errors that a library only prints while it goes on (another NumPy ABI, two HDF5 versions).",
        otherwise="A warning in the scroll-back, and wrong results or a crash later.",
        run=_messages,
    ),
    Check(
        id="runtime.exit",
        area="process",
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches="Processes that do their work and then crash or hang instead of ending; time and memory of each probe.",
        otherwise="`Segmentation fault` after the last line of a script; CI jobs that fail although all is done.",
        run=_exit,
    ),
)
