"""Class C: everything is where it should be, and made for another processor."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from builder.doctor.claims import condarc
from builder.doctor.model import Diagnosis, Ide, Interpreter, Kind, Level, Place, Presence
from builder.doctor.reinstall import commands
from builder.doctor.rules.running import choose, hands_off, subject_of
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.case import Case
    from builder.doctor.claims.shells import Setting
    from builder.doctor.model import Claim
    from builder.doctor.survey import CondaRoot


def diagnose(case: Case) -> Iterator[Diagnosis]:
    """Only for a Mac whose processor is known to be Apple's: an Intel Mac is right with x86_64."""
    yield from _mixed(case)
    yield from _alien(case)
    if not case.around.machine.apple_silicon:
        return
    yield from _intel_environments(case)
    yield from _translated_programs(case)
    yield from _intel_conda(case)
    yield from _translated_shell(case)


def _judged(case: Case) -> Iterator[tuple[Interpreter, Claim | None]]:
    """The environment that is meant and those that decisive claims lead to, once each."""
    seen: set[str] = set()
    candidates: list[tuple[Interpreter, Claim | None]] = [
        (claim.interpreter, claim) for claim in case.claims if claim.decisive and claim.interpreter is not None
    ]
    meant = case.meant
    if meant is not None and (meant.explicit or not any(case.same(one, meant.interpreter) for one, _ in candidates)):
        candidates.insert(0, (meant.interpreter, None))
    for interpreter, claim in candidates:
        key = str(interpreter.prefix or interpreter.path)
        if key not in seen and interpreter.presence is Presence.PRESENT:
            seen.add(key)
            yield interpreter, claim


# -- environments ------------------------------------------------------------------------------------------------


def _intel_environments(case: Case) -> Iterator[Diagnosis]:
    for interpreter, claim in _judged(case):
        if interpreter.arch != "x86_64" or not case.has(interpreter) or interpreter.prefix is None:
            continue
        if (
            claim is not None
            and claim.ide is Ide.JUPYTER
            and claim.what.startswith("kernel ")
            and " of " not in claim.what
        ):
            continue
        native = _native(case)
        who = f"{subject_of(claim)} runs" if claim is not None else (case.meant.phrase if case.meant else "")
        against = (
            f"; {case.described(native)} is native"
            if native is not None
            else f"; this Mac's processor is {case.around.machine.hardware}"
        )
        places, evidence = _why_intel(case, interpreter)
        owner = case.around.survey.owner(interpreter.prefix)
        name = interpreter.prefix.name
        yield Diagnosis(
            check="env.subdir",
            klass="C",
            sentence=f"{who} {case.described(interpreter)}, an Intel build that Apple silicon runs translated{against}",
            decided_by=(*(claim.decided_by if claim is not None else ()), *places),
            remedy=choose(case, claim)
            if claim is not None and native is not None
            else Remedy(
                say="make the environment again for this processor, and choose it in the IDE",
                commands=(
                    f"CONDA_SUBDIR=osx-arm64 conda create -n {name}-arm64 python={_series(interpreter)} {case.wanted}",
                ),
            ),
            why_not_automatic=hands_off(claim) if native is not None else None,
            evidence=evidence,
            # An Intel conda is the cause of all its environments.
            subject=str(owner.prefix if owner is not None and owner.arch == "x86_64" else interpreter.prefix),
        )


def _native(case: Case) -> Interpreter | None:
    """An arm64 environment that has what is wanted; None where there is none."""
    meant = case.meant.interpreter if case.meant is not None else None
    candidates = [env for env in (meant, *case.around.survey.environments) if env is not None]
    return next((env for env in candidates if "arm64" in env.slices and case.has(env)), None)


def _series(interpreter: Interpreter) -> str:
    found = re.match(r"\d+\.\d+", interpreter.version or "")
    return found[0] if found else "3.11"


def _why_intel(case: Case, interpreter: Interpreter) -> tuple[tuple[Place, ...], tuple[str, ...]]:
    """What made it so: its own record, a variable, a condarc, or an Intel conda."""
    places: list[Place] = []
    lines: list[str] = []
    prefix = interpreter.prefix
    if prefix is not None and interpreter.subdir is not None:
        lines.append(f"conda's record of its Python says {interpreter.subdir}")
    for setting_place, text in subdir_settings(case, prefix):
        places.append(setting_place)
        lines.append(text)
    owner = case.around.survey.owner(prefix) if prefix is not None else None
    if owner is not None and owner.arch == "x86_64":
        lines.append(f"its conda, {case.show(owner.prefix)}, is an Intel installation")
    if not places and prefix is not None and interpreter.kind is Kind.CONDA:
        places.append(Place(file=prefix / "conda-meta", key="subdir"))
    return tuple(places), tuple(lines)


