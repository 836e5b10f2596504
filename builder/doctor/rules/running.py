"""Classes A and B: a program runs another interpreter than the one that is meant, or one that is not there."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from builder.doctor.formats import name_of
from builder.doctor.model import Diagnosis, Ide, Interpreter, Kind, Level, Presence
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.case import Case
    from builder.doctor.model import Claim, Meant


#: Pythons that are no environment, and so seldom have packages of one's own: those of the system and of installers.
_GENERAL: Final = (Kind.HOMEBREW, Kind.SYSTEM, Kind.INSTALLED)
_ADD: Final = "Add Interpreter ▸ Add Local Interpreter… ▸ Select existing"


def diagnose(case: Case) -> Iterator[Diagnosis]:
    """One diagnosis for each wrong interpreter, whoever runs it: the others who do are its evidence."""
    found: dict[tuple[str, Level], Diagnosis] = {}
    for claim in case.claims:
        diagnosis = _judge(case, claim)
        if diagnosis is None:
            continue
        if diagnosis.level is Level.PROBLEM and _another_build_is_right(case, claim):
            diagnosis = replace(diagnosis, level=Level.NOTE, klass="F")
        key = (diagnosis.subject, diagnosis.level)  # what is only noted of one program may be a problem of another
        if key in found:
            first = found[key]
            line = f"{subject_of(claim)} too: {_said_by(case, claim)}"
            found[key] = Diagnosis(**(vars(first) | {"evidence": (*first.evidence, line)}))
        else:
            found[key] = diagnosis
    yield from found.values()


def _another_build_is_right(case: Case, claim: Claim) -> bool:
    """Whether another build of VS Code runs the right Python in the same folder, and nothing says which is in use."""
    return claim.ide in (Ide.VSCODE, Ide.CURSOR) and any(
        other.ide is claim.ide
        and other.who != claim.who
        and other.decisive
        and other.what.partition(",")[0] == claim.what.partition(",")[0]
        and other.interpreter is not None
        and other.interpreter.presence is Presence.PRESENT
        and case.has(other.interpreter)
        for other in case.claims
    )


def subject_of(claim: Claim) -> str:
    """The program as the subject of a sentence."""
    who = name_of(claim.who) if claim.who.isascii() and " " not in claim.who else claim.who
    if claim.what.startswith("run configuration "):
        return f"{who}'s run configuration {name_of(claim.what.removeprefix('run configuration '))}"
    if claim.what.startswith("launch configuration "):
        return f"{who}'s launch configuration {name_of(claim.what.removeprefix('launch configuration '))}"
    if claim.what.startswith("kernel "):
        return f"{who}'s {claim.what}"
    if claim.what.startswith("alias "):
        return f"the terminal's {claim.what}"
    if claim.what == "first on PATH":
        return "the terminal's `python`"
    if claim.what.startswith("attached directory") or claim.what == "workspace":
        return f"{who}'s {claim.what}"
    return who


def _said_by(case: Case, claim: Claim) -> str:
    if not claim.decided_by:
        return claim.written
    last = claim.decided_by[-1]
    return case.show(last.file) + (f":{last.line}" if last.line else "")


def _judge(case: Case, claim: Claim) -> Diagnosis | None:
    """What is wrong with one claim, a note where it must not decide, or None."""
    interpreter = claim.interpreter
    if interpreter is None:
        return _unknown_name(case, claim)
    if interpreter.presence is Presence.GONE:
        return _dangling(case, claim, interpreter)
    if claim.conda is not None and claim.conda.presence is Presence.GONE:
        return _conda_gone(case, claim, interpreter)
    if not claim.decisive or case.meant is None:
        return _nowhere(case, claim, interpreter)
    return _another(case, claim, interpreter)


# -- A -----------------------------------------------------------------------------------------------------------


def _another(case: Case, claim: Claim, interpreter: Interpreter) -> Diagnosis | None:
    meant = case.meant
    if meant is None or case.same(interpreter, meant.interpreter) or case.has(interpreter):
        return None
    if not case.has(meant.interpreter) and not meant.explicit:
        return None
    if claim.uses is not None and all(case.has(interpreter, name) for name in claim.uses):
        return None  # a notebook about something else
    if interpreter.presence is Presence.UNKNOWN and interpreter.kind not in _GENERAL:
        return None  # an environment, and nobody could look whether it has what is wanted
    if claim.ide is Ide.JUPYTER and not _kernel_counts(case, claim):
        return None
    level = Level.PROBLEM if _concerns(case, claim, interpreter) else Level.NOTE
    sync = _sync(case, interpreter)
    return Diagnosis(
        check=_check(claim, gone=False),
        klass="A" if level is Level.PROBLEM else "F",
        level=level,
        sentence=f"{subject_of(claim)} runs {case.described(interpreter)}; "
        f"{_phrase(claim, meant)} {case.described(meant.interpreter)}",
        decided_by=claim.decided_by,
        remedy=sync or choose(case, claim),
        why_not_automatic=hands_off(claim) if sync is None else None,
        evidence=_evidence(case, claim, interpreter),
        subject=str(interpreter.prefix or interpreter.path),
    )


def _sync(case: Case, interpreter: Interpreter) -> Remedy | None:
    """The project's own environment is the right one, and only was not filled: uv.lock says what belongs in it."""
    project, prefix = case.around.project, interpreter.prefix
    if project is None or prefix is None or prefix != project / ".venv" or case.wanted not in case.project.uses:
        return None
    text = case.around.disk.text(project / "uv.lock", limit=20_000_000) or ""
    if not re.search(rf'^name = "{re.escape(case.wanted)}"$', text, re.MULTILINE):
        return None
    command = f"uv sync --project {shlex.quote(str(project))}"
    return Remedy(say="fill the project's own environment with what uv.lock says", commands=(command,))


