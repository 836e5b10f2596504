"""Why a probe failed: death by signal, a hang, an exit and an exception are four different findings."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.verify import known_errors
from builder.verify.finding import Finding, Status
from builder.verify.static.demangle import shown

if TYPE_CHECKING:
    from builder.verify.known_errors import Match
    from builder.verify.runtime.context import Context
    from builder.verify.runtime.harness import Outcome, Step
    from builder.verify.runtime.remedy import Owner, Packages

#: Lines of a traceback or of stderr that go into the evidence.
_LINES: Final = 12

#: Frames of the import system and of the probes: no reader needs them.
_MACHINERY: Final = re.compile(
    r'  File "(?:<frozen |[^"]*/builder/verify/runtime/probes/|[^"]*/importlib/__init__\.py)'
)

_TRACEBACK_FILE: Final = re.compile(r'^  File "(?P<file>[^"]+)", line \d+', re.MULTILINE)
_NAMED_LIBRARY: Final = re.compile(r"(?P<file>/[^\s:'\"()]+\.(?:so|dylib)(?:\.[\w.]+)?)")


def failure(step: Step, outcome: Outcome, context: Context, packages: Packages) -> Finding:
    """The finding for a step that did not reach its end."""
    doing = _doing(step)
    if step.how == "raised":
        return _raised(step, outcome, context, packages)
    if step.how == "exited":
        return _exited(step, outcome, context, packages, stack=step.error)
    if outcome.timed_out:
        return _hung(step, outcome, context, packages, doing=doing)
    if outcome.returncode < 0:
        return _killed(step, outcome, context, packages, doing=doing)
    return _exited(step, outcome, context, packages, stack=outcome.exit_stack)


def _doing(step: Step) -> str:
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


def _killed(step: Step, outcome: Outcome, context: Context, packages: Packages, *, doing: str) -> Finding:
    name = signal_name(outcome.returncode)
    file = _loading(outcome)
    culprit = (packages.owner(Path(file)) if file else None) or _culprit(outcome.stderr, context, packages)
    match = known(outcome.stderr, context, packages) or known_errors.match_signal(
        name, is_osx=context.subdir.is_osx, values=_values(context, packages, culprit)
    )
    remedy = match.remedy if match else None
    if culprit is not None and (match is None or match.known.signal is not None):
        again = f"reinstall {culprit.name}: {packages.reinstall(culprit)}"
        remedy = f"{again}\nIf that is not it, {remedy}" if remedy else again
    return Finding(
        check=step.check,
        status=Status.FAIL,
        title=f"The process died by {name} while {doing}" + (f": {match.cause}" if match else "."),
        evidence=(
            f"died by {name}, peak memory {outcome.peak_mib:.0f} MiB",
            *((f"while loading {file}",) if file else ()),
            *_tail(outcome.stderr),
        ),
        remedy=remedy,
    )


def _loading(outcome: Outcome) -> str | None:
    """The compiled module that was being loaded when the process died, if it died of that."""
    _, _, frames = outcome.stderr.partition("most recent call first):\n")
    creating = "_call_with_frames_removed" in frames[:300] and "in create_module" in frames[:300]
    return outcome.loading if creating and outcome.loading else None


def _hung(step: Step, outcome: Outcome, context: Context, packages: Packages, *, doing: str) -> Finding:
    culprit = _culprit(outcome.stderr, context, packages)
    match = known(outcome.stderr, context, packages)
    return Finding(
        check=step.check,
        status=Status.FAIL,
        title=f"It hangs: {doing} did not end within {outcome.limit:.0f} s" + (f": {match.cause}" if match else "."),
        evidence=tuple(_tail(outcome.stderr)) or ("no Python traceback could be had",),
        remedy=match.remedy
        if match
        else (f"reinstall {culprit.name}: {packages.reinstall(culprit)}" if culprit else None)
        or "the traceback in the evidence names the line that waits; `--timeout` allows a slow machine more time",
    )


def _exited(step: Step, outcome: Outcome, context: Context, packages: Packages, *, stack: str) -> Finding:
    status = step.message if step.how == "exited" else str(outcome.returncode)
    culprit = _culprit(stack, context, packages)
    if culprit is None and step.check.startswith("import."):
        culprit = packages.module_owner(step.subject)
    by = f", ended by {culprit.name}" if culprit else ""
    return Finding(
        check=step.check,
        status=Status.FAIL,
        title=f"The process exits with status {status} while {_doing(step)}{by}; what comes after never runs.",
        evidence=tuple(_tail(stack or outcome.stderr)) or (f"no message; {outcome.seconds:.1f} s after the start",),
        remedy=f"reinstall {culprit.name}: {packages.reinstall(culprit)}"
        if culprit
        else f"look for sys.exit or os._exit in what {step.subject or step.check} runs",
    )


def _raised(step: Step, outcome: Outcome, context: Context, packages: Packages) -> Finding:
    text = f"{step.error}\n{outcome.stderr}"
    match = known(text, context, packages)
    last = step.error.rstrip().splitlines()[-1] if step.error.strip() else step.message
    if match is not None:
        title, remedy = f"{_capital(_doing(step))} fails: {match.cause}", match.remedy
    else:
        title = f"{_capital(_doing(step))} fails: {last}"
        remedy = _cure(step.error, context, packages)
    return Finding(check=step.check, status=Status.FAIL, title=title, evidence=tuple(_tail(step.error)), remedy=remedy)


def _cure(text: str, context: Context, packages: Packages) -> str:
    """Remove a file that is nobody's and hides a module, else reinstall the package the text points at."""
    stranger = _stranger(text, context)
    if stranger is not None:
        return f"remove or rename {stranger}, or what puts its folder on Python's path: it is not the environment's"
    culprit = _culprit(text, context, packages)
    return f"reinstall {culprit.name}: {packages.reinstall(culprit)}" if culprit else packages.rebuild()