def subdir_settings(case: Case, prefix: Path | None) -> Iterator[tuple[Place, str]]:
    """Where `osx-64` is asked for: the condarc that wins, what activation sets, then the variable."""
    disk, environ = case.around.disk, case.around.machine.environ
    roots = [root.prefix for root in case.around.survey.condas]
    line = condarc.effective(disk, condarc.files(disk, environ, roots=roots, prefix=prefix), "subdir", "platform")
    if line is not None and line.value == "osx-64":
        yield line.place, f"{case.show(line.place.file)}:{line.place.line} says {line.key}: {line.value}"
    state = prefix / "conda-meta" / "state" if prefix is not None else None
    document = case.around.json(state) if state is not None else None
    stored = document.get("env_vars") if document is not None else None
    if state is not None and isinstance(stored, dict) and stored.get("CONDA_SUBDIR") == "osx-64":
        place = Place(file=state, line=document.line("CONDA_SUBDIR") if document is not None else None)
        yield place, f"{case.show(state)} sets CONDA_SUBDIR=osx-64 when it is activated"
    setting = case.shell.variables.get("CONDA_SUBDIR")
    if setting is not None and setting.value == "osx-64":
        yield setting.place, f"{case.show(setting.place.file)}:{setting.place.line} sets CONDA_SUBDIR=osx-64"
    elif case.around.machine.environ.get("CONDA_SUBDIR") == "osx-64":
        yield Place(file=disk.home, key="CONDA_SUBDIR"), "the shell has CONDA_SUBDIR=osx-64"


def _mixed(case: Case) -> Iterator[Diagnosis]:
    for interpreter, _ in _judged(case):
        if not interpreter.mixed or interpreter.prefix is None:
            continue
        settings = list(subdir_settings(case, interpreter.prefix))
        yield Diagnosis(
            check="env.subdir",
            klass="C",
            sentence=f"{case.show(interpreter.prefix)} mixes platforms: its Python is {interpreter.subdir}, "
            f"{interpreter.mixed[0]} is not",
            decided_by=tuple(place for place, _ in settings) or (Place(file=interpreter.prefix / "conda-meta"),),
            remedy=Remedy(
                say="remove what sets the platform, then reinstall those packages",
                commands=commands(case.around.disk, interpreter, (package.split()[0] for package in interpreter.mixed)),
            ),
            evidence=(*interpreter.mixed, *(text for _, text in settings)),
            subject=str(interpreter.prefix),
        )


def _alien(case: Case) -> Iterator[Diagnosis]:
    """Binaries that the environment's own Python cannot load."""
    for interpreter, _ in _judged(case):
        if not interpreter.alien or interpreter.prefix is None:
            continue
        names = list(dict.fromkeys(name for name, _ in interpreter.alien))
        shown = [f"{name} {interpreter.packages.get(name, '')}: {what}" for name, what in interpreter.alien]
        rest = f" (and {len(shown) - 1} more)" if len(shown) > 1 else ""
        yield Diagnosis(
            check="env.subdir",
            klass="C",
            sentence=f"{case.show(interpreter.prefix)} has binaries that its Python ({interpreter.arch}) cannot load: "
            f"{shown[0]}{rest}",
            decided_by=(Place(file=interpreter.prefix),),
            remedy=Remedy(
                say="install those packages again, with this Python",
                commands=commands(case.around.disk, interpreter, names),
            ),
            evidence=tuple(shown[:10]),
            subject=str(interpreter.prefix),
        )


# -- programs ----------------------------------------------------------------------------------------------------


def _translated_programs(case: Case) -> Iterator[Diagnosis]:
    """A program that runs as x86_64: what it starts runs so too, if it can."""
    seen: set[str] = set()
    for claim in case.claims:
        interpreter = claim.interpreter
        if claim.app_arch != "x86_64" or interpreter is None or claim.who in seen:
            continue
        if "arm64" not in interpreter.slices or interpreter.presence is not Presence.PRESENT:
            continue
        seen.add(claim.who)
        both = len(interpreter.slices) > 1
        effect = "so it runs as x86_64 there" if both else "so its terminals and helpers are x86_64, and that is arm64"
        yield Diagnosis(
            check="ide.translated",
            klass="C",
            sentence=f"{claim.who} runs as x86_64 under Rosetta ({claim.app_why}) and starts "
            f"{case.described(interpreter)}, {effect}",
            decided_by=(*((claim.app_place,) if claim.app_place is not None else ()), *claim.decided_by),
            remedy=Remedy(say=_untranslate(claim)),
            evidence=(claim.app_why or "",),
            subject=f"app {claim.who}",
        )


