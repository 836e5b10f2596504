"""One library from two packages in one process, beyond BLAS and OpenMP, and Objective-C classes defined twice.

Wheels bring their own copies. Most never meet: on a Mac each binary is bound to the copy it was linked with, on Linux
the copies have names of their own. What meets all the same is global to the process: Objective-C classes, Qt's
application.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final

from builder.checks.check import Check, Needs
from builder.checks.copies import Loaded, loaded_copies
from builder.checks.runtimes import Runtime
from builder.errors import BinaryError
from builder.finding import Finding, Remedy, Status
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

_NONE: Final = "No binaries to check"


@dataclass(frozen=True, kw_only=True)
class Family:
    """A library, by the file that stands for it. `meets`: what happens when two copies are in one process, wherever
    they come from; None where they only meet if one import brings both.
    """

    runtime: Runtime
    meets: str | None = None


def _family(key: str, name: str, files: str, *, meets: str | None = None) -> Family:
    return Family(runtime=Runtime(key=key, name=name, files=re.compile(files)), meets=meets)


_FAMILIES: Final = (
    _family(
        "qt",
        "Qt",
        r"/qtcore\.framework/(versions/[^/]+/)?qtcore$|/libqt[456]core[^/]*$",
        # qtbase's own message, from QCoreApplicationPrivate and QObject::moveToThread.
        meets="You might be loading two sets of Qt binaries into the same process: windows stay empty, or it aborts.",
    ),
    _family("ffmpeg", "FFmpeg", r"/libavutil[.-][^/]*$"),
    _family("openssl", "OpenSSL", r"/libcrypto[.-][^/]*$"),
    _family("protobuf", "protobuf", r"/libprotobuf[.-][^/]*$"),
    _family("hdf5", "HDF5", r"/libhdf5[.-][^/]*$"),
    _family("gdal", "GDAL", r"/libgdal[.-][^/]*$"),
    _family("proj", "PROJ", r"/libproj[.-][^/]*$"),
    _family("libc++", "libc++", r"/libc\+\+[.-][^/]*$"),
)


def _two_copies(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not (survey.inventory.binaries if survey.is_mac else survey.elf.binaries):
        yield Finding(check="link.two-copies", status=Status.SKIP, title=_NONE)
        return
    told: list[str] = []
    hazards = 0
    for family in _FAMILIES:
        loaded = loaded_copies(survey, (family.runtime,))
        if len({copy.identity for copy in loaded.copies}) < 2:
            continue
        hazard = _hazard(family, loaded)
        if hazard is not None:
            hazards += 1
            yield hazard
        else:
            told += [f"{family.runtime.name}: {copy.line}" for copy in loaded.copies]
    if not hazards:
        yield Finding(
            check="link.two-copies",
            status=Status.PASS,
            title=f"No library of {listing([family.runtime.name for family in _FAMILIES], most=9)} meets another copy",
            evidence=listed(["each copy is private to the package that brought it:", *told] if told else []),
        )


def _hazard(family: Family, loaded: Loaded) -> Finding | None:
    users = sorted({user for copy in loaded.copies for user in copy.users})
    if loaded.together is None and (family.meets is None or len(users) < 2):
        return None
    lines = [copy.line for copy in loaded.copies]
    if loaded.together is not None:
        lines.append(f"both in one process as soon as this is imported: {loaded.together}")
    lines.append(family.meets or "What one copy makes (a handle, a message, an error) the other does not know.")
    return Finding(
        check="link.two-copies",
        status=Status.WARN,
        title=f"{len(loaded.copies)} copies of {family.runtime.name} can meet in one process: {listing(users)}",
        evidence=tuple(lines),
        remedy=Remedy(
            f"Import only one of {listing(users)} in a process, or take them from conda-forge, "
            "where they share one library."
        ),
        about=frozenset(copy.rel for copy in loaded.copies),
    )


def _classes(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not survey.is_mac:
        return
    if not survey.inventory.binaries:
        yield Finding(check="link.objc-classes", status=Status.SKIP, title=_NONE)
        return
    defined = _defined(survey)
    pairs: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    for name, rels in defined.items():
        for one, other in combinations(rels, 2):
            packages = (survey.packages.described(one), survey.packages.described(other))
            if survey.packages.owner(one) != survey.packages.owner(other):
                pairs.setdefault(packages, {}).setdefault(name, (one, other))
    for packages, names in pairs.items():
        yield _shared(packages, names)
    if not pairs:
        yield Finding(
            check="link.objc-classes",
            status=Status.PASS,
            title=f"No two packages define one Objective-C class ({len(defined):,} looked at)",
        )


def _shared(packages: tuple[str, str], names: dict[str, tuple[str, str]]) -> Finding:
    """One finding for two packages: `names`, each with the two files that define it."""
    first, (one, other) = next(iter(names.items()))
    short = listing([package.partition(" ")[0] for package in packages])
    return Finding(
        check="link.objc-classes",
        status=Status.WARN,
        title=f"{listing(packages)} both define {plural(len(names), 'Objective-C class', 'Objective-C classes')}",
        evidence=(
            f"objc: Class {first} is implemented in both {one} and {other}. One of the two will be used.",
            *listed([f"also {name}: {files[0]} and {files[1]}" for name, files in list(names.items())[1:]], most=6),
            "A process that imports both runs one copy's code on the other's data: strange errors, or a crash.",
        ),
        remedy=Remedy(
            f"Import only one of {short} in a process, or take both from conda-forge, where they share one library."
        ),
        about=frozenset(rel for files in names.values() for rel in files),
    )


def _defined(survey: Survey) -> dict[str, list[str]]:
    """Class → the libraries and modules that define it; programs are processes of their own."""
    found: dict[str, list[str]] = {}
    for binary in survey.inventory.binaries:
        if not binary.serves or binary.is_program or binary.rel in survey.reach.never:
            continue
        try:
            names = binary.objc_classes
        except (BinaryError, OSError):
            continue
        for name in names:
            found.setdefault(name.decode(errors="replace"), []).append(binary.rel)
    return found


CHECKS: Final = (
    Check(
        id="link.two-copies",
        area="linking",
        needs=Needs.FILES,
        catches="Two copies of Qt, FFmpeg, OpenSSL, protobuf, HDF5, GDAL, PROJ or libc++ that meet in one process.",
        otherwise="You might be loading two sets of Qt binaries into the same process … Aborted.",
        run=_two_copies,
    ),
    Check(
        id="link.objc-classes",
        area="linking",
        needs=Needs.FILES,
        catches="Objective-C classes that two packages define, of which a process uses either.",
        otherwise="objc[123]: Class AVFFrameReceiver is implemented in both … and …. Which one is undefined.",
        run=_classes,
    ),
)