def _phrase(claim: Claim, meant: Meant) -> str:
    """The terminal is not compared with itself."""
    return "the active environment is" if claim.ide is Ide.SHELL and "terminal" in meant.phrase else meant.phrase


def _kernel_counts(case: Case, claim: Claim) -> bool:
    """A kernel that no notebook names is judged only when it is called like the environment that is meant, or when
    `--ide jupyter` asks and it is the user's only one for Python."""
    if not claim.what.startswith("kernel "):
        return True
    asked = case.around.asked is not None and Ide.JUPYTER in case.around.asked
    kernels = [other for other in case.claims if other.ide is Ide.JUPYTER and other.interpreter is not None]
    if asked and len(kernels) == 1:
        return True
    prefix = case.meant.interpreter.prefix if case.meant is not None else None
    name = claim.what.removeprefix("kernel ")
    if " of " in name or name == "python3":
        return True
    return prefix is not None and name == prefix.name.lower()


def _concerns(case: Case, claim: Claim, interpreter: Interpreter) -> bool:
    """Whether the program is meant to run what is wanted.

    It is not, if the project's own imports say so; nor, where only a guess says which environment is meant and the
    user named no project, if the interpreter is a project's own or the one of the terminal.
    """
    if claim.project is None:
        if case.wanted in case.project.uses:
            return True
        if case.project.judged and not case.project.uses:
            return False
    if case.meant is not None and case.meant.explicit and claim.project is None:
        return True
    folder, prefix = claim.project or case.around.project, interpreter.prefix
    own = folder is not None and prefix is not None and prefix.is_relative_to(folder)
    if own and not case.around.project_named:
        return False
    active = case.terminal
    is_base = any(root.prefix == prefix for root in case.around.survey.condas)
    return active is None or is_base or not case.same(active, interpreter)


def _nowhere(case: Case, claim: Claim, interpreter: Interpreter) -> Diagnosis | None:
    """The project imports it, the program's interpreter lacks it, and so does everything else here."""
    if not claim.decisive or case.wanted not in case.project.uses or case.has(interpreter):
        return None
    if interpreter.prefix is None or (interpreter.outline and not interpreter.packages):
        return None
    return Diagnosis(
        check=_check(claim, gone=False),
        klass="A",
        sentence=f"{subject_of(claim)} runs {case.described(interpreter)}, the project imports {case.wanted}, "
        f"and no environment here has it",
        decided_by=claim.decided_by,
        remedy=Remedy(
            say=f"install {case.wanted} there, or choose another environment",
            commands=(f"{interpreter.path} -m pip install {case.wanted}",),
        ),
        subject=str(interpreter.prefix),
    )