def _untranslate(claim: Claim) -> str:
    if claim.app_why and "Open using Rosetta" in claim.app_why:
        return f"quit {claim.who}; Finder ▸ Applications ▸ its icon ▸ Get Info ▸ untick “Open using Rosetta”"
    if claim.app_why and "terminal profile" in claim.app_why:
        return "choose another profile in terminal.integrated.defaultProfile.osx, and open a new terminal"
    return f"replace {claim.who} by its build for Apple silicon (universal or arm64), from the maker's download page"


# -- conda and the shell -----------------------------------------------------------------------------------------


def _intel_conda(case: Case) -> Iterator[Diagnosis]:
    """A new shell gets an Intel conda: whatever it makes is an Intel environment."""
    setting = case.shell.conda
    if setting is None:
        return
    root = next((root for root in case.around.survey.condas if root.prefix == Path(setting.value)), None)
    if root is None or root.arch != "x86_64":
        return
    better = next((other for other in case.around.survey.condas if other.arch == "arm64"), None)
    # Who works in a native environment already, or asks about one IDE, is not stopped by it.
    active = case.terminal
    working = active is not None and "arm64" in active.slices
    level = Level.NOTE if working or setting.conditional or case.around.asked is not None else Level.PROBLEM
    if level is Level.PROBLEM and case.meant is None and better is None and not _any_wanted(case):
        level = Level.NOTE
    yield Diagnosis(
        check="conda.arch",
        klass="C" if level is Level.PROBLEM else "F",
        level=level,
        sentence=_intel_sentence(case, root, better),
        decided_by=(setting.place,),
        remedy=_native_conda(case, setting, better),
        evidence=tuple(
            f"{case.show(conda.place.file)}:{conda.place.line} initialises {case.show(conda.value)}"
            for conda in case.shell.condas
        ),
        subject=str(root.prefix),
    )


def _any_wanted(case: Case) -> bool:
    return any(case.has(env) for env in case.around.survey.environments)


def _intel_sentence(case: Case, root: CondaRoot, better: CondaRoot | None) -> str:
    against = (
        f"{case.show(better.prefix)} is native (arm64)"
        if better is not None
        else f"this Mac's processor is {case.around.machine.hardware}"
    )
    return f"a new shell gets the Intel conda of {case.show(root.prefix)} (x86_64); {against}"


def _native_conda(case: Case, setting: Setting, better: CondaRoot | None) -> Remedy:
    place = f"{case.show(setting.place.file)}:{setting.place.line}"
    if better is not None and better.executable is not None:
        return Remedy(
            say=f"remove conda's block at {place}, and initialise the native one instead",
            commands=(f"{better.executable} init {case.shell.name}",),
        )
    return Remedy(say=f"install Miniforge for macOS arm64, and remove conda's block at {place}")


def _translated_shell(case: Case) -> Iterator[Diagnosis]:
    machine = case.around.machine
    if not machine.translated:
        return
    meant = case.meant.interpreter if case.meant is not None else None
    universal = meant is not None and len(meant.slices) > 1
    thin = meant is not None and meant.slices == ("arm64",)
    # An IDE of the desktop is not started from the terminal; a Jupyter server or Spyder often is.
    desktop = case.around.asked is not None and not case.around.asked & {Ide.JUPYTER, Ide.SPYDER}
    level = Level.NOTE if thin or desktop else Level.PROBLEM
    what = f"; it starts {case.described(meant)}" if meant is not None else ""
    yield Diagnosis(
        check="machine.translated",
        klass="C" if level is Level.PROBLEM else "F",
        level=level,
        sentence="this terminal runs as x86_64 under Rosetta, on an Apple-silicon Mac"
        + what
        + (" as x86_64 too" if universal else ""),
        remedy=Remedy(
            say="Finder ▸ Applications ▸ Utilities ▸ Terminal ▸ Get Info ▸ untick “Open using Rosetta”; open a new one"
        ),
        subject="terminal",
    )
