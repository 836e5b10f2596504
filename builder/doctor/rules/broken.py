"""Class D: the environment itself. Damage that its records show at once; `verify` finds the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.doctor.model import Diagnosis, Interpreter, Kind, Place, Presence
from builder.doctor.reinstall import commands
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.doctor.case import Case


def examined(case: Case) -> list[Interpreter]:
    """The environments that are judged: the one that is meant, those of decisive claims, and the terminal's."""
    found: list[Interpreter] = []
    candidates = [case.meant.interpreter] if case.meant is not None else []
    candidates += [claim.interpreter for claim in case.claims if claim.decisive and claim.interpreter is not None]
    if case.terminal is not None:
        candidates.append(case.terminal)
    for interpreter in candidates:
        if interpreter.prefix is not None and not any(case.same(interpreter, other) for other in found):
            found.append(interpreter)
    return found


def diagnose(case: Case) -> Iterator[Diagnosis]:
    for interpreter in examined(case):
        prefix = interpreter.prefix
        if prefix is None or not (interpreter.missing or interpreter.presence is Presence.GONE):
            continue
        gone = interpreter.presence is Presence.GONE
        asked = case.meant is not None and case.same(interpreter, case.meant.interpreter)
        if not gone and not asked and not case.has(interpreter):
            continue
        if gone and interpreter.broken_link is not None:
            what = f"its python is a link to {case.show(interpreter.broken_link)}, which is gone"
        elif gone:
            what = "its bin/python is gone, and other files are still there (half-deleted)"
        else:
            count = len(interpreter.missing)
            rest = f" and {count - 1} more" if count > 1 else ""
            what = f"{interpreter.missing[0]}{rest}, which its packages recorded, {'are' if rest else 'is'} gone"
        yield Diagnosis(
            check="env.half-deleted",
            klass="D",
            sentence=f"{case.show(prefix)} is broken: {what}",
            decided_by=(Place(file=interpreter.path if gone else prefix / interpreter.missing[0]),),
            remedy=_remedy(case, interpreter, gone=gone),
            evidence=tuple(f"gone: {name}" for name in interpreter.missing[:10]),
            subject=str(prefix),
        )


def _remedy(case: Case, interpreter: Interpreter, *, gone: bool) -> Remedy:
    prefix = interpreter.prefix
    if gone and interpreter.kind is Kind.CONDA and prefix is not None:
        return _rebuild(prefix)
    if gone:
        return Remedy(
            say="make the virtual environment again with a Python that exists, and install its packages",
            commands=(f"python3 -m venv --clear {prefix}",),
        )
    return Remedy(
        say="install the damaged packages again, in the versions that are there",
        commands=commands(case.around.disk, interpreter, interpreter.damaged),
    )


def _rebuild(prefix: Path) -> Remedy:
    from builder.checks.remedy import Repair
    from builder.environment.environment import Environment

    return Repair(Environment(prefix)).rebuild(why="Without its interpreter nothing in it can be mended.")
