"""The doctor's use cases: examine, mend, undo, bundle, explain a pasted error, and register an environment."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.doctor import fix, machine
from builder.doctor import register as registering
from builder.doctor.examine import Patient, Request, examine, gather
from builder.doctor.text import Names
from builder.errors import UsageError
from builder.operations.outputs import require_writable, write_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.ask import Answer
    from builder.doctor.claims.common import Surroundings
    from builder.doctor.fix import Mended, Repair
    from builder.doctor.model import Examination, Ide, Interpreter
    from builder.doctor.register import Registration, Target
    from builder.workspace import Workspace

#: The task of the progress that says what is being looked at.
_TASK: Final = "doctor"


@dataclass(frozen=True, kw_only=True)
class DoctorRequest:
    """What to look at (all that is found where nothing is named), on which machine, and how to answer."""

    environment: str | None = None
    """The one that is meant, by name or folder."""
    project: Path | None = None
    ides: frozenset[Ide] | None = None
    """None: all."""
    static: bool = False
    """Read files, run nothing that is found."""
    run_shell: bool = False
    """Start a login shell to see which Python a new terminal gets, which the start-up files alone may not tell."""
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    machine: Path | None = None
    """A JSON file with the facts of another machine."""
    bundle: Path | None = None
    """What `collect` wrote on another machine; it brings project, programs and facts of its own."""
    share: bool = False
    """Leave the user's name and home out of every text."""
    html: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DoctorResult:
    """What was found, and `names`, through which every text of it is to be shown."""

    found: Examination
    names: Names
    mended: tuple[Mended, ...] = ()

    def exit_code(self, *, strict: bool = False) -> int:
        """0 no problem, 1 a problem (with `strict` also a note), 2 nothing could be looked at."""
        if self.found.problems or (strict and self.found.notes):
            return 1
        return 0 if self.found.looked else 2

    def to_json(self) -> dict[str, Any]:
        result = self.found.to_json()
        if self.mended:
            result["fixed"] = [{"file": str(item.repair.file), "outcome": item.outcome} for item in self.mended]
        return {key: self.names.value(value) for key, value in result.items()} if self.names.share else result


def doctor(workspace: Workspace, request: DoctorRequest) -> DoctorResult:
    """Say who runs which Python and what is wrong with it. Changes nothing.

    Raises UsageError where the environment or a check that is named is none, or a file given cannot be used.
    """
    html = workspace.path(request.html) if request.html is not None else None
    require_writable(html)
    with _patient(workspace, request) as (asked, patient):
        found = examine(asked, patient)
        if request.bundle is None and (found.problems or found.notes):
            found = fix.with_automatic(found, fix.repairs(asked, patient))
        result = _result(found, patient, request)
    if html is not None:
        from builder.doctor.page import render

        write_output(html, render(result.found, names=result.names, made=workspace.made()))
    return result


def repairs(workspace: Workspace, request: DoctorRequest) -> tuple[Repair, ...]:
    """What `mend` would change, each with its difference. Changes nothing."""
    with _patient(workspace, request) as (asked, patient):
        return tuple(fix.repairs(asked, patient))


def mend(workspace: Workspace, request: DoctorRequest) -> DoctorResult:
    """Make the changes that are safe, look again after each, and keep only what helped."""
    with _patient(workspace, request) as (asked, patient):
        offered = fix.repairs(asked, patient)
        done, found = fix.mend(offered, asked, patient, record=_record(workspace), now=workspace.clock)
        return replace(_result(found, patient, request), mended=tuple(done))


def undo(workspace: Workspace) -> tuple[Path, ...]:
    """Put back every file that the last fix changed, and give them. Raises UsageError where nothing was."""
    return fix.undo(_record(workspace))


@dataclass(frozen=True, kw_only=True)
class Collected:
    """A bundle that is not written yet: what would be in it, and its text."""

    contents: tuple[str, ...]
    text: str


def collect(workspace: Workspace, request: DoctorRequest) -> Collected:
    """What another machine needs to judge this one, without secrets and names. Writes nothing."""
    from builder.doctor.bundle import collect as collected

    with _patient(workspace, request) as (asked, patient):
        bundle = collected(asked, patient)
        return Collected(contents=tuple(bundle.contents), text=bundle.text())


