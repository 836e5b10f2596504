"""Linux: symbols and their versions, and the lowest glibc that an environment runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.binaries.demangle import shown
from builder.checks.check import Check, Needs
from builder.finding import Finding, Remedy, Status
from builder.wording import dotted, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.elf import ElfFloor, MissingSymbol, MissingVersion, UndecidedSymbol
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

_NONE: Final = "No binaries to check"
#: How many undecided symbols the evidence lists; their number is always said.
_LISTED: Final = 5
#: What a version family is called, where the C++ runtime of the system must define it.
_FAMILIES: Final = {"GLIBC": "glibc", "GLIBCXX": "libstdc++", "CXXABI": "libstdc++", "GCC": "libgcc"}


def symbols(subject: Subject) -> Iterator[Finding]:
    """The findings of link.symbols about a Linux environment."""
    survey = subject.survey
    if not survey.elf.binaries:
        yield Finding(check="link.symbols", status=Status.SKIP, title=_NONE)
        return
    found = survey.elf_symbols
    versions: dict[tuple[str, str], list[MissingVersion]] = {}
    for version in found.versions():
        versions.setdefault((version.library.rel, version.version), []).append(version)
    for items in versions.values():
        yield _version(subject, items)
    missing: dict[str, list[MissingSymbol]] = {}
    for symbol in found.symbols(survey.elf_entries):
        missing.setdefault(survey.packages.described(symbol.binary.rel), []).append(symbol)
    for package, wanted in missing.items():
        yield _undefined(subject, package, wanted)
    for rel, reason in found.damaged.items():
        yield Finding(
            check="link.symbols",
            status=Status.FAIL,
            title=f"The symbols of {rel} cannot be read",
            evidence=(reason,),
            remedy=subject.repair.restore([survey.packages.package(rel)]),
            about=frozenset((rel, survey.packages.owner(rel))),
        )
    if not versions and not missing and not found.damaged:
        yield _all_there(survey)


def _all_there(survey: Survey) -> Finding:
    found = survey.elf_symbols
    decided = found.checked - len(found.undecided)
    need = plural(len(survey.elf.binaries), "binary needs", "binaries need")
    if found.undecided and not decided:
        title = f"None of the {found.checked:,} symbols that {need} is in a file here; the system may have them"
    elif found.undecided:
        title = f"{decided:,} of {found.checked:,} symbols that {need} are found; the system may have the others"
    else:
        title = f"All {found.checked:,} symbols that {need} are where the loader looks"
    return Finding(
        check="link.symbols",
        status=Status.PASS if decided or not found.undecided else Status.SKIP,
        title=title,
        evidence=(
            f"{found.system:,} symbols of glibc and its like are left to link.glibc-floor",
            *(("Python's C API taken as present",) if survey.elf_interpreter is None else ()),
            *_undecided(found.undecided),
        ),
    )


def _undecided(symbols: tuple[UndecidedSymbol, ...]) -> tuple[str, ...]:
    """How many symbols nothing at hand decides, and which."""
    if not symbols:
        return ()
    lines = [
        f"{shown(item.symbol)} of {item.binary.rel}, perhaps of {item.library or 'glibc (asked for without a version)'}"
        for item in symbols
    ]
    return (
        f"{plural(len(symbols), 'symbol')} undecided, as the system's own libraries were not read:",
        *listed(lines, most=_LISTED),
    )


def _restored_or(subject: Subject, rel: str, say: str) -> Remedy:
    """Sound files where the lock says which; else what a person has to decide."""
    if subject.environment.stamp is None:
        return Remedy(say)
    return subject.repair.restore([subject.survey.packages.package(rel)])


def _version(subject: Subject, items: list[MissingVersion]) -> Finding:
    survey = subject.survey
    first = items[0]
    library = f"{first.library.rel} ({survey.packages.described(first.library.rel)})"
    name, user = survey.packages.owner(first.library.rel), survey.packages.owner(first.binary.rel)
    return Finding(
        check="link.symbols",
        status=Status.FAIL,
        title=f"{first.binary.rel} needs {first.version}, which {library} does not define",
        evidence=(
            f"{first.library.name}: version `{first.version}' not found (required by {first.binary.name})",
            *listed([f"also needed by: {item.binary.rel}" for item in items[1:]], most=8),
        ),
        remedy=_restored_or(
            subject, first.library.rel, f"Install a newer {name}, or a release of {user} that was built for this one."
        ),
        about=frozenset((first.binary.rel, user)),
    )


def _undefined(subject: Subject, package: str, items: list[MissingSymbol]) -> Finding:
    survey = subject.survey
    first = items[0]
    name = package.partition(" ")[0]
    through = f", when {first.entry.rel} loads it" if first.entry.rel != first.binary.rel else ""
    return Finding(
        check="link.symbols",
        status=Status.FAIL,
        title=f"{first.binary.rel} of {package} cannot load: nothing defines a symbol that it needs",
        evidence=(
            f"{first.binary.name}: undefined symbol: {shown(first.symbol)}{through}",
            *listed([f"also {item.binary.rel}: {shown(item.symbol)}" for item in items[1:]], most=8),
        ),
        remedy=_restored_or(
            subject, first.binary.rel, f"Install {name} in the release that was built for the packages beside it."
        ),
        about=frozenset((first.binary.rel, survey.packages.owner(first.binary.rel))),
    )


def _floor(subject: Subject) -> Iterator[Finding]:
    """The newest symbol version of glibc that a binary wants, and whether the target has it."""
    survey = subject.survey
    if survey.is_mac:
        return
    if not survey.elf.binaries:
        yield Finding(check="link.glibc-floor", status=Status.SKIP, title=_NONE)
        return
    floor = survey.elf_floor
    glibc = floor.glibc
    evidence = _demands(survey, floor)
    if glibc is None:
        yield Finding(check="link.glibc-floor", status=Status.PASS, title="No binary needs glibc")
    elif subject.glibc is not None and floor.above(subject.glibc):
        demand = floor.demands["GLIBC"]
        # Of a machine at hand that is a fact; a recipe may be for newer systems than what it is locked for.
        here = subject.host is not None and subject.host == subject.subdir
        yield Finding(
            check="link.glibc-floor",
            status=Status.FAIL if here else Status.WARN,
            title=f"The environment needs glibc {dotted(glibc)}, newer than {dotted(subject.glibc)}",
            evidence=(f"version `{demand.version}' not found (required by {demand.binary.rel})", *evidence),
            remedy=Remedy(
                f"Use a system with glibc {dotted(glibc)} or newer, or a release of "
                f"{survey.packages.owner(demand.binary.rel)} built for an older one."
            ),
            about=frozenset((demand.binary.rel, survey.packages.owner(demand.binary.rel))),
        )
    else:
        yield Finding(
            check="link.glibc-floor",
            status=Status.PASS,
            title=f"The environment runs on glibc {dotted(glibc)} and newer",
            evidence=evidence,
        )


def _demands(survey: Survey, floor: ElfFloor) -> tuple[str, ...]:
    """`GLIBC_2.28 of glibc: cryptography/…/_rust.abi3.so (cryptography 44.0.0)`, one line a family."""
    return tuple(
        f"{demand.version} of {_FAMILIES.get(family, family)}: {demand.binary.rel} "
        f"({survey.packages.described(demand.binary.rel)})"
        for family, demand in sorted(floor.demands.items())
    )


CHECKS: Final = (
    Check(
        id="link.glibc-floor",
        area="linking",
        needs=Needs.FILES,
        catches="A Linux environment that needs a newer glibc than the target's. Says the lowest that it needs.",
        otherwise="ImportError: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found (required by …)",
        run=_floor,
    ),
)
