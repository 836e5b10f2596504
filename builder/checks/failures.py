"""Why a probe failed: death by signal, a hang, an exit and an exception are four different findings."""

from __future__ import annotations

import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.binaries.demangle import shown
from builder.checks import known_errors
from builder.checks.causes import error_of, gone_file
from builder.finding import Finding, Remedy, Status
from builder.wording import capital

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.checks.known_errors import Match
    from builder.checks.subject import Subject
    from builder.environment.ownership import Owner
    from builder.probes.harness import Outcome, Step

#: Lines of a traceback or of stderr that go into the evidence.
_LINES: Final = 12

#: Frames of the import system and of the probes: no reader needs them.
_MACHINERY: Final = re.compile(r'  File "(?:<frozen |[^"]*/builder/probes/scripts/|[^"]*/importlib/__init__\.py)')

#: What is said of a module that is another one than was meant, or is not there, in a line of a traceback.
_LACKING_MODULE: Final = re.compile(
    r"module '(?P<module>\w+)[\w.]*' has no attribute|No module named '(?P<absent>\w+)[\w.]*'"
)
#: `cannot import name 'runtime_version' from 'google.protobuf' (/…/google/protobuf/__init__.py)`
_LACKING_NAME: Final = re.compile(r"cannot import name '[^']+' from '[\w.]+' \((?P<file>/[^)]+)\)")
#: A module that is not there.
_GONE: Final = re.compile(r"No module named '(?P<dotted>\w+(?:\.\w+)*)'")
#: What an error says of another package that it needed: `This requires the h5py module`, `could not import h5py`,
#: `you need to have `optree` installed`.
_NEEDED: Final = re.compile(r"(?:requires (?:the )?|import |need to have )`?(?P<module>[A-Za-z_]\w*)")
#: Folders of packages; what lies elsewhere in the environment is Python's own.
_PACKAGES: Final = frozenset(("site-packages", "dist-packages"))

#: A remedy of the table that is one command, and words that make a sentence of what follows one.
_ONE_COMMAND: Final = re.compile(r"\{(un)?install\}( (--[a-z-]+|'[^']+'|\{\w+\}|[A-Za-z0-9][\w.\[\]-]*))+")
_ENGLISH: Final = frozenset(("NAME", "and", "brings", "from", "in", "may", "or", "then", "which", "with"))

#: How faulthandler ends what it prints.
_LOADED: Final = re.compile(r"^Extension modules: (?P<modules>[\w., ]+)", re.MULTILINE)
_TRACEBACK_FILE: Final = re.compile(r'^  File "(?P<file>[^"]+)", line \d+', re.MULTILINE)
_NAMED_LIBRARY: Final = re.compile(r"(?P<file>/[^\s:'\"()]+\.(?:so|dylib)(?:\.[\w.]+)?)")


def failure(step: Step, outcome: Outcome, subject: Subject) -> Finding:
    """The finding for a step that did not reach its end."""
    if step.how == "raised":
        return _raised(step, outcome, subject)
    if step.how == "exited":
        return _exited(step, outcome, subject, stack=step.error)
    if outcome.timed_out:
        return _hung(step, outcome, subject)
    if outcome.returncode < 0:
        return _killed(step, outcome, subject)
    return _exited(step, outcome, subject, stack=outcome.exit_stack)


def doing(step: Step) -> str:
    """What was going on, as the end of a sentence."""
    if step.check.startswith("import."):
        return f"importing {step.subject}"
    return f"running {step.check} ({step.subject})" if step.subject else f"running {step.check}"


def signal_name(returncode: int) -> str:
    """`SIGILL` for -4; `signal 99` for a number without a name."""
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def _failed(
    step: Step, subject: Subject, *, title: str, evidence: Iterable[str], remedy: Remedy, text: str, error: str
) -> Finding:
    return Finding(
        check=step.check,
        status=Status.FAIL,
        title=title,
        evidence=tuple(evidence),
        remedy=remedy,
        about=concerned(text, subject, error=error, module=step.subject if step.check.startswith("import.") else ""),
    )