def ask(workspace: Workspace, text: str, environment: str | None = None) -> Answer:
    """What is known of a pasted error, seen with what that environment holds. Raises UsageError for an empty text."""
    from builder.doctor.ask import ask as answered
    from builder.doctor.ask import read_environment

    installed = read_environment(workspace.store.find(environment)) if environment is not None else None
    answer = answered(text, environment=installed)
    if answer.verdict == "empty":
        raise UsageError("there is no text to look at", hint=answer.remedy)
    return answer


# -- making an environment known ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RegisterRequest:
    """Which environment (a name or a folder), for which programs, and the folder that VS Code opens."""

    environment: str
    targets: tuple[Target, ...]
    project: Path | None = None


@dataclass(frozen=True, kw_only=True)
class RegisterResult:
    """The environment, and what was written or removed for each program."""

    prefix: Path
    done: tuple[Registration, ...]


def register(workspace: Workspace, request: RegisterRequest) -> RegisterResult:
    """Make an environment known to programs. Raises UsageError, and then nothing was written."""
    around, interpreter = _environment(workspace, request.environment, request.project)
    done = registering.register(around, interpreter, request.targets, record=registrations_record(workspace))
    return RegisterResult(prefix=_prefix(interpreter), done=tuple(done))


def unregister(workspace: Workspace, environment: str, project: Path | None = None) -> RegisterResult:
    """Take back what `register` wrote for an environment, and nothing else: in that project, or in every folder."""
    around, interpreter = _environment(workspace, environment, project)
    done = registering.unregister(
        around, interpreter, record=registrations_record(workspace), everywhere=project is None
    )
    return RegisterResult(prefix=_prefix(interpreter), done=tuple(done))


def _environment(workspace: Workspace, named: str, project: Path | None) -> tuple[Surroundings, Interpreter]:
    request = DoctorRequest(environment=named, project=project, static=True)
    with _patient(workspace, request) as (asked, patient):
        case, _ = gather(asked, patient)
    assert case.meant is not None  # a name that names nothing has raised
    return case.around, case.meant.interpreter


def _prefix(interpreter: Interpreter) -> Path:
    return interpreter.prefix or interpreter.path.parent.parent


# -- whom to ask -------------------------------------------------------------------------------------------------


@contextmanager
def _patient(workspace: Workspace, request: DoctorRequest) -> Iterator[tuple[Request, Patient]]:
    """The question and the machine it is asked of; a bundle is laid out for as long as it is looked at."""
    workspace.progress.update(_TASK, "looking at who runs which Python")
    if request.bundle is not None:
        from builder.doctor.bundle import load, unpack

        with tempfile.TemporaryDirectory(prefix="envbuild-doctor-") as folder:
            bundle = load(workspace.path(request.bundle))
            asked, patient = unpack(bundle, Path(folder), clock=time.monotonic)
            yield replace(asked, only=request.only, skip=request.skip), patient
        return
    if request.machine is not None:
        facts = machine.load(workspace.path(request.machine))
    else:
        facts = machine.this_machine(workspace.environ)
    named = request.environment
    if named is not None and not named.startswith(("/", "~", "$")) and ("/" in named or named.startswith(".")):
        named = str(workspace.path(Path(named)))  # a folder is meant from where the user stands
    asked = Request(
        environment=named,
        project=workspace.path(request.project) if request.project is not None else None,
        ides=request.ides,
        static=request.static,
        run_shell=request.run_shell,
        only=request.only,
        skip=request.skip,
    )
    yield asked, Patient(home=workspace.home, cwd=workspace.cwd, machine=facts)


def _result(found: Examination, patient: Patient, request: DoctorRequest) -> DoctorResult:
    names = Names(patient.home, aliases=found.home_names, root=found.root, share=request.share)
    return DoctorResult(found=found, names=names)


def registrations_record(workspace: Workspace) -> Path:
    """Where `register` writes down what folders' settings were, for `unregister`."""
    return workspace.project.state / "doctor" / "registered.json"


def _record(workspace: Workspace) -> Path:
    """Where repairs are written down, for `undo`."""
    return workspace.project.state / "doctor" / "repairs.json"
