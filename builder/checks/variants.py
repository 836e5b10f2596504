"""Libraries that come in several variants, of which one must load, and packages that bring a Python along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.checks.check import Check, Needs
from builder.finding import Finding, Remedy, Status
from builder.wording import listed, listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from builder.checks.subject import Subject
    from builder.checks.survey import Survey

_NONE: Final = "No binaries to check"
#: A second interpreter: CPython's library under its usual names, or the binary of a framework build.
_PYTHON: Final = re.compile(r"libpython\d\.\d+\w*\.(dylib|so[.\d]*)|Python")


@dataclass(frozen=True, kw_only=True)
class Set:
    """Variants of one library. `files` has a group `variant`; `wanted` is what decides between them."""

    package: str
    files: re.Pattern[str]
    wanted: str
    remedy: str


_SETS: Final = (
    Set(
        package="torchcodec",
        files=re.compile(r"(?:^|/)torchcodec/libtorchcodec\D*(?P<variant>\d+)\.(?:so|dylib)$"),
        wanted="FFmpeg",
        remedy="Install FFmpeg of one of these versions into the environment, from conda-forge.",
    ),
)


def _variants(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not (survey.inventory.binaries if survey.is_mac else survey.elf.binaries):
        yield Finding(check="link.variants", status=Status.SKIP, title=_NONE)
        return
    told: list[str] = []
    failed = False
    for one in _SETS:
        found = _of_set(survey, one)
        if not found:
            continue
        loading = [variant for variant, why in found.items() if why is None]
        if loading:
            told.append(f"{one.package}: of {listing(sorted(found), most=9)}, {listing(loading)} can load")
        else:
            failed = True
            yield _none_loads(survey, one, {variant: why for variant, why in found.items() if why is not None})
    if not failed:
        yield Finding(
            check="link.variants",
            status=Status.PASS if told else Status.SKIP,
            title="Of every library that comes in variants, one loads"
            if told
            else "No package here ships variants of one library",
            evidence=tuple(told),
        )


def _of_set(survey: Survey, one: Set) -> dict[str, tuple[str, ...] | None]:
    """Variant → why it does not load (None: it does), the newest first."""
    why: dict[str, tuple[str, ...] | None] = {}
    for rel, reason in _mac_entries(survey) if survey.is_mac else _linux_entries(survey):
        match = one.files.search(rel)
        if match is not None:
            known = why.get(match["variant"])
            why[match["variant"]] = known or reason
    return dict(sorted(why.items(), key=lambda item: int(item[0]), reverse=True))


def _mac_entries(survey: Survey) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    lacking = {missing.process.entry.path: missing for missing in reversed(survey.missing_libraries)}
    unbound = {process.entry.path for process, _ in survey.missing_symbols}
    for process in survey.processes:
        entry = process.entry
        missing = lacking.get(entry.path)
        if entry.path in survey.stopped:
            # A library that several entries lack is told once, of the first.
            first = missing or next(
                item for item in survey.missing_libraries if any(item.image.path == path for path in process.images)
            )
            tried = ", ".join(first.resolution.tried[:4]) or "nothing: there is no rpath that leads anywhere"
            yield entry.rel, (f"Library not loaded: {first.resolution.name}", f"tried: {tried}")
        else:
            yield entry.rel, ("Symbol not found (see link.symbols)",) if entry.path in unbound else None


def _linux_entries(survey: Survey) -> Iterator[tuple[str, tuple[str, ...] | None]]:
    missing = {item.binary.rel: item.name for item in reversed(survey.elf.missing)}
    for binary in survey.elf.binaries:
        lacking = next((missing[rel] for rel in survey.elf.closure(binary) if rel in missing), None)
        yield binary.rel, None if lacking is None else (f"{lacking}: cannot open shared object file",)


def _none_loads(survey: Survey, one: Set, why: dict[str, tuple[str, ...]]) -> Finding:
    """On a Mac nothing beyond the rpaths is searched; on Linux the system's folders are, which are not at hand."""
    elsewhere = any(path in line for lines in why.values() for line in lines for path in ("'/opt/", "'/usr/local/"))
    unproven = not survey.is_mac or elsewhere
    rel = next(
        rel for rel, _ in (_mac_entries(survey) if survey.is_mac else _linux_entries(survey)) if one.files.search(rel)
    )
    return Finding(
        check="link.variants",
        status=Status.WARN if unproven else Status.FAIL,
        title=f"{survey.packages.described(rel)} comes for {one.wanted} {listing(sorted(why), most=9)}, and "
        + ("needs one of them from the system" if unproven else "none of them loads"),
        evidence=tuple(line for variant, lines in list(why.items())[:3] for line in (f"variant {variant}:", *lines)),
        remedy=Remedy(one.remedy),
        about=frozenset((rel, survey.packages.owner(rel))),
    )


def _second_python(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not (survey.inventory.binaries if survey.is_mac else survey.elf.binaries):
        yield Finding(check="link.second-python", status=Status.SKIP, title=_NONE)
        return
    users: dict[str, set[str]] = {}
    for library, user in _bundled(survey):
        users.setdefault(library, set()).add(user)
    for library, modules in users.items():
        package = survey.packages.described(library)
        yield Finding(
            check="link.second-python",
            status=Status.FAIL,
            title=f"{package} brings a Python of its own, {library}, which its modules load into yours",
            evidence=listed([f"loaded by {rel}" for rel in sorted(modules)], most=6),
            remedy=Remedy(
                f"Install another release of {package.partition(' ')[0]}; modules take Python from the program."
            ),
            about=frozenset((library, survey.packages.owner(library))),
        )
    if not users:
        yield Finding(
            check="link.second-python",
            status=Status.PASS,
            title="No module brings a second Python along",
        )


def _bundled(survey: Survey) -> Iterable[tuple[str, str]]:
    """(library, module that loads it), for Pythons in site-packages; programs may have one of their own."""
    if survey.is_mac:
        for process in survey.processes:
            if not process.entry.is_program:
                for image, _ in process.images.values():
                    if image is not process.entry and _is_bundled(survey, image.rel):
                        yield image.rel, process.entry.rel
        return
    modules = [binary for binary in survey.elf.binaries if ".so" in binary.name]
    for binary in modules:
        for rel in survey.elf.closure(binary):
            if rel != binary.rel and _is_bundled(survey, rel):
                yield rel, binary.rel


def _is_bundled(survey: Survey, rel: str) -> bool:
    return _PYTHON.fullmatch(rel.rpartition("/")[2]) is not None and survey.packages.from_wheel(rel)


CHECKS: Final = (
    Check(
        id="link.variants",
        area="linking",
        needs=Needs.FILES,
        catches="A library that comes in several variants, none of which finds what it needs (torchcodec and FFmpeg).",
        otherwise="RuntimeError: Could not load libtorchcodec. … Library not loaded: @rpath/libavutil.59.dylib",
        run=_variants,
    ),
    Check(
        id="link.second-python",
        area="linking",
        needs=Needs.FILES,
        catches="Modules that load a Python library which their own wheel brought, beside the interpreter.",
        otherwise="Fatal Python error: PyThreadState_Get: the function must be called with the GIL held, …",
        run=_second_python,
    ),
)