def _killed(step: Step, outcome: Outcome, subject: Subject) -> Finding:
    name = signal_name(outcome.returncode)
    file = _loading(outcome)
    culprit = (subject.repair.owner(Path(file)) if file else None) or _culprit(outcome.stderr, subject)
    match = known(outcome.stderr, subject) or known_errors.match_signal(
        name, is_osx=_is_osx(subject), values=_values(subject, culprit)
    )
    remedy = remedy_of(match, subject, culprit) if match else subject.repair.restore([culprit])
    if culprit is not None and match is not None and match.known.signal is not None:
        again = subject.repair.restore([culprit])
        remedy = Remedy(f"{again.say} If that does not help: {match.remedy}", again.commands)
    failed = _failed(
        step,
        subject,
        title=f"The process died by {name} while {doing(step)}" + (f": {match.cause}" if match else "."),
        evidence=(
            f"died by {name}, peak memory {outcome.peak_mib:.0f} MiB",
            *((f"while loading {file}",) if file else ()),
            *_tail(outcome.stderr),
        ),
        remedy=remedy,
        text=f"{outcome.stderr}\n{file or ''}",
        error=name,
    )
    return replace(failed, about=failed.about | _loaded(outcome.stderr, subject))


def _loaded(stderr: str, subject: Subject) -> frozenset[str]:
    """The packages of the compiled modules that were loaded: what crashed is native code of one of them."""
    told = _LOADED.search(stderr)
    tops = {name.strip().partition(".")[0] for name in told["modules"].split(",")} if told is not None else set()
    owners = (subject.repair.module_owner(top) for top in tops)
    return frozenset(owner.name for owner in owners if owner is not None)


def _loading(outcome: Outcome) -> str | None:
    """The compiled module that was being loaded when the process died, if it died of that."""
    _, _, frames = outcome.stderr.partition("most recent call first):\n")
    creating = "_call_with_frames_removed" in frames[:300] and "in create_module" in frames[:300]
    return outcome.loading if creating and outcome.loading else None


def _hung(step: Step, outcome: Outcome, subject: Subject) -> Finding:
    culprit = _culprit(outcome.stderr, subject)
    match = known(outcome.stderr, subject)
    if match is not None:
        remedy = remedy_of(match, subject, culprit)
    elif culprit is not None:
        remedy = subject.repair.restore([culprit])
    else:
        remedy = Remedy("The evidence names the line that waits; `--timeout` allows a slow machine more time.")
    return _failed(
        step,
        subject,
        title=f"{capital(doing(step))} timed out after {outcome.limit:.0f} s" + (f": {match.cause}" if match else "."),
        evidence=tuple(_tail(outcome.stderr)) or ("there is no Python traceback",),
        remedy=remedy,
        text=outcome.stderr,
        error="hang",
    )


def _exited(step: Step, outcome: Outcome, subject: Subject, *, stack: str) -> Finding:
    status = step.message if step.how == "exited" else str(outcome.returncode)
    culprit = _culprit(stack, subject)
    if culprit is None and step.check.startswith("import."):
        culprit = subject.repair.module_owner(step.subject)
    by = f", ended by {culprit.name}" if culprit else ""
    return _failed(
        step,
        subject,
        title=f"The process exits with status {status} while {doing(step)}{by}; what comes after never runs.",
        evidence=tuple(_tail(stack or outcome.stderr)) or (f"no message; {outcome.seconds:.1f} s after the start",),
        remedy=subject.repair.restore([culprit])
        if culprit
        else Remedy(f"Look for sys.exit or os._exit in what {step.subject or step.check} runs."),
        text=stack or outcome.stderr,
        error=f"exit {status}",
    )


def _raised(step: Step, outcome: Outcome, subject: Subject) -> Finding:
    text = f"{step.error}\n{outcome.stderr}"
    match = known(text, subject)
    last = step.error.rstrip().splitlines()[-1] if step.error.strip() else step.message
    torn = _torn(last, subject)
    if torn is not None:
        file, owner = torn
        failed = _failed(
            step,
            subject,
            title=f"{capital(doing(step))} fails: a file of {owner.name} {owner.version} is gone.",
            evidence=(f"{file}: missing", *_tail(step.error)),
            remedy=subject.repair.restore([owner]),
            text=step.error,
            error=last,
        )
        return replace(failed, about=failed.about | {owner.name, gone_file(file)})
    return _failed(
        step,
        subject,
        title=f"{capital(doing(step))} fails: {match.cause if match is not None else last}",
        evidence=_tail(step.error),
        remedy=remedy_of(match, subject, _culprit(text, subject)) if match is not None else _cure(step.error, subject),
        text=step.error,
        error=last,
    )