def _evidence(case: Case, claim: Claim, interpreter: Interpreter) -> tuple[str, ...]:
    lines = []
    if claim.what:
        lines.append(f"{claim.subject}: {claim.written}")
    if interpreter.via:
        lines.append(f"{claim.written} is {interpreter.via}")
    if interpreter.real is not None and interpreter.real.parent != interpreter.path.parent and interpreter.via is None:
        lines.append(f"{case.show(interpreter.path)} leads to {case.show(interpreter.real)}")
    if interpreter.kind is Kind.SYSTEM and case.around.machine.is_mac:
        lines.append("it is the Python of Apple's developer tools, which is not made for packages of one's own")
    if interpreter.presence is Presence.UNKNOWN:
        lines.append("its packages were not looked at: it lies outside the folders that are known here")
    return tuple(lines)


# -- B -----------------------------------------------------------------------------------------------------------


def _dangling(case: Case, claim: Claim, interpreter: Interpreter) -> Diagnosis | None:
    meant = case.meant
    if claim.ide is Ide.SHELL:
        return None
    if claim.ide is Ide.JUPYTER and not _kernel_counts(case, claim):
        level = Level.NOTE
    else:
        level = Level.PROBLEM if claim.decisive else Level.NOTE
    path = case.show(interpreter.path)
    half = interpreter.prefix is not None
    if interpreter.broken_link is not None:
        what = f"{path}, a link to {case.show(interpreter.broken_link)}, which is gone"
    elif half and interpreter.prefix is not None:
        what = f"{path}, which is gone, though the rest of {case.show(interpreter.prefix)} is there (half-deleted)"
    else:
        what = f"{path}, which does not exist"
    comparison = (
        f"; {meant.phrase} {case.described(meant.interpreter)}"
        if meant is not None and not case.same(meant.interpreter, interpreter)
        else ""
    )
    deleted = half and interpreter.broken_link is None
    return Diagnosis(
        check="env.half-deleted" if deleted else _check(claim, gone=True),
        klass=("D" if deleted else "B") if level is Level.PROBLEM else "F",
        level=level,
        sentence=f"{subject_of(claim)} is set to {what}{comparison}",
        decided_by=claim.decided_by,
        remedy=_rebuild(case, interpreter) if half else choose(case, claim),
        why_not_automatic=None if half else hands_off(claim),
        evidence=(*_evidence(case, claim, interpreter), *_nearest(case, interpreter)),
        subject=str(interpreter.prefix or interpreter.path),
    )


def _nearest(case: Case, interpreter: Interpreter) -> tuple[str, ...]:
    """The environment whose name or path is most like the one that is not there."""
    import difflib

    paths = {case.show(env.path): env for env in case.around.survey.environments if env.presence is Presence.PRESENT}
    close = difflib.get_close_matches(case.show(interpreter.path), paths, n=1, cutoff=0.8)
    return (f"the nearest that exists: {case.described(paths[close[0]])}",) if close else ()


def _rebuild(case: Case, interpreter: Interpreter) -> Remedy:
    prefix = interpreter.prefix
    shown = case.show(prefix) if prefix is not None else "it"
    if interpreter.kind is Kind.CONDA:
        return Remedy(say=f"build the environment anew, then remove {shown}; what is left of it does not start")
    return Remedy(
        say="make the virtual environment again with a Python that exists, and install the project's packages into it",
        commands=(f"python3 -m venv --clear {prefix}",),
    )


def _unknown_name(case: Case, claim: Claim) -> Diagnosis | None:
    if claim.problem is None or claim.ide in (Ide.SHELL, Ide.JUPYTER):
        return None
    meant = case.meant
    known = ", ".join(name_of(name) for name, _ in claim.choices[:8]) or "none"
    level = Level.PROBLEM if claim.decisive else Level.NOTE
    comparison = f"; {meant.phrase} {case.described(meant.interpreter)}" if meant is not None else ""
    return Diagnosis(
        check="ide.name-unknown",
        klass="B" if level is Level.PROBLEM else "F",
        level=level,
        sentence=f"{subject_of(claim)} has no interpreter called “{name_of(claim.written).strip('“”')}”, "
        f"which {claim.what} asks for{comparison}",
        decided_by=claim.decided_by,
        remedy=choose(case, claim),
        why_not_automatic=hands_off(claim),
        evidence=(claim.problem, f"in its list: {known}"),
        subject=f"name {claim.written}",
    )


