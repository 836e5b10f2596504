"""`verify` for the environment that is meant: what its own files, and with leave its own Python, say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.doctor import headers
from builder.doctor.model import Diagnosis, Interpreter, Kind, Place, Presence
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from builder.doctor.case import Case
    from builder.finding import Finding


#: Areas of `verify` that look at what the doctor's rules of class E look at: the user's own settings.
_SETTINGS: Final = ("process.", "keras.", "user.")
#: What tells one such cause from another: the variable, or the file.
_TELLING: Final = re.compile(r"\b[A-Z][A-Z_]{3,}\b|[\w-]+\.(?:json|py)\b")


def diagnose(case: Case, *, told: Sequence[Diagnosis], static: bool, thorough: bool) -> Iterator[Diagnosis]:
    """The first failure of `verify` is a diagnosis, the others its evidence: one broken environment is one cause.

    What `told` say already is left out. `thorough` reads every file; else only what takes a moment. Nothing is yielded,
    and a skip is noted, where there is no environment whose binaries can be judged.
    """
    meant = case.meant
    if meant is None or meant.interpreter.prefix is None or meant.interpreter.presence is not Presence.PRESENT:
        return
    prefix = meant.interpreter.prefix
    if meant.interpreter.outline:
        case.around.disk.skip(prefix, "only the outline of an environment: its binaries were not judged")
        return
    foreign = case.around.machine.foreign
    if foreign and not meant.interpreter.path.exists():
        case.around.disk.skip(
            prefix, "its Python is a link into the other machine's home: its binaries were not judged"
        )
        return
    failed = _verified(
        meant.interpreter,
        is_mac=case.around.machine.is_mac,
        quick=not thorough,
        run=not static and not foreign,
        environ=case.around.machine.environ,
        home=case.around.disk.home,
        cwd=case.around.project or case.around.disk.home,
    )
    failed = [finding for finding in failed if not any(_is_told(finding, one) for one in told)]
    if not failed:
        return
    first, *others = failed
    yield Diagnosis(
        check=first.check,
        klass="E" if first.check.startswith(_SETTINGS) else "D",
        sentence=f"{case.show(prefix)}: {first.title.rstrip('.')}{_which(first)}",
        decided_by=(Place(file=prefix),),
        remedy=first.remedy
        or Remedy(say="look at everything that is wrong with it", commands=(f"envbuild verify {prefix}",)),
        evidence=(*first.evidence[:8], *(f"{finding.check}: {finding.title}" for finding in others[:10])),
        subject=str(prefix),
    )


def _is_told(finding: Finding, problem: Diagnosis) -> bool:
    """Whether both are about the same setting of the user's."""
    if problem.klass != "E" or not finding.check.startswith(_SETTINGS):
        return False
    names = _TELLING.findall(" ".join((finding.title, *finding.evidence[:1])))
    return any(name in problem.sentence for name in names)


def _which(finding: Finding) -> str:
    """The first of the facts behind a finding, where it is one short line: a count alone says nothing.

    Not where the title names the same file already.
    """
    first = finding.evidence[0] if finding.evidence else ""
    if not first or len(first) >= 140 or first.startswith((" ", "Traceback")):
        return ""
    paths = [word.rstrip(":,") for word in first.split() if "/" in word]
    return f" ({first})" if not any(path in finding.title for path in paths) else ""


def _verified(
    interpreter: Interpreter,
    *,
    is_mac: bool,
    quick: bool,
    run: bool,
    environ: Mapping[str, str],
    home: Path,
    cwd: Path,
) -> list[Finding]:
    """The failures of `verify` for an environment. `run` also starts its Python, as the user of `environ`, `home` and
    `cwd` would; `quick` reads less.

    A virtual environment has no record of its platform; it is judged for that of its interpreter.
    """
    from builder.checks.subject import User
    from builder.checks.verification import EVERYTHING, STATIC
    from builder.checks.verification import verified as verify
    from builder.environment.environment import Environment
    from builder.finding import Status
    from builder.probes.level import Level

    if interpreter.prefix is None:
        return []
    own = headers.platform(interpreter.arch, is_mac=is_mac)
    report = verify(
        Environment(interpreter.prefix, subdir=None if interpreter.kind is Kind.CONDA else own),
        host=own,
        user=User(environ=environ, home=home, cwd=cwd),
        level=Level.QUICK if quick else Level.DEFAULT,
        needs=EVERYTHING if run else STATIC,
    )
    return [finding for finding in report.findings if finding.status is Status.FAIL]