def _torn(last: str, subject: Subject) -> tuple[str, Owner] | None:
    """The file that a package recorded and that is gone, where its absence is what was raised; and the package."""
    gone = _GONE.search(last)
    if gone is None:
        return None
    owners = subject.environment.owners
    for site in subject.environment.site_folders:
        stem = site.joinpath(*gone["dotted"].split(".")).relative_to(subject.environment.path).as_posix()
        compiled = (rel for rel in owners.files if rel.startswith(f"{stem}.") and rel.endswith(".so"))
        # A namespace package (`google`) has no `__init__.py` that could be missed.
        inside = next((rel for rel in owners.files if rel.startswith(f"{stem}/") and rel.endswith(".py")), None)
        folder = (inside,) if inside is not None and not (subject.environment.path / stem).exists() else ()
        for rel in (f"{stem}.py", f"{stem}/__init__.py", *compiled, *folder):
            file = subject.environment.path / rel
            owner = subject.repair.owner(file)
            if owner is not None and not file.exists():
                return rel, owner
    return None


def _cure(text: str, subject: Subject) -> Remedy:
    """Set aside a file that is nobody's and hides a module, else reinstall the package the text points at."""
    stranger = _stranger(text, subject)
    if stranger is not None:
        return Remedy(
            f"{stranger} is not part of the environment: rename it if it is yours, or take its folder off Python's "
            "path (PYTHONPATH, a .pth file, the working directory)."
        )
    return subject.repair.restore([_culprit(text, subject)])


def _stranger(text: str, subject: Subject) -> Path | None:
    """The file that raised, where it is neither the environment's nor its base interpreter's (a venv's library)."""
    frames = [match["file"] for match in _TRACEBACK_FILE.finditer(text)]
    if not frames or not frames[-1].startswith("/") or _MACHINERY.match(f'  File "{frames[-1]}"'):
        return None
    file, python = Path(frames[-1]), subject.environment.python
    homes = (subject.environment.path, *((python.resolve().parent.parent,) if python is not None else ()))
    return None if any(file.is_relative_to(home) for home in homes) else file


def known(text: str, subject: Subject, *, survived: bool = False) -> Match | None:
    """The known error that a text shows, with files named by their packages and symbols demangled."""

    def describe(name: str, value: str) -> str:
        if name.startswith("symbol"):
            return shown(value.encode())
        if not name.startswith("file"):
            return value
        owner = subject.repair.owner(Path(value))
        return f"{Path(value).name} ({owner.name} {owner.version})" if owner else Path(value).name

    return known_errors.match_text(
        text,
        is_osx=_is_osx(subject),
        values=_values(subject, _culprit(text, subject)),
        survived=survived,
        describe=describe,
    )


def _is_osx(subject: Subject) -> bool:
    return subject.subdir is not None and subject.subdir.is_osx


def remedy_of(match: Match, subject: Subject, culprit: Owner | None) -> Remedy:
    """The remedy of a known error, with the commands that its words stand for."""
    told = match.known.remedy
    repair = subject.repair
    if "{numpy_fix}" in told:
        remedy = _numpy_fix(subject, culprit)
    elif "{reinstall}" in told:
        remedy = repair.restore([culprit])
    elif "{rebuild}" in told:
        remedy = repair.rebuild()
    elif _ONE_COMMAND.fullmatch(told) and not _ENGLISH & set(told.split()):
        verb, *arguments = shlex.split(match.remedy)
        removes = verb == "uninstall"
        remedy = repair.uninstall(*arguments) if removes else repair.install(*arguments)
    else:
        return Remedy(capital(match.remedy))
    return Remedy(capital(match.remedy), remedy.commands)


