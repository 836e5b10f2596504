"""Architecture: is everything in the environment for the machine it is meant for?"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from builder.binaries.elf import usual_machine
from builder.checks.check import Check, Needs
from builder.checks.tags import tags_of
from builder.environment.ownership import Owner
from builder.finding import Finding, Remedy, Status
from builder.platforms import Subdir
from builder.probes.level import Level
from builder.wheels import WheelTarget, recorded_tags, why_unfit
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.inventory import Unreadable
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

#: A file that names an Intel architecture is one of a set: the package picks the one that fits (debugpy, playwright).
_NAMES_AN_ARCH: Final = re.compile(r"(^|[/_.-])(x86_64|x86-64|amd64|x64|i386|i686|intel)([/_.-]|$)", re.IGNORECASE)
_NONE: Final = "No binaries to check"


def _binaries(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    unreadable = [f"{item.rel}: {item.reason}" for item in _unreadable(survey)]
    if unreadable:
        rels = [item.rel for item in _unreadable(survey)]
        yield Finding(
            check="arch.binary",
            status=Status.FAIL,
            title=f"{plural(len(unreadable), 'binary', 'binaries')} cannot be read",
            evidence=listed(unreadable),
            remedy=subject.repair.restore(map(survey.packages.package, rels)),
            about=_about(survey, rels),
        )
    never = survey.reach.never
    every = list(_strange_on_mac(survey) if survey.is_mac else _strange_on_linux(survey))
    strange = [(rel, line) for rel, line in every if rel not in never]
    if strange:
        rels = [rel for rel, _ in strange]
        packages = sorted({survey.packages.described(rel) for rel in rels})
        yield Finding(
            check="arch.binary",
            status=Status.FAIL,
            title=f"{plural(len(rels), 'binary', 'binaries')} of {listing(packages)} cannot run on "
            f"{survey.arch if survey.is_mac else f'Linux {survey.elf_machine}'}",
            evidence=listed([line for _, line in strange]),
            remedy=subject.repair.restore(map(survey.packages.package, rels)),
            about=_about(survey, rels),
        )
    if unreadable or strange:
        return
    count = len(survey.inventory.binaries if survey.is_mac else survey.elf.binaries)
    if not count:
        yield Finding(check="arch.binary", status=Status.SKIP, title=_NONE)
        return
    chosen = [binary for binary in survey.inventory.binaries if not binary.serves] if survey.is_mac else []
    yield Finding(
        check="arch.binary",
        status=Status.PASS,
        title=f"All {plural(count - len(chosen), 'binary', 'binaries')} have code for "
        f"{survey.arch if survey.is_mac else f'Linux {survey.elf_machine}'}",
        evidence=(
            f"{plural(survey.inventory.files, 'file')} looked at",
            *listed(
                [
                    f"left out, {never.get(binary.rel, 'one of a set by name')}: {binary.rel} "
                    f"({'/'.join(binary.archs)})"
                    for binary in chosen
                ],
                most=5,
            ),
        ),
    )


def _unreadable(survey: Survey) -> list[Unreadable]:
    return [*survey.inventory.unreadable, *(() if survey.is_mac else survey.elf.unreadable)]


def _about(survey: Survey, rels: list[str]) -> frozenset[str]:
    return frozenset((*rels, *map(survey.packages.owner, rels)))


def _strange_on_mac(survey: Survey) -> Iterator[tuple[str, str]]:
    """(path, line) of each binary that cannot serve, except one of a set of which another one serves."""
    owner = survey.packages.owner
    served = {owner(binary.rel) for binary in survey.inventory.binaries if binary.serves}
    for binary in survey.inventory.binaries:
        if not binary.serves and not (_NAMES_AN_ARCH.search(binary.rel) and owner(binary.rel) in served):
            yield (
                binary.rel,
                f"{binary.rel} ({survey.packages.described(binary.rel)}): have '{','.join(binary.archs)}', "
                f"need '{survey.arch}'",
            )
    # ELF files beside code for macOS are data (PyInstaller carries loaders for other systems); alone they are the code.
    for rel in survey.inventory.elf:
        if ".so" in rel and owner(rel) not in served:
            yield rel, f"{rel} ({survey.packages.described(rel)}): a Linux binary"


def _strange_on_linux(survey: Survey) -> Iterator[tuple[str, str]]:
    machine = survey.elf_machine
    served = {survey.packages.owner(binary.rel) for binary in survey.elf.binaries if binary.machine == machine}
    for binary in survey.elf.binaries:
        if binary.machine != machine:
            described = survey.packages.described(binary.rel)
            yield binary.rel, f"{binary.rel} ({described}): have '{binary.machine}', need '{machine}'"
    for mach_o in survey.inventory.binaries:
        if survey.packages.owner(mach_o.rel) not in served:
            yield mach_o.rel, f"{mach_o.rel}: a macOS binary ({'/'.join(mach_o.archs)})"


def _interpreter(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if survey.environment.python is None:
        yield Finding(check="arch.interpreter", status=Status.SKIP, title="There is no Python interpreter here")
        return
    if not survey.is_mac:
        yield _elf_interpreter(subject)
        return
    found = survey.interpreter
    if found is None:
        yield Finding(
            check="arch.interpreter",
            status=Status.SKIP,
            title=f"{survey.environment.python.name} is not a Mach-O program",
        )
    elif not found.serves:
        yield Finding(
            check="arch.interpreter",
            status=Status.FAIL,
            title=f"The interpreter is built for {' and '.join(found.archs)}, not for {survey.arch}",
            evidence=(f"{found.rel}: {', '.join(found.archs)}",),
            remedy=subject.repair.rebuild(),
            about=frozenset((found.rel,)),
        )
    else:
        yield Finding(
            check="arch.interpreter",
            status=Status.PASS,
            title=f"The interpreter has code for {survey.arch}",
            evidence=(f"{found.rel}: {', '.join(found.archs)}",),
        )


def _elf_interpreter(subject: Subject) -> Finding:
    """A virtual environment's interpreter is a link to that of another installation, which is read there."""
    program = subject.survey.elf_program
    folder, name = os.path.split(program.path if program else os.path.realpath(subject.environment.python or ""))
    machine = program.machine if program is not None else usual_machine(folder, (name,))
    if machine is None:
        return Finding(
            check="arch.interpreter",
            status=Status.SKIP,
            title="The interpreter is not an ELF program",
            evidence=(f"{folder}/{name}",),
        )
    fits = machine == subject.survey.elf_machine
    rel = program.rel if program is not None else f"{folder}/{name}".removeprefix(f"{subject.environment.path}/")
    return Finding(
        check="arch.interpreter",
        status=Status.PASS if fits else Status.FAIL,
        title=f"The interpreter is built for {machine}" + ("" if fits else f", not for {subject.survey.elf_machine}"),
        evidence=(rel,),
        remedy=None if fits else subject.repair.rebuild(),
        about=frozenset((rel,)),
    )


