"""Linking: will dyld find every library and every symbol?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.binaries.demangle import shown
from builder.binaries.dyld import Place
from builder.checks.registry import Check
from builder.checks.survey import MissingLibrary, Scope, optional_reason
from builder.finding import Finding, Status
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.dyld import Process
    from builder.binaries.inventory import Binary
    from builder.binaries.symbols import Missing
    from builder.checks.survey import Survey

CHECKS: Final = (
    Check(
        id="link.missing-library",
        area="linking",
        catches="A library that a program, an extension module or a plug-in needs and that the loader will not find.",
        otherwise="ImportError: dlopen(…): Library not loaded: @rpath/libomp.dylib … Reason: tried: …",
    ),
    Check(
        id="link.symbols",
        area="linking",
        catches="A symbol that the library it must come from does not export: packages that were not built together.",
        otherwise="ImportError: dlopen(…): Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii … Expected in: …",
    ),
)


def check(survey: Survey) -> Iterator[Finding]:
    if not survey.is_mac:
        return
    if not survey.inventory.binaries:
        wanted = CHECKS if survey.scope is Scope.FULL else CHECKS[:1]
        yield from (
            Finding(check=check.id, status=Status.SKIP, title="No binary is there to look at") for check in wanted
        )
        return
    yield from _missing_libraries(survey)
    if survey.scope is Scope.FULL:
        yield from _symbols(survey)


def _missing_libraries(survey: Survey) -> Iterator[Finding]:
    harmless: list[str] = []
    grouped: dict[str, list[MissingLibrary]] = {}
    for missing in survey.missing_libraries:
        why = _why_harmless(survey, missing)
        if why is not None:
            harmless.append(f"{missing.image.rel} lacks {missing.resolution.name} ({why})")
        else:
            grouped.setdefault(missing.resolution.name, []).append(missing)
    for name, items in grouped.items():
        yield _missing_library(survey, name, items)
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


def _missing_library(survey: Survey, name: str, items: list[MissingLibrary]) -> Finding:
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
        remedy=_library_remedy(name, survey.packages.described(first.image.rel)),
    )


def _library_remedy(name: str, package: str) -> str:
    leaf = name.rpartition("/")[2]
    if leaf.startswith("libomp"):
        return "Install the OpenMP runtime: `conda install llvm-openmp`, or take the package from conda-forge."
    if leaf.startswith("_pywrap_tensorflow"):
        return "Take a plug-in that was built for this TensorFlow, or an older TensorFlow; see `envbuild compat`."
    return f"Install the package that provides {leaf}, or another version of {package} that brings it along."


def _symbols(survey: Survey) -> Iterator[Finding]:
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
        yield _unfit(survey, package, host, images, optional=optional)
    for rel, reason in survey.binder.damaged.items():
        yield Finding(
            check="link.symbols",
            status=Status.FAIL,
            title=f"The symbols of {rel} cannot be read",
            evidence=(reason,),
            remedy=f"Install {survey.packages.described(rel)} again; the file is damaged.",
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
                f"{tally.system:,} symbols of macOS's own libraries taken as present: no disk holds them",
                *((f"{tally.python:,} symbols of Python's C API taken as present",) if tally.python else ()),
                *((f"not looked at: {plural(stopped, 'entry', 'entries')} that lack a library",) if stopped else ()),
            ),
        )


def _pair(survey: Survey, item: Missing) -> tuple[str, str]:
    """The package that lacks a symbol and the one that should have it (empty: whatever is loaded)."""
    expected = item.expected
    return survey.packages.described(item.image.rel), survey.packages.described(expected.rel) if expected else ""


def _unfit(
    survey: Survey,
    package: str,
    host: str,
    images: list[tuple[Process, tuple[Missing, ...]]],
    *,
    optional: bool,
) -> Finding:
    """One finding for one pair of packages: the first image with all that dyld would say, the others in a line each."""
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
        remedy=f"Install versions that were built together: the {name} for this {host}, or the host of this {package}."
        if host and host != package
        else f"Install {name} again, in the version made for the package that loads it.",
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