def _stranger(text: str, context: Context) -> Path | None:
    """The file that raised, where it is neither the environment's nor its base interpreter's (a venv's library)."""
    frames = [match["file"] for match in _TRACEBACK_FILE.finditer(text)]
    if not frames or not frames[-1].startswith("/") or _MACHINERY.match(f'  File "{frames[-1]}"'):
        return None
    file = Path(frames[-1])
    homes = (context.prefix.path, context.python.resolve().parent.parent)
    return None if any(file.is_relative_to(home) for home in homes) else file


def known(text: str, context: Context, packages: Packages, *, survived: bool = False) -> Match | None:
    """The known error that a text shows, with files named by their packages and symbols demangled."""

    def describe(name: str, value: str) -> str:
        if name.startswith("symbol"):
            return shown(value.encode())
        if not name.startswith("file"):
            return value
        owner = packages.owner(Path(value))
        return f"{Path(value).name} ({owner.name} {owner.version})" if owner else Path(value).name

    return known_errors.match_text(
        text,
        is_osx=context.subdir.is_osx,
        values=_values(context, packages, _culprit(text, context, packages)),
        survived=survived,
        describe=describe,
    )


def _values(context: Context, packages: Packages, culprit: Owner | None) -> dict[str, str]:
    """What causes and remedies of known errors may name."""
    return {
        "prefix": str(context.prefix.path),
        "python": str(context.python),
        "install": f"uv pip install --python {context.python}",
        "uninstall": f"uv pip uninstall --python {context.python}",
        "rebuild": packages.rebuild(),
        "reinstall": packages.reinstall(culprit) if culprit else packages.rebuild(),
        "culprit": f"{culprit.name} {culprit.version}" if culprit else "a package",
        "numpy_fix": _numpy_fix(packages, culprit),
    }


def _numpy_fix(packages: Packages, culprit: Owner | None) -> str:
    """How a package and NumPy are made to fit: what the lock says of either, else a newer package or NumPy 1."""
    numpy = packages.module_owner("numpy")
    for owner in (numpy, culprit):
        if owner is not None and packages.locked_version(owner.name) not in (None, owner.version):
            return f"go back to what is locked: {packages.reinstall(owner)}"
    older = packages.install("numpy<2")
    if culprit is None or culprit.manager == "conda":
        return f"go back to NumPy 1: {older}"
    return f"upgrade it: {packages.install('--upgrade', culprit.name)}\nor go back to NumPy 1: {older}"


def _culprit(text: str, context: Context, packages: Packages) -> Owner | None:
    """The package whose file the text points at: a library it names, else the innermost frame in a package."""
    named = [Path(match["file"]) for match in _NAMED_LIBRARY.finditer(text)]
    frames = [Path(match["file"]) for match in _TRACEBACK_FILE.finditer(text)]
    # faulthandler prints the innermost frame first, a traceback prints it last.
    innermost_first = frames if "most recent call first" in text else frames[::-1]
    for file in (*named, *innermost_first):
        if file.is_relative_to(context.prefix.path) and (owner := packages.owner(file)):
            return owner
    return None


def _tail(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip() and not _MACHINERY.match(line)]
    if len(lines) > _LINES and "most recent call first" in text:
        start = next(index for index, line in enumerate(lines) if "most recent call first" in line)
        return lines[max(0, start - 2) : start + _LINES]
    return lines[-_LINES:]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
