"""One examination: read, decide what is meant, diagnose, order. The entry of this room."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from builder.doctor import case as cases
from builder.doctor import verification
from builder.doctor.checks import IDS, selection
from builder.doctor.claims import shells, started
from builder.doctor.claims.common import Surroundings
from builder.doctor.disk import Disk, home_aliases
from builder.doctor.environments import Environments
from builder.doctor.model import CLASSES, Diagnosis, Examination, Ide, Level
from builder.doctor.rules import architecture, broken, drift, hygiene, misfits, running, shadowed, shell
from builder.doctor.survey import survey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from builder.doctor.case import Case
    from builder.doctor.model import Machine

_RULES: Final[tuple[Callable[[Case], Iterator[Diagnosis]], ...]] = (
    running.diagnose,
    shell.diagnose,
    architecture.diagnose,
    broken.diagnose,
    misfits.diagnose,
    shadowed.diagnose,
    drift.diagnose,
    hygiene.diagnose,
)
#: Whose answer the user notices first: the IDE's, then the notebook's, then the shell's.
_ORDER: Final = {check: place for place, check in enumerate(("ide", "jupyter", "shell", "env", "conda", "machine"))}
#: Files that tell the name of the other machine's home.
_TELLTALES: Final = (".conda/environments.txt", ".zshrc", ".bashrc", ".zprofile", ".bash_profile")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked: `environment` a name or prefix that is meant, `ides` None for all, `project` a folder or None."""

    environment: str | None = None
    project: Path | None = None
    ides: frozenset[Ide] | None = None
    static: bool = False
    run_shell: bool = False
    """Start a new shell of the user's, and see which Python it gets."""
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Whom it is asked of: the home, the folder stood in, the machine's facts, and a clock in seconds."""

    home: Path
    cwd: Path
    machine: Machine
    clock: Callable[[], float] = field(default=time.monotonic)


def examine(request: Request, patient: Patient) -> Examination:
    """Read the machine and say what is wrong. Changes nothing; with `static` nothing that was found is run.

    Raises UsageError where the environment named is none, or a check named is none.
    """
    selected = selection(request.only, request.skip)
    case, disk = gather(request, patient)
    found = [diagnosis for diagnosis in apply_rules(case) if diagnosis.check in selected]
    problems = _one_each([diagnosis for diagnosis in found if diagnosis.level is Level.PROBLEM])
    if "verify" in selected and not any(problem.klass in "ABCD" for problem in problems):
        thorough = request.environment is not None
        found_by_it = verification.diagnose(case, told=problems, static=request.static, thorough=thorough)
        problems = _one_each([*problems, *found_by_it])
    environments = case.around.survey.environments
    return Examination(
        machine=case.around.machine,
        claims=case.claims,
        environments=environments,
        meant=case.meant,
        wanted=case.wanted,
        problems=tuple(problems),
        notes=tuple(_one_each([diagnosis for diagnosis in found if diagnosis.level is Level.NOTE])),
        skips=disk.skips,
        home_names=disk.aliases,
        root=disk.root,
        provenance=case.provenance,
        asks=case.wanted in case.project.uses,
        looked=sum(claim.interpreter is not None for claim in case.claims)
        + len(environments)
        + (case.meant is not None),
    )


def apply_rules(case: Case) -> list[Diagnosis]:
    """What every rule says, unordered."""
    return [diagnosis for rule in _RULES for diagnosis in rule(case)]


def gather(request: Request, patient: Patient) -> tuple[Case, Disk]:
    """Everything the rules need, read; and the disk it was read through, which knows what it could not read."""
    machine = patient.machine
    if machine.foreign and not machine.system:
        # Not said: a home with a Library is a Mac's.
        machine = replace(machine, system="Darwin" if (patient.home / "Library").is_dir() else "Linux")
    project = request.project or _project_here(patient)
    aliases = home_aliases(patient.home, machine.environ) if machine.foreign else ()
    disk = Disk(home=patient.home, project=project, clock=patient.clock, foreign=machine.foreign, aliases=aliases)
    if machine.foreign and not aliases:
        disk.aliases = home_aliases(patient.home, {}, [disk.text(patient.home / name) or "" for name in _TELLTALES])
    environments = Environments(disk, environ=machine.environ, is_mac=machine.is_mac)
    around = Surroundings(
        disk=disk,
        environments=environments,
        machine=machine,
        survey=survey(disk, environments, machine, initialised=shells.initialised(disk)),
        project=project,
        project_named=request.project is not None,
        asked=request.ides,
    )
    case = cases.build(around, named=request.environment)
    if request.run_shell and not machine.foreign:
        case = replace(case, claims=(*case.claims, *started.read(around)))
    return case, disk


def _project_here(patient: Patient) -> Path | None:
    """The folder stood in, if it is somebody's project; the home is none, whatever lies in it."""
    marks = (".idea", ".vscode", ".git", ".venv", "pyproject.toml", "environment.yml", "pixi.toml", "requirements.txt")
    if patient.cwd in (patient.home, *patient.home.parents) or patient.machine.foreign:
        return None
    try:
        return patient.cwd if any((patient.cwd / mark).exists() for mark in marks) else None
    except OSError:
        return None


def _one_each(found: list[Diagnosis]) -> list[Diagnosis]:
    """By class and kind, and one for each subject: what a stronger cause explains becomes its evidence."""
    kinds = {check.split(".")[0] for check in IDS}
    ranked = sorted(
        found,
        key=lambda diagnosis: (
            CLASSES.index(diagnosis.klass),
            _ORDER.get(diagnosis.check.split(".")[0], len(kinds)),
        ),
    )
    kept: dict[str, Diagnosis] = {}
    for number, diagnosis in enumerate(ranked):
        key = diagnosis.subject or f"#{number}"
        if key in kept:
            first = kept[key]
            if diagnosis.sentence != first.sentence:
                kept[key] = replace(first, evidence=(*first.evidence, diagnosis.sentence))
        else:
            kept[key] = diagnosis
    return list(kept.values())
