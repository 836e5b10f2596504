"""What binaries were built for: the oldest macOS, and the version of each library they were linked with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.checks.registry import Check
from builder.checks.survey import Scope
from builder.finding import Finding, Status
from builder.wording import dotted, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.inventory import Binary
    from builder.checks.survey import Survey

CHECKS: Final = (
    Check(
        id="link.macos-floor",
        area="linking",
        catches="Binaries built for a newer macOS than the oldest one the recipe promises to run on.",
        otherwise="Symbol not found … (built for macOS 14.0 which is newer than running OS), on an older Mac only.",
    ),
    Check(
        id="link.compatibility",
        area="linking",
        catches="A library that claims compatibility with older versions only than its users were linked with.",
        otherwise="Library not loaded: … Incompatible library version: … requires version 3.0.0 or later (macOS 11).",
    ),
)


def check(survey: Survey) -> Iterator[Finding]:
    if not survey.is_mac or survey.scope is not Scope.FULL:
        return
    if not survey.inventory.binaries:
        yield from (
            Finding(check=check.id, status=Status.SKIP, title="No binary is there to look at") for check in CHECKS
        )
        return
    yield from _floor(survey)
    yield from _compatibility(survey)


def _floor(survey: Survey) -> Iterator[Finding]:
    built = [binary for binary in survey.inventory.binaries if binary.serves and binary.commands.minos is not None]
    newest = sorted(built, key=lambda binary: binary.commands.minos or (0, 0, 0), reverse=True)
    highest = newest[0] if newest else None
    stamp = survey.prefix.stamp
    asked = stamp.expectations.macos if stamp is not None else None
    if highest is None or asked is None:
        evidence = (f"newest deployment target: {_built_for(survey, highest)}",) if highest is not None else ()
        yield Finding(
            check="link.macos-floor",
            status=Status.SKIP,
            title="No oldest macOS is known for this environment (it has no stamp that names one)",
            evidence=evidence,
        )
        return
    floor = tuple(int(part) for part in re.findall(r"\d{1,4}", asked)[:3])
    above = [binary for binary in newest if (binary.commands.minos or (0, 0, 0)) > (*floor, 0, 0, 0)[:3]]
    if above:
        yield Finding(
            check="link.macos-floor",
            status=Status.WARN,
            title=f"{plural(len(above), 'binary needs', 'binaries need')} a newer macOS than the recipe's{asked}",
            evidence=listed([_built_for(survey, binary) for binary in above]),
            remedy=f"Raise `macos:` in the recipe, or take builds of these packages that run on macOS {asked}.",
        )
        return
    yield Finding(
        check="link.macos-floor",
        status=Status.PASS,
        title=f"All {plural(len(built), 'binary runs', 'binaries run')} on macOS {asked}",
        evidence=(f"newest deployment target: {_built_for(survey, highest)}",),
    )


def _built_for(survey: Survey, binary: Binary) -> str:
    return f"{binary.rel} ({survey.packages.described(binary.rel)}): macOS {dotted(binary.commands.minos or ())}"


def _compatibility(survey: Survey) -> Iterator[Finding]:
    """dyld of macOS 12 and later (dyld-1378 has no such comparison) loads them all the same; macOS 11 refuses."""
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
            remedy="Install the version of the library that the package was built with; macOS 11 refuses this pair.",
        )
    else:
        yield Finding(
            check="link.compatibility",
            status=Status.PASS,
            title=f"All {counted:,} links agree on compatibility versions",
        )