def _values(subject: Subject, culprit: Owner | None) -> dict[str, str]:
    """What causes and remedies of known errors may name."""
    return {
        "prefix": str(subject.environment.path),
        "python": str(subject.environment.python),
        "install": "install",
        "uninstall": "uninstall",
        "rebuild": "build the environment again",
        "reinstall": f"reinstall {culprit.name}" if culprit else "build the environment again",
        "culprit": f"{culprit.name} {culprit.version}" if culprit else "a package",
        "numpy_fix": _numpy_fix(subject, culprit).say.rstrip("."),
    }


def _numpy_fix(subject: Subject, culprit: Owner | None) -> Remedy:
    """How a package and NumPy are made to fit: what the lock says of either, else a newer package or NumPy 1."""
    repair = subject.repair
    for owner in (repair.module_owner("numpy"), culprit):
        if owner is not None and repair.locked_version(owner.name) not in (None, owner.version):
            return repair.restore([owner], why=f"go back to the locked version of {owner.name}.")
    if culprit is None or culprit.manager == "conda":
        return repair.install("numpy<2", say="go back to NumPy 1.")
    return repair.install(culprit.name, say=f"upgrade {culprit.name}, or go back to NumPy 1.")


def _culprit(text: str, subject: Subject) -> Owner | None:
    """The package whose file the text points at: a library it names, else the innermost frame in a package."""
    return next((owner for file in _files(text) if (owner := subject.repair.owner(file))), None)


def _files(text: str) -> list[Path]:
    """The files that a text names, the likeliest to be at fault first.

    The standard library's come last: it fails by what it is given.
    """
    named = [Path(match["file"]) for match in _NAMED_LIBRARY.finditer(text)]
    frames = [Path(match["file"]) for match in _TRACEBACK_FILE.finditer(text)]
    # faulthandler prints the innermost frame first, a traceback prints it last.
    inner = frames if "most recent call first" in text else frames[::-1]
    return [*named, *sorted(inner, key=lambda file: not _PACKAGES & set(file.parts))]


def concerned(text: str, subject: Subject, *, error: str = "", module: str = "") -> frozenset[str]:
    """What a failure is about: the innermost file that its text names, in a package and anywhere, and whose they are.

    `error`, where it can be told, is how other failures of the same cause are known. Where the text names no file of
    the environment, it is the package of `module`.
    """
    root = subject.environment.path
    files = [file for file in _files(text) if file.is_relative_to(root)]
    of_packages = [file for file in files if _PACKAGES & set(file.parts)]
    named = [*of_packages[:1], *[file for file in files if file not in of_packages][:1]]
    owners = [subject.repair.owner(file) for file in named]
    if not named and module:
        owners.append(subject.repair.module_owner(module))
    names = {file.relative_to(root).as_posix() for file in named}
    if (told := _LACKING_MODULE.search(text)) is not None:
        lacking = told["module"] or told["absent"]
        owners.append(subject.repair.module_owner(lacking))
        if subject.repair.locked_version(lacking) is not None:
            names.add(canonicalize_name(lacking))  # nobody's any more, if its package is gone
    if (told := _LACKING_NAME.search(text)) is not None:
        owners.append(subject.repair.owner(Path(told["file"])))
    modules = [told["module"] for told in _NEEDED.finditer(error)]
    names |= {canonicalize_name(module) for module in modules if subject.repair.locked_version(module) is not None}
    needed = [subject.repair.module_owner(module) for module in modules]
    names |= {owner.name for owner in (*owners, *needed) if owner is not None}
    # One that is installed and still missed could not be imported itself, for lack of something that it needs.
    installed = (subject.environment.distribution(owner.name) for owner in needed if owner is not None)
    names |= {canonicalize_name(one.name) for dist in installed if dist is not None for one in dist.requirements()}
    if error:
        names.add(error_of(f"{error} {named[0] if named else ''}"))
    return frozenset(names)


def _tail(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip() and not _MACHINERY.match(line)]
    if len(lines) > _LINES and "most recent call first" in text:
        start = next(index for index, line in enumerate(lines) if "most recent call first" in line)
        return lines[max(0, start - 2) : start + _LINES]
    return lines[-_LINES:]
