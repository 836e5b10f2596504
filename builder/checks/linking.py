"""Linking: will the loader find every library and every symbol, on every system the environment is for?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.binaries.demangle import shown
from builder.checks import elf_symbols, missing_library
from builder.checks.check import Check, Needs
from builder.checks.reach import optional_reason
from builder.finding import Finding, Remedy, Status
from builder.wording import dotted, listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.dyld import Process
    from builder.binaries.symbols import Missing
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

_NONE: Final = "No binaries to check"


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
    of_some_pythons = []
    for process, items in lacking.values():
        if all(item.python_may_load for item in items):
            of_some_pythons.append((process, items))
            continue
        optional = optional_reason(process.entry.rel) is not None
        pairs.setdefault((*_pair(survey, items[0]), optional), []).append((process, items))
    for process, items in of_some_pythons:
        yield _of_some_pythons(subject, process, items)
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
    if not pairs and not of_some_pythons and not survey.binder.damaged:
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


def _of_some_pythons(subject: Subject, process: Process, items: tuple[Missing, ...]) -> Finding:
    """A module that was not linked with a framework, and finds its symbols where Python itself was."""
    survey = subject.survey
    first = items[0]
    package = survey.packages.described(first.image.rel)
    libraries = listing(sorted({item.python_may_load or "" for item in items}), most=5)
    known = survey.linker.main is not None
    optional = optional_reason(process.entry.rel) is not None
    return Finding(
        check="link.symbols",
        status=Status.FAIL if known and not optional else Status.WARN,
        title=f"{first.image.rel} of {package} is not linked with {libraries}, "
        + ("and this Python has not loaded it either" if known else "and loads only where Python itself is"),
        evidence=(
            *_told_by_dyld(survey, first),
            *listed([f"also missing: {shown(item.symbol)}" for item in items[1:]], most=5),
            "Python of python.org and Homebrew links CoreFoundation, uv's SystemConfiguration too; conda's neither.",
        ),
        remedy=Remedy(
            f"Install {package.partition(' ')[0]} from conda-forge, or a release that is linked with {libraries}."
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
    missing_library.CHECK,
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
