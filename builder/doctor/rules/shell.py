"""Class A for the shell: what a new one activates, and what `conda activate NAME` takes in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from builder.doctor.model import Diagnosis
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.case import Case


def diagnose(case: Case) -> Iterator[Diagnosis]:
    yield from _same_name(case)
    yield from _activated(case)


def _activated(case: Case) -> Iterator[Diagnosis]:
    """A start-up file activates another environment. Not where an IDE or the terminal runs a right one already."""
    meant = case.meant.interpreter if case.meant is not None else None
    setting, conda = case.shell.activates, case.shell.conda
    if meant is None or case.meant is None or setting is None or setting.conditional or case.around.asked is not None:
        return
    if not case.has(meant) or (case.terminal is not None and case.same(case.terminal, meant)):
        return
    if setting.value == "base" or "$" in setting.value:
        return
    if any(claim.decisive and claim.interpreter is not None and case.has(claim.interpreter) for claim in case.claims):
        return
    if "/" in setting.value:
        prefix = case.around.disk.place(setting.value)
    elif conda is not None:
        prefix = Path(conda.value) / "envs" / setting.value
    else:
        return
    if not case.around.environments.is_environment(prefix) or case.around.disk.same(prefix, meant.prefix or prefix):
        return
    found = case.around.environments.of_prefix(prefix)
    if case.has(found):
        return
    yield Diagnosis(
        check="shell.conda",
        klass="A",
        sentence=f"a new shell activates {case.described(found)}; {case.meant.phrase} {case.described(meant)}",
        decided_by=(setting.place,),
        remedy=Remedy(say="activate the other environment there, or remove the line"),
        subject=str(prefix),
    )


def _same_name(case: Case) -> Iterator[Diagnosis]:
    """Only where nothing else is asked, and the shell does not run the right one already."""
    meant = case.meant.interpreter if case.meant is not None else None
    setting = case.shell.conda
    if meant is None or meant.prefix is None or setting is None or setting.conditional:
        return
    if case.around.asked is not None:
        return
    if not case.has(meant) or (case.terminal is not None and case.same(case.terminal, meant)):
        return
    name = meant.prefix.name
    other = Path(setting.value) / "envs" / name
    if case.around.disk.same(other, meant.prefix) or not case.around.environments.is_environment(other):
        return
    found = case.around.environments.of_prefix(other)
    if case.has(found):
        return
    place = f"{case.show(setting.place.file)}:{setting.place.line}"
    yield Diagnosis(
        check="shell.conda",
        klass="A",
        sentence=f"`conda activate {name}` in a new shell takes {case.described(found)}; "
        f"{case.wanted} is in the other {name}, {case.described(meant)}",
        decided_by=(setting.place,),
        remedy=Remedy(
            say=f"activate it by its path, or remove conda's block at {place}",
            commands=(f"conda activate {meant.prefix}",),
        ),
        evidence=tuple(
            f"{case.show(conda.place.file)}:{conda.place.line} initialises {case.show(conda.value)}"
            for conda in case.shell.condas
        ),
        subject=setting.value,
    )