def _universal(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not survey.is_mac:
        return
    found = survey.interpreter
    if found is None:
        yield Finding(check="arch.universal", status=Status.SKIP, title="There is no Mach-O interpreter here")
        return
    shown = f"{found.rel}: {', '.join(found.archs)}"
    if len(found.archs) > 1:
        yield Finding(
            check="arch.universal",
            status=Status.WARN,
            title="The interpreter is universal: it runs as x86_64 when the program that starts it does",
            evidence=(shown, "A Rosetta terminal or IDE then loads x86_64 code, which arm64-only packages lack."),
            remedy=Remedy("Use a single-architecture Python, or start it with `arch -arm64 python`."),
        )
    else:
        yield Finding(
            check="arch.universal",
            status=Status.PASS,
            title="The interpreter has one architecture, whatever starts it",
            evidence=(shown,),
        )


def _packages(subject: Subject) -> Iterator[Finding]:
    survey, environment = subject.survey, subject.environment
    counted = len(environment.conda_records) + len(environment.distributions)
    if not counted:
        yield Finding(
            check="arch.packages", status=Status.SKIP, title="There is no package metadata (conda-meta, dist-info) here"
        )
        return
    subdir = environment.subdir or survey.usual_subdir
    allowed = {subdir.value, Subdir.NOARCH.value} if subdir is not None else set()
    strange = [record for record in environment.conda_records if allowed and record.subdir not in allowed]
    lines = [f"conda package {record.name} {record.version} is for {record.subdir}" for record in strange]
    owners = [Owner(name=record.name, version=record.version, manager="conda") for record in strange]
    version = survey.python_version
    # A few wheels say macosx_…_x86_64 and hold arm64 code (tensorflow-macos 2.12.0): the code counts.
    lacking = {
        survey.packages.owner(binary.rel)
        for binary in survey.inventory.binaries
        if not binary.serves and binary.rel not in survey.reach.never
    }
    proven = {survey.packages.owner(binary.rel) for binary in survey.inventory.binaries if binary.serves} - lacking
    for dist in environment.distributions:
        tags = tags_of(dist)
        known = recorded_tags(tags)
        target = WheelTarget(
            subdir=None if dist.name in proven or subdir is Subdir.NOARCH else subdir,
            python=survey.python_minor,
            free_threaded=None,
        )
        reason = why_unfit(known, target) if known else None
        if reason is not None:
            lines.append(f"wheel {dist.name} {dist.version} ({', '.join(tags[:3])}) {reason}")
            owners.append(survey.packages.owner_of_distribution(dist))
    if lines:
        yield Finding(
            check="arch.packages",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'package is', 'packages are')} for another platform or Python",
            evidence=listed(lines),
            remedy=subject.repair.restore(owners),
            about=frozenset(owner.name for owner in owners),
        )
        return
    for_what = subdir.value if subdir is not None else "one platform"
    python = f" and Python {version[0]}.{version[1]}" if version else ""
    yield Finding(
        check="arch.packages",
        status=Status.PASS,
        title=f"All packages are for {for_what}{python}",
        evidence=(
            f"{plural(len(environment.conda_records), 'conda package')}, "
            f"{plural(len(environment.distributions), 'Python distribution')}",
        ),
    )


CHECKS: Final = (
    Check(
        id="arch.binary",
        area="architecture",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="Programs, libraries and extension modules without code for the target's processor, and damaged ones.",
        otherwise="ImportError: … (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))",
        run=_binaries,
    ),
    Check(
        id="arch.interpreter",
        area="architecture",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="A Python interpreter for another processor than the target's.",
        otherwise="No error with Rosetta, only slow; and `No matching distribution found` for arm64 wheels.",
        run=_interpreter,
    ),
    Check(
        id="arch.universal",
        area="architecture",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="A universal interpreter: it runs as x86_64 where its parent process does (a Rosetta terminal or IDE).",
        otherwise="ImportError: … incompatible architecture (have 'arm64', need 'x86_64'), in one application only.",
        run=_universal,
    ),
    Check(
        id="arch.packages",
        area="architecture",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="conda packages of another subdir, and wheels whose tags are for another platform or Python.",
        otherwise="ModuleNotFoundError for a package that pip lists, or an incompatible architecture on import.",
        run=_packages,
    ),
)
