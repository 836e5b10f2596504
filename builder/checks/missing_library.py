"""Libraries that a program, an extension module or a plug-in links, and that the loader will not find."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.binaries.dyld import Place
from builder.checks.check import Check, Needs
from builder.checks.reach import optional_reason
from builder.finding import Finding, Remedy, Status
from builder.frameworks import registry
from builder.probes.level import Level
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.elf import ElfBinary
    from builder.binaries.inventory import Binary
    from builder.checks.subject import Subject
    from builder.checks.survey import MissingLibrary, Survey
    from builder.frameworks.model import Framework

_NONE: Final = "No binaries to check"
#: Where Homebrew has the files of a formula.
_HOMEBREW: Final = re.compile(r"/(?:opt/homebrew|usr/local)/(?:opt|Cellar)/(?P<formula>[^/]+)/")


def _run(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not (survey.inventory.binaries if survey.is_mac else survey.elf.binaries):
        yield Finding(check="link.missing-library", status=Status.SKIP, title=_NONE)
    elif survey.is_mac:
        yield from _mac_libraries(subject)
    else:
        yield from _linux_libraries(subject)


def _mac_libraries(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    harmless: list[str] = []
    grouped: dict[str, list[MissingLibrary]] = {}
    absent: dict[tuple[str, Framework], list[tuple[str, str]]] = {}
    for missing in survey.missing_libraries:
        framework = _absent_framework(subject, missing.resolution.name)
        why = _why_harmless(survey, missing, framework)
        if why is not None:
            harmless.append(f"{missing.image.rel} lacks {missing.resolution.name} ({why})")
        elif framework is not None:
            package = survey.packages.described(missing.image.rel)
            absent.setdefault((package, framework), []).append((missing.image.rel, missing.resolution.name))
        else:
            grouped.setdefault(missing.resolution.name, []).append(missing)
    for (package, framework), lacking in absent.items():
        yield _without_framework(subject, package, framework, lacking)
    for names in _of_same_packages(survey, grouped).values():
        yield _mac_library(subject, names, [grouped[name] for name in names])
    if not grouped and not absent:
        images = {path for process in survey.processes for path in process.images}
        system = {
            resolution.name
            for process in survey.processes
            for _, resolutions in process.images.values()
            for resolution in resolutions
            if resolution.place is Place.SYSTEM
        }
        yield Finding(
            check="link.missing-library",
            status=Status.PASS,
            title=f"Every library that {plural(len(images), 'binary', 'binaries')} link is there",
            evidence=(
                f"{plural(len(survey.processes), 'entry', 'entries')} resolved as dyld does",
                f"{len(system)} libraries of macOS taken as present: they live in its shared cache, not on disk",
                *listed([f"left out: {line}" for line in harmless], most=8),
            ),
        )


def _linux_libraries(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    tree = survey.elf
    harmless = [
        item
        for item in tree.missing
        if optional_reason(item.binary.rel) is not None or item.binary.rel in survey.reach.never
    ]
    grouped: dict[str, list[ElfBinary]] = {}
    absent: dict[tuple[str, Framework], list[tuple[str, str]]] = {}
    for item in tree.missing:
        if item in harmless:
            continue
        framework = _absent_framework(subject, item.name)
        if framework is not None:
            package = survey.packages.described(item.binary.rel)
            absent.setdefault((package, framework), []).append((item.binary.rel, item.name))
        else:
            grouped.setdefault(item.name, []).append(item.binary)
    for (package, framework), lacking in absent.items():
        yield _without_framework(subject, package, framework, lacking)
    for name, binaries in grouped.items():
        first = binaries[0]
        yield Finding(
            check="link.missing-library",
            status=Status.FAIL,
            title=f"{first.rel} needs {name}, which the environment does not provide",
            evidence=(
                f"{name}: cannot open shared object file: No such file or directory",
                f"Searched: {', '.join(first.search) or 'no RUNPATH'}",
                *listed([f"also needed by: {binary.rel}" for binary in binaries[1:]], most=5),
            ),
            remedy=_library_remedy(subject, name, first.rel),
            about=frozenset((first.rel, survey.packages.owner(first.rel))),
        )
    if not grouped and not absent:
        needed = sum(len(binary.needed) for binary in tree.binaries)
        yield Finding(
            check="link.missing-library",
            status=Status.PASS,
            title=f"Every library that {plural(len(tree.binaries), 'binary', 'binaries')} need is there",
            evidence=(
                f"{needed:,} NEEDED entries resolved; glibc and what manylinux leaves to the system taken as present",
                *listed([f"left out: {item.binary.rel} lacks {item.name}" for item in harmless], most=5),
            ),
        )


def _of_same_packages(survey: Survey, grouped: dict[str, list[MissingLibrary]]) -> dict[frozenset[str], list[str]]:
    """The missing libraries by the packages that need them: what one build lacks is one thing to mend."""
    found: dict[frozenset[str], list[str]] = {}
    for name, items in grouped.items():
        found.setdefault(frozenset(survey.packages.owner(item.image.rel) for item in items), []).append(name)
    return found


def _absent_framework(subject: Subject, library: str) -> Framework | None:
    """The framework that brings a library, where it is not installed at all."""
    framework = registry.bringing(library.rpartition("/")[2])
    if framework is None:
        return None
    conda = {record.name for record in subject.environment.conda_records}
    there = any(map(subject.environment.distribution, framework.distributions)) or framework.conda in conda
    return None if there else framework


def _without_framework(subject: Subject, package: str, framework: Framework, lacking: list[tuple[str, str]]) -> Finding:
    """`lacking`: (file, library) of what the package links."""
    rel = lacking[0][0]
    libraries = listing(list(dict.fromkeys(name.rpartition("/")[2] for _, name in lacking)), most=4)
    return Finding(
        check="link.missing-library",
        status=Status.FAIL,
        title=f"{package} is made for {framework.title}, which is not installed",
        evidence=(
            f"Library not loaded: {lacking[0][1]}",
            f"{framework.main} brings {libraries}",
            *listed([f"needed by: {file}" for file in dict.fromkeys(file for file, _ in lacking)], most=5),
        ),
        remedy=Remedy(f"Install {framework.main} as well, in the release that this {package} was built for."),
        about=frozenset((rel, subject.survey.packages.owner(rel))),
    )


def _why_harmless(survey: Survey, missing: MissingLibrary, absent: Framework | None) -> str | None:
    """Why the package works without this image, or None.

    A library that nothing links and that is one part of a package whose other parts load (a codec, a driver) is opened
    on demand; the only binary of a package (libxgboost.dylib) is not.
    """
    entry = missing.process.entry
    reason = optional_reason(entry.rel)
    if reason is not None or _is_module(entry):
        return reason
    if absent is not None:
        return f"for {absent.title}, which is not installed"
    owner = survey.packages.owner(entry.rel)
    rest = any(
        process.entry.path not in survey.stopped and survey.packages.owner(process.entry.rel) == owner
        for process in survey.processes
    )
    return "opened on demand; the rest of its package loads" if rest else None


def _is_module(binary: Binary) -> bool:
    return binary.name.endswith(".so") or binary.is_program or binary.rel.startswith("tensorflow-plugins/")


def _mac_library(subject: Subject, names: list[str], lacking: list[list[MissingLibrary]]) -> Finding:
    """One finding for what the same packages need: the first library as dyld reports it, the others in a line each."""
    survey = subject.survey
    name, items = names[0], lacking[0]
    first = items[0]
    tried = first.resolution.tried
    lines = [
        f"Library not loaded: {name}",
        f"Referenced from: {first.image.rel} ({survey.packages.described(first.image.rel)})",
        "Reason: tried: "
        + (", ".join(tried[:6]) + (" …" if len(tried) > 6 else "") if tried else "no rpath to search"),
    ]
    chain = first.process.chain(first.image)
    if len(chain) > 1:
        root = survey.inventory.root + "/"
        lines.append("Loaded through: " + " ← ".join(path.removeprefix(root) for path in chain))
    lines += listed([f"also needed by: {item.image.rel}" for item in items[1:]], most=5)
    lines += listed(
        [
            f"also missing: {other} ({plural(len(users), 'binary needs', 'binaries need')} it)"
            for other, users in zip(names[1:], lacking[1:], strict=True)
        ],
        most=8,
    )
    others = len({item.image.rel for users in lacking for item in users}) - 1
    return Finding(
        check="link.missing-library",
        status=Status.FAIL,
        title=f"{first.image.rel} needs {name}"
        + (f" and {plural(len(names) - 1, 'more library', 'more libraries')}" if len(names) > 1 else "")
        + ", which the environment does not provide"
        + (f" (and {plural(others, 'more binary does', 'more binaries do')})" if others else ""),
        evidence=tuple(lines),
        remedy=_library_remedy(subject, name, first.image.rel, tried),
        about=frozenset((first.image.rel, survey.packages.owner(first.image.rel))),
    )


def _library_remedy(subject: Subject, name: str, rel: str, tried: tuple[str, ...] = ()) -> Remedy:
    """Where the lock says what belongs here, that; else what brings the library to where it is looked for."""
    if subject.environment.stamp is not None:
        return subject.repair.restore([subject.survey.packages.package(rel)])
    leaf, package = name.rpartition("/")[2], subject.survey.packages.described(rel)
    if name.startswith("/"):
        how = f" (`{told}`)" if (told := _brought_by(name)) else ""
        return Remedy(
            f"Put {leaf} at that very path{how}, take {package.partition(' ')[0]} from conda-forge, whose builds look "
            "inside the environment, or install a release that brings the library along."
        )
    elsewhere = next((told for place in tried if (told := _brought_by(place.strip("'")))), None)
    if leaf.startswith("libomp"):
        return Remedy(
            "Install the OpenMP runtime: conda-forge's llvm-openmp in a conda environment"
            + (f", or `{elsewhere}` for any Python" if elsewhere else "")
            + "; or take the package from conda-forge."
        )
    return Remedy(
        f"Install the package that provides {leaf}"
        + (f" (`{elsewhere}`)" if elsewhere else "")
        + f", or another version of {package} that brings it along."
    )


def _brought_by(path: str) -> str | None:
    """Homebrew's command for what lies at a path of its own."""
    match = _HOMEBREW.match(path)
    return f"brew install {match['formula']}" if match is not None else None


CHECK: Final = Check(
    id="link.missing-library",
    area="linking",
    needs=Needs.FILES,
    level=Level.QUICK,
    catches="A library that a program, an extension module or a plug-in needs and that the loader will not find.",
    otherwise="ImportError: dlopen(…): Library not loaded: @rpath/libomp.dylib … Reason: tried: …",
    run=_run,
)