def _conda_gone(case: Case, claim: Claim, interpreter: Interpreter) -> Diagnosis | None:
    if claim.conda is None:
        return None
    level = Level.PROBLEM if claim.decisive else Level.NOTE
    owner = case.around.survey.owner(interpreter.prefix) if interpreter.prefix is not None else None
    other = owner or next((root for root in case.around.survey.condas if root.executable is not None), None)
    commands = f" (for instance {case.show(other.executable)})" if other is not None and other.executable else ""
    return Diagnosis(
        check="ide.conda-gone",
        klass="B" if level is Level.PROBLEM else "F",
        level=level,
        sentence=f"{subject_of(claim)} needs {case.show(claim.conda.path)}, which does not exist, to start "
        f"{case.described(interpreter)}, which is whole",
        decided_by=claim.decided_by,
        remedy=Remedy(
            say=f"{claim.change} ▸ {_ADD} ▸ Conda: choose a conda that exists{commands}, then the environment",
        ),
        why_not_automatic=hands_off(claim),
        evidence=_evidence(case, claim, interpreter),
        subject=f"conda {claim.conda.path}",
    )


# -- what to do --------------------------------------------------------------------------------------------------


def _check(claim: Claim, *, gone: bool) -> str:
    if claim.ide is Ide.SHELL:
        return "shell.conda"
    family = "jupyter" if claim.ide is Ide.JUPYTER else "ide"
    if gone:
        return f"{family}.dangling"
    return "jupyter.kernel" if family == "jupyter" else "ide.interpreter"


def choose(case: Case, claim: Claim) -> Remedy | None:
    """How the user makes that program run the environment that is meant."""
    meant = case.meant.interpreter if case.meant is not None else None
    if meant is None:
        return Remedy(say=f"{claim.change} ▸ choose an environment that exists") if claim.change else None
    target = case.show(meant.path)
    if claim.ide is Ide.JUPYTER and claim.what.startswith("kernel "):
        return _register_kernel(meant, claim)
    if claim.ide is Ide.JUPYTER:
        return Remedy(say=f"{claim.change} ▸ {target}; jupyterlab must be installed in it")
    if claim.ide is Ide.SHELL:
        return Remedy(say=claim.change)
    if claim.what.startswith("launch configuration "):
        return Remedy(say=f"{claim.change} to {target}")
    if claim.ide in (Ide.VSCODE, Ide.CURSOR):
        return Remedy(say=f"{claim.change} ▸ Enter interpreter path… ▸ {target}")
    if claim.ide is Ide.SPYDER:
        return Remedy(say=f"{claim.change} ▸ {target}; spyder-kernels must be installed in it")
    listed = [name for name, path in claim.choices if case.same(case.around.environments.of(path), meant)]
    if listed:
        text = f"{claim.change} ▸ {name_of(listed[0])} (already in the list)"
    elif meant.kind is Kind.CONDA:
        owner = case.around.survey.owner(meant.prefix) if meant.prefix is not None else None
        conda = f"conda {case.show(owner.executable)}, " if owner is not None and owner.executable else ""
        name = meant.prefix.name if meant.prefix is not None else target
        text = f"{claim.change} ▸ {_ADD} ▸ Conda: {conda}environment {name}"
    else:
        text = f"{claim.change} ▸ {_ADD} ▸ Python: {target}"
    return Remedy(say=text)


def hands_off(claim: Claim | None) -> str | None:
    """Why the doctor does not change itself what that program has written down."""
    if claim is not None and claim.what.startswith("launch configuration "):
        return None
    match claim.ide if claim is not None else None:
        case Ide.VSCODE | Ide.CURSOR:
            return "VS Code keeps the choice in memory and rewrites its database"
        case Ide.DATASPELL | Ide.PYCHARM | Ide.INTELLIJ:
            return f"{claim.who.split()[0]} rewrites this file" if claim is not None else None
        case _:
            return None


def _register_kernel(meant: Interpreter, claim: Claim) -> Remedy:
    name = (meant.prefix or meant.path.parent.parent).name
    commands = [] if meant.version_of("ipykernel") else [f"{meant.path} -m pip install ipykernel"]
    if claim.what == f"kernel {name.lower()}":
        text = "make the kernel again, from the environment that is meant"
    else:
        text = f"make a kernel of the environment that is meant, then {claim.change} ▸ {name}"
    commands.append(f"{meant.path} -m ipykernel install --user --name {name}")
    return Remedy(say=text, commands=tuple(commands))
