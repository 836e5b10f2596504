"""What an environment takes from macOS itself: whether the target has it, and the lowest macOS that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.binaries.demangle import shown
from builder.binaries.system_symbols import Presence
from builder.checks.check import Check, Needs
from builder.finding import Finding, Remedy, Status
from builder.wording import dotted, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.system_imports import Floor, SystemImport
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

_NONE: Final = "No binaries to check"
#: How many undecided symbols the evidence lists; their number is always said.
_LISTED: Final = 5


def _symbols(subject: Subject) -> Iterator[Finding]:
    """Judged for the target macOS; without one, for the lowest release that the binaries themselves admit."""
    survey = subject.survey
    if not survey.is_mac:
        return
    if not survey.inventory.binaries:
        yield Finding(check="link.system-symbols", status=Status.SKIP, title=_NONE)
        return
    if survey.arch != "arm64":
        title = "Which macOS has which symbol is known for Apple silicon only"
        yield Finding(check="link.system-symbols", status=Status.SKIP, title=title)
        return
    imports = survey.system_imports
    floor = imports.floor
    if subject.macos is None and floor.macos is None:
        yield from _in_no_release(survey, floor)
        return
    macos = subject.macos or floor.macos or (0, 0)
    absent = imports.on(macos, Presence.ABSENT)
    by_package: dict[str, list[SystemImport]] = {}
    for item in absent:
        by_package.setdefault(survey.packages.described(item.image.rel), []).append(item)
    for package, items in by_package.items():
        yield _absent(survey, package, items, macos=macos)
    if not absent:
        undecided = imports.on(macos, Presence.UNDECIDED)
        yield Finding(
            check="link.system-symbols",
            status=Status.PASS if imports.count else Status.SKIP,
            title=f"No symbol of macOS's own libraries is known to be missing on macOS {dotted(macos)}"
            if imports.count
            else "No binary takes a symbol from macOS's own libraries",
            evidence=_counted(survey, undecided, total=imports.count, macos=macos),
        )


def _absent(survey: Survey, package: str, items: list[SystemImport], *, macos: tuple[int, ...]) -> Finding:
    """One finding for a package: the first symbol as dyld would report it, the others in a line each."""
    first = items[0]
    images = {item.image.rel for item in items}
    known = [item.since.present_in for item in items]
    needed = max((release for release in known if release is not None), default=None)
    others = len(images) - 1
    return Finding(
        check="link.system-symbols",
        status=Status.FAIL,
        title=f"{first.image.rel} of {package} needs {first.symbol.decode(errors='replace')}, "
        f"which macOS {dotted(macos)} does not have"
        + (f" (and {plural(others, 'more binary does', 'more do')})" * (others > 0)),
        evidence=(
            f"Symbol not found: {shown(first.symbol)}",
            f"Referenced from: {first.image.rel} ({package})",
            f"Expected in: {first.library}",
            _when(first),
            *listed(
                [f"also {item.image.rel}: {shown(item.symbol)}, {_when(item)}" for item in items[1:]],
                most=8,
            ),
        ),
        remedy=Remedy(
            (f"Use macOS {dotted(needed)} or newer, or install" if needed and None not in known else "Install")
            + f" a release of {package.partition(' ')[0]} that was built for macOS {dotted(macos)}."
        ),
        about=frozenset((first.image.rel, survey.packages.owner(first.image.rel))),
    )


def _when(item: SystemImport) -> str:
    """Between which releases a symbol came, as far as the SDKs tell."""
    absent, present = item.since.absent_in, item.since.present_in
    if present is None:
        return f"not in macOS {dotted(absent or ())}, and in no SDK examined"
    return f"first in macOS {dotted(present)}" + (f" (not yet in {dotted(absent)})" if absent is not None else "")


def _in_no_release(survey: Survey, floor: Floor) -> Iterator[Finding]:
    item = floor.symbol
    if item is not None:
        package = survey.packages.described(item.image.rel)
        yield Finding(
            check="link.system-symbols",
            status=Status.FAIL,
            title=f"{item.image.rel} of {package} needs {item.symbol.decode(errors='replace')}, which no macOS has",
            evidence=(
                f"Symbol not found: {shown(item.symbol)}",
                f"Referenced from: {item.image.rel} ({package})",
                f"Expected in: {item.library}",
                _when(item),
            ),
            remedy=Remedy(f"Install another release of {package.partition(' ')[0]}."),
            about=frozenset((item.image.rel, survey.packages.owner(item.image.rel))),
        )


def _counted(
    survey: Survey, undecided: tuple[SystemImport, ...], *, total: int, macos: tuple[int, ...]
) -> tuple[str, ...]:
    facts = survey.system_facts
    told = f"{total - len(undecided):,} symbols are in macOS {dotted(macos)} (SDKs up to {dotted(facts.newest)})"
    if not undecided:
        return (told,)
    lines = [
        f"{item.symbol.decode(errors='replace')} of {item.library.rpartition('/')[2]} ({item.image.rel})"
        for item in undecided
    ]
    return (
        told,
        f"{plural(len(undecided), 'symbol')} undecided, because no SDK examined tells:",
        *listed(lines, most=_LISTED),
    )


def _floor(subject: Subject) -> Iterator[Finding]:
    """The lowest macOS that everything loads on, by deployment targets and symbols; is it as low as asked?"""
    survey = subject.survey
    if not survey.is_mac:
        return
    if not survey.inventory.binaries:
        yield Finding(check="link.macos-floor", status=Status.SKIP, title=_NONE)
        return
    floor = survey.system_imports.floor
    asked = subject.macos
    evidence = _why(survey, floor)
    if floor.macos is None:
        yield Finding(
            check="link.macos-floor",
            status=Status.FAIL if asked is None else Status.WARN,
            title="The environment loads on no macOS that is known",
            evidence=evidence,
            remedy=Remedy("Follow the remedy of link.system-symbols."),
        )
    elif asked is not None and floor.macos > asked:
        above = survey.built_above(asked)
        yield Finding(
            check="link.macos-floor",
            status=Status.WARN,
            title=f"The environment needs macOS {dotted(floor.macos)}, newer than {dotted(asked)}",
            evidence=(*evidence, *listed([_built_for(survey, rel, minos) for rel, minos in above])),
            remedy=Remedy(
                f'Set `macos: "{dotted(floor.macos)}"` in the recipe, or take builds that run on macOS {dotted(asked)}.'
            ),
        )
    else:
        yield Finding(
            check="link.macos-floor",
            status=Status.PASS,
            title=f"The environment loads on macOS {dotted(floor.macos)} and newer"
            + (f", and so on {dotted(asked)}" if asked is not None and asked > floor.macos else ""),
            evidence=evidence,
        )


def _why(survey: Survey, floor: Floor) -> tuple[str, ...]:
    """What decides the floor, and what is not known about it."""
    lines: list[str] = []
    if floor.symbol is not None:
        item = floor.symbol
        package = survey.packages.described(item.image.rel)
        lines.append(
            f"decided by {item.symbol.decode(errors='replace')} in {item.image.rel} ({package}): {_when(item)}"
        )
    if floor.image is not None:
        minos = floor.image.commands.minos or ()
        lines.append(f"newest deployment target: {_built_for(survey, floor.image.rel, minos)}")
    if floor.undecided:
        lines.append(f"{plural(len(floor.undecided), 'symbol')} of macOS's own libraries undecided on that release")
    return tuple(lines)


def _built_for(survey: Survey, rel: str, minos: tuple[int, ...]) -> str:
    return f"{rel} ({survey.packages.described(rel)}): macOS {dotted(minos)}"


CHECKS: Final = (
    Check(
        id="link.system-symbols",
        area="linking",
        needs=Needs.FILES,
        catches="A symbol of macOS's own libraries that the target macOS does not have yet.",
        otherwise="Symbol not found: _os_sync_wait_on_address … Expected in: …/libSystem.B.dylib, on older Macs only.",
        run=_symbols,
    ),
    Check(
        id="link.macos-floor",
        area="linking",
        needs=Needs.FILES,
        catches="An environment that needs a newer macOS than the recipe promises. Says the lowest that it needs.",
        otherwise="Symbol not found … (built for macOS 14.0 which is newer than running OS), on an older Mac only.",
        run=_floor,
    ),
)
