"""Linking: will the loader find every library and every symbol, on every system the environment is for?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.binaries.demangle import shown
from builder.binaries.dyld import Place
from builder.checks import elf_symbols
from builder.checks.check import Check, Needs
from builder.checks.survey import MissingLibrary, optional_reason
from builder.finding import Finding, Remedy, Status
from builder.probes.level import Level
from builder.wording import dotted, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.dyld import Process
    from builder.binaries.elf import ElfBinary
    from builder.binaries.inventory import Binary
    from builder.binaries.symbols import Missing
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

_NONE: Final = "No binaries to check"


def _libraries(subject: Subject) -> Iterator[Finding]:
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
    for missing in survey.missing_libraries:
        why = _why_harmless(survey, missing)
        if why is not None:
            harmless.append(f"{missing.image.rel} lacks {missing.resolution.name} ({why})")
        else:
            grouped.setdefault(missing.resolution.name, []).append(missing)
    for name, items in grouped.items():
        yield _mac_library(subject, name, items)
    if not grouped:
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
    harmless = [item for item in tree.missing if optional_reason(item.binary.rel) is not None]
    grouped: dict[str, list[ElfBinary]] = {}
    for item in tree.missing:
        if item not in harmless:
            grouped.setdefault(item.name, []).append(item.binary)
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
    if not grouped:
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


def _why_harmless(survey: Survey, missing: MissingLibrary) -> str | None:
    """Why the package works without this image, or None.

    A library that nothing links and that is one part of a package whose other parts load (a codec, a driver) is opened
    on demand; the only binary of a package (libxgboost.dylib) is not.
    """
    entry = missing.process.entry
    reason = optional_reason(entry.rel)
    if reason is not None or _is_module(entry):
        return reason
    owner = survey.packages.owner(entry.rel)
    rest = any(
        process.entry.path not in survey.stopped and survey.packages.owner(process.entry.rel) == owner
        for process in survey.processes
    )
    return "opened on demand; the rest of its package loads" if rest else None


def _is_module(binary: Binary) -> bool:
    return binary.name.endswith(".so") or binary.is_program or binary.rel.startswith("tensorflow-plugins/")


def _mac_library(subject: Subject, name: str, items: list[MissingLibrary]) -> Finding:
    survey = subject.survey
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
    others = len(items) - 1
    return Finding(
        check="link.missing-library",
        status=Status.FAIL,
        title=f"{first.image.rel} needs {name}, which the environment does not provide"
        + (f" (and {plural(others, 'more binary does', 'more binaries do')})" if others else ""),
        evidence=tuple(lines),
        remedy=_library_remedy(subject, name, first.image.rel),
        about=frozenset((first.image.rel, survey.packages.owner(first.image.rel))),
    )


def _library_remedy(subject: Subject, name: str, rel: str) -> Remedy:
    """Where the lock says what belongs here, that; else what usually brings the library."""
    if subject.environment.stamp is not None:
        return subject.repair.restore([subject.survey.packages.package(rel)])
    leaf, package = name.rpartition("/")[2], subject.survey.packages.described(rel)
    if leaf.startswith("libomp"):
        return Remedy("Install the OpenMP runtime (conda-forge's llvm-openmp), or take the package from conda-forge.")
    return Remedy(f"Install the package that provides {leaf}, or another version of {package} that brings it along.")


def _symbols(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not survey.is_mac:
        yield from elf_symbols.symbols(subject)
        return
    if not survey.inventory.binaries:
        yield Finding(check="link.symbols", status=Status.SKIP, title=_NONE)
        return
    lacking: dict[str, tuple[Process, tuple[Missing, ...]]] = {}
    for process, items in survey.missing_symbols:
        path = items[0].image.path
        known = lacking[path][1] if path in lacking else ()
        unique = {item.symbol: item for item in (*known, *items)}
        lacking[path] = (process, tuple(sorted(unique.values(), key=lambda item: item.position)))
    pairs: dict[tuple[str, str, bool], list[tuple[Process, tuple[Missing, ...]]]] = {}
    for process, items in lacking.values():
        optional = optional_reason(process.entry.rel) is not None
        pairs.setdefault((*_pair(survey, items[0]), optional), []).append((process, items))
    for (package, host, optional), images in pairs.items():
        yield _unfit(subject, package, host, images, optional=optional)
    for rel, reason in survey.binder.damaged.items():
        yield Finding(
            check="link.symbols",
            status=Status.FAIL,
            title=f"The symbols of {rel} cannot be read",
            evidence=(reason,),
            remedy=subject.repair.restore([survey.packages.package(rel)]),
            about=frozenset((rel, survey.packages.owner(rel))),
        )
    stopped = len(survey.stopped)
    tally = survey.binder.tally
    if not pairs and not survey.binder.damaged:
        binaries = plural(tally.images, "binary", "binaries")
        yield Finding(
            check="link.symbols",
            status=Status.PASS,
            title=f"All {tally.checked:,} symbols that {binaries} need are where dyld looks",
            evidence=(
                f"{tally.system:,} symbols of macOS's own libraries are left to link.system-symbols",
                *((f"{tally.python:,} symbols of Python's C API taken as present",) if tally.python else ()),
                *((f"not looked at: {plural(stopped, 'entry', 'entries')} that lack a library",) if stopped else ()),
            ),
        )


def _pair(survey: Survey, item: Missing) -> tuple[str, str]:
    """The package that lacks a symbol and the one that should have it (empty: whatever is loaded)."""
    expected = item.expected
    return survey.packages.described(item.image.rel), survey.packages.described(expected.rel) if expected else ""


def _unfit(
    subject: Subject,
    package: str,
    host: str,
    images: list[tuple[Process, tuple[Missing, ...]]],
    *,
    optional: bool,
) -> Finding:
    """One finding for one pair of packages: the first image with all that dyld would say, the others in a line each."""
    survey = subject.survey
    process, items = images[0]
    first = items[0]
    lines = [
        *_told_by_dyld(survey, first),
        *listed([f"also missing: {shown(item.symbol)}" for item in items[1:]], most=5),
        *listed(
            [f"also {other[0].image.rel}: {shown(other[0].symbol)} (of {len(other)})" for _, other in images[1:]],
            most=12,
        ),
    ]
    if optional:
        lines.append(f"only a part: {optional_reason(process.entry.rel)}")
    if not host:
        fit = f"{package} needs a symbol that nothing loaded before it has"
    elif host == package:
        fit = f"the files of {package} are not from one build"
    else:
        fit = f"{package} was not built for {host}"
    others = len(images) - 1
    name = package.partition(" ")[0]
    return Finding(
        check="link.symbols",
        status=Status.WARN if optional else Status.FAIL,
        title=f"{first.image.rel} cannot load: {fit}"
        + (f" (and {plural(others, 'more binary', 'more binaries')})" if others else ""),
        evidence=tuple(lines),
        remedy=subject.repair.restore([survey.packages.package(first.image.rel)])
        if subject.environment.stamp is not None
        else Remedy(
            f"Install versions that were built together: the {name} for this {host}, or the host of this {package}."
            if host and host != package
            else f"Install {name} again, in the version made for the package that loads it."
        ),
        about=frozenset((first.image.rel, survey.packages.owner(first.image.rel))),
    )


def _told_by_dyld(survey: Survey, item: Missing) -> tuple[str, ...]:
    """The error as dyld words it, without the UUIDs."""
    referenced = f"Referenced from: {item.image.rel} ({survey.packages.described(item.image.rel)})"
    name = shown(item.symbol)
    raw, _, plain = name.partition("  ")
    if item.expected is not None:
        host = survey.packages.described(item.expected.rel)
        return f"Symbol not found: {name}", referenced, f"Expected in: {item.expected.rel} ({host})"
    if item.how == "flat":
        return f"symbol not found in flat namespace '{raw}'" + (f"  {plain}" if plain else ""), referenced
    return f"Symbol not found: {name}", referenced, "Expected as weak-def export from some loaded dylib"


def _compatibility(subject: Subject) -> Iterator[Finding]:
    """dyld of macOS 12 and later (dyld-1378 has no such comparison) loads them all the same; macOS 11 refuses."""
    survey = subject.survey
    if not survey.is_mac:
        return
    if not survey.inventory.binaries:
        yield Finding(check="link.compatibility", status=Status.SKIP, title=_NONE)
        return
    older: dict[str, str] = {}
    counted = 0
    for process in survey.processes:
        for image, resolutions in process.images.values():
            for wanted, resolution in zip(image.commands.dylibs, resolutions, strict=True):
                found = resolution.binary.commands.compatibility_version if resolution.binary is not None else None
                counted += found is not None
                if resolution.binary is not None and found is not None and found < wanted.compatibility_version:
                    needed, library = dotted(wanted.compatibility_version), resolution.binary.rel
                    line = f"{image.rel} requires version {needed} of {library}, which provides {dotted(found)}"
                    older[f"{image.rel} {library}"] = line
    if older:
        yield Finding(
            check="link.compatibility",
            status=Status.WARN,
            title=f"{plural(len(older), 'binary was', 'binaries were')} linked with a newer library than this one",
            evidence=listed(list(older.values())),
            remedy=Remedy("Install the version of the library that the package was built with; macOS 11 refuses this."),
        )
    else:
        yield Finding(
            check="link.compatibility",
            status=Status.PASS,
            title=f"All {counted:,} links agree on compatibility versions",
        )


CHECKS: Final = (
    Check(
        id="link.missing-library",
        area="linking",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="A library that a program, an extension module or a plug-in needs and that the loader will not find.",
        otherwise="ImportError: dlopen(…): Library not loaded: @rpath/libomp.dylib … Reason: tried: …",
        run=_libraries,
    ),
    Check(
        id="link.symbols",
        area="linking",
        needs=Needs.FILES,
        catches="A symbol that the library it must come from does not export: packages that were not built together.",
        otherwise="ImportError: dlopen(…): Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii … Expected in: …",
        run=_symbols,
    ),
    Check(
        id="link.compatibility",
        area="linking",
        needs=Needs.FILES,
        catches="A library that claims compatibility with older versions only than its users were linked with.",
        otherwise="Library not loaded: … Incompatible library version: … requires version 3.0.0 or later (macOS 11).",
        run=_compatibility,
    ),
)
