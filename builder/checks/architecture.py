"""Architecture: is everything in the prefix for the machine it is meant for?"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from builder.checks.registry import Check
from builder.finding import Finding, Status
from builder.platforms import Subdir
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.inventory import Binary
    from builder.checks.survey import Survey
    from builder.environment.distributions import Distribution

CHECKS: Final = (
    Check(
        id="arch.binary",
        area="architecture",
        catches="Programs, libraries and extension modules without code for the target's processor, and damaged ones.",
        otherwise="ImportError: … (mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))",
    ),
    Check(
        id="arch.interpreter",
        area="architecture",
        catches="A Python interpreter for another processor than the target's.",
        otherwise="No error with Rosetta, only slow; and `No matching distribution found` for arm64 wheels.",
    ),
    Check(
        id="arch.universal",
        area="architecture",
        catches="A universal interpreter: it runs as x86_64 where its parent process does (a Rosetta terminal or IDE).",
        otherwise="ImportError: … incompatible architecture (have 'arm64', need 'x86_64'), in one application only.",
    ),
    Check(
        id="arch.packages",
        area="architecture",
        catches="conda packages of another subdir, and wheels whose tags are for another platform or Python.",
        otherwise="ModuleNotFoundError for a package that pip lists, or an incompatible architecture on import.",
    ),
)

#: A file that names an Intel architecture is one of a set: the package picks the one that fits (debugpy, playwright).
_NAMES_AN_ARCH: Final = re.compile(r"(^|[/_.-])(x86_64|x86-64|amd64|x64|i386|i686|intel)([/_.-]|$)", re.IGNORECASE)
_CPYTHON: Final = re.compile(r"cp(\d)(\d+)t?")


def check(survey: Survey) -> Iterator[Finding]:
    yield from _binaries(survey)
    yield from _interpreter(survey)
    yield from _packages(survey)


def _binaries(survey: Survey) -> Iterator[Finding]:
    inventory = survey.inventory
    if inventory.unreadable:
        lines = [f"{item.rel}: {item.reason}" for item in inventory.unreadable]
        yield Finding(
            check="arch.binary",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'file')} that should be a binary cannot be read",
            evidence=listed(lines),
            remedy="Install the packages of these files again; they are damaged or not readable for you.",
        )
    if not survey.is_mac:
        return
    lacking = [binary for binary in inventory.binaries if not binary.serves]
    served = {survey.packages.owner(binary.rel) for binary in inventory.binaries if binary.serves}
    chosen = [
        binary
        for binary in lacking
        if _NAMES_AN_ARCH.search(binary.rel) and survey.packages.owner(binary.rel) in served
    ]
    wrong = [binary.rel for binary in lacking if binary not in chosen]
    lines = [_described(survey, binary) for binary in lacking if binary not in chosen]
    # ELF files beside code for macOS are data (PyInstaller carries loaders for other systems); alone they are the code.
    for rel in inventory.elf:
        if ".so" in rel and survey.packages.owner(rel) not in served:
            wrong.append(rel)
            lines.append(f"{rel} ({survey.packages.described(rel)}): a Linux binary")
    if wrong:
        packages = sorted({survey.packages.described(rel) for rel in wrong})
        yield Finding(
            check="arch.binary",
            status=Status.FAIL,
            title=f"{plural(len(wrong), 'binary', 'binaries')} of {', '.join(packages[:4])}"
            f"{' and others' if len(packages) > 4 else ''} cannot run on {survey.arch}",
            evidence=listed(lines),
            remedy=f"Install these packages for {survey.arch}: in a native terminal, with an {survey.arch} Python.",
        )
    if not inventory.binaries and not inventory.unreadable:
        yield Finding(check="arch.binary", status=Status.SKIP, title="No binary is there to look at")
    elif not wrong and not inventory.unreadable:
        count = len(inventory.binaries) - len(chosen)
        yield Finding(
            check="arch.binary",
            status=Status.PASS,
            title=f"All {plural(count, 'binary', 'binaries')} have code for {survey.arch}",
            evidence=(
                f"{plural(inventory.files, 'file')} looked at",
                *(f"left out, one of a set by name: {binary.rel} ({'/'.join(binary.archs)})" for binary in chosen[:5]),
            ),
        )


def _described(survey: Survey, binary: Binary) -> str:
    return (
        f"{binary.rel} ({survey.packages.described(binary.rel)}): have '{','.join(binary.archs)}', need '{survey.arch}'"
    )


def _interpreter(survey: Survey) -> Iterator[Finding]:
    if not survey.is_mac:
        return
    found = survey.interpreter
    if found is None:
        reason = (
            "The folder holds no Python interpreter"
            if survey.prefix.python is None
            else f"{survey.prefix.python.name} is not a Mach-O program"
        )
        for identity in ("arch.interpreter", "arch.universal"):
            yield Finding(check=identity, status=Status.SKIP, title=reason)
        return
    shown = f"{found.rel}: {', '.join(found.archs)}"
    if not found.serves:
        yield Finding(
            check="arch.interpreter",
            status=Status.FAIL,
            title=f"The interpreter is built for {' and '.join(found.archs)}, not for {survey.arch}",
            evidence=(shown,),
            remedy="Create the environment again with an arm64 Python (conda: --platform osx-arm64).",
        )
    else:
        yield Finding(
            check="arch.interpreter",
            status=Status.PASS,
            title=f"The interpreter has code for {survey.arch}",
            evidence=(shown,),
        )
    if len(found.archs) > 1:
        yield Finding(
            check="arch.universal",
            status=Status.WARN,
            title="The interpreter is universal: it runs as x86_64 when the program that starts it does",
            evidence=(shown, "A Rosetta terminal or IDE then loads x86_64 code, which arm64-only packages lack."),
            remedy="Use a single-architecture Python, or start it with `arch -arm64 python`.",
        )
    else:
        yield Finding(
            check="arch.universal",
            status=Status.PASS,
            title="The interpreter has one architecture, whatever starts it",
            evidence=(shown,),
        )


def _packages(survey: Survey) -> Iterator[Finding]:
    prefix = survey.prefix
    subdir = prefix.subdir or _guessed(survey)
    allowed = {subdir.value, Subdir.NOARCH.value} if subdir is not None else set()
    strange = [record for record in prefix.conda_records if allowed and record.subdir not in allowed]
    lines = [f"conda package {record.name} {record.version} is for {record.subdir}" for record in strange]
    version = prefix.python_version or usual_python(prefix.distributions)
    # A few wheels say macosx_…_x86_64 and hold arm64 code (tensorflow-macos 2.12.0): the code counts.
    lacking = {survey.packages.owner(binary.rel) for binary in survey.inventory.binaries if not binary.serves}
    proven = {survey.packages.owner(binary.rel) for binary in survey.inventory.binaries if binary.serves} - lacking
    for dist in prefix.distributions:
        tags = _tags(dist)
        reason = _unfit(tags, None if dist.name in proven else subdir, version) if tags else None
        if reason is not None:
            lines.append(f"wheel {dist.name} {dist.version} ({', '.join(tags[:3])}) {reason}")
    if lines:
        yield Finding(
            check="arch.packages",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'package is', 'packages are')} for another platform or Python",
            evidence=listed(lines),
            remedy="Install these packages again, with the environment's own Python and for its platform.",
        )
        return
    for_what = subdir.value if subdir is not None else "one platform"
    python = f" and Python {version[0]}.{version[1]}" if version else ""
    yield Finding(
        check="arch.packages",
        status=Status.PASS if prefix.conda_records or prefix.distributions else Status.SKIP,
        title=f"All packages are for {for_what}{python}"
        if prefix.conda_records or prefix.distributions
        else "No package metadata (conda-meta, dist-info) is there to look at",
        evidence=(f"{len(prefix.conda_records)} conda packages, {len(prefix.distributions)} Python distributions",),
    )


def _guessed(survey: Survey) -> Subdir | None:
    """The platform of a folder of wheels, from what most of its binaries are."""
    if survey.inventory.binaries:
        return Subdir.OSX_ARM64 if survey.arch == "arm64" else Subdir.OSX_64
    if survey.inventory.elf:
        return {"x86_64": Subdir.LINUX_64, "aarch64": Subdir.LINUX_AARCH64}.get(survey.elf_machine)
    return None


def _tags(dist: Distribution) -> tuple[str, ...]:
    lines = (dist.read("WHEEL") or "").splitlines()
    return tuple(line[4:].strip() for line in lines if line.startswith("Tag:"))


def usual_python(dists: tuple[Distribution, ...]) -> tuple[int, int] | None:
    """The Python that most version-bound wheels are for, in a folder that does not say."""
    counts: Counter[tuple[int, int]] = Counter()
    for dist in dists:
        for tag in _tags(dist):
            python, _, rest = tag.partition("-")
            match = _CPYTHON.fullmatch(python)
            if match and not rest.startswith("abi3"):
                counts[int(match[1]), int(match[2])] += 1
    return counts.most_common(1)[0][0] if counts else None


def _unfit(tags: tuple[str, ...], subdir: Subdir | None, version: tuple[int, int] | None) -> str | None:
    """Why none of a wheel's tags fits, or None where one does."""
    split = [tuple(tag.rsplit("-", 2)) for tag in tags if tag.count("-") >= 2]
    platforms = [parts[2] for parts in split]
    if subdir is not None and not any(_platform_fits(platform, subdir) for platform in platforms):
        return f"is not for {subdir}"
    if version is not None and not any(_python_fits(parts[0], parts[1], version) for parts in split):
        return f"is not for Python {version[0]}.{version[1]}"
    return None


def _platform_fits(platform: str, subdir: Subdir) -> bool:
    if platform == "any":
        return True
    if subdir.is_osx:
        return platform.startswith("macosx_") and platform.endswith((f"_{subdir.machine}", "_universal2"))
    return "linux" in platform and platform.endswith(f"_{subdir.machine}")


def _python_fits(python: str, abi: str, version: tuple[int, int]) -> bool:
    for one in python.split("."):
        if one in ("py2.py3", "py3", "py2", f"py{version[0]}{version[1]}"):
            return one != "py2"
        match = _CPYTHON.fullmatch(one) or re.fullmatch(r"py(\d)(\d+)", one)
        if match is not None:
            wanted = (int(match[1]), int(match[2]))
            bound = one.startswith("cp") and abi not in ("abi3", "none")
            if wanted == version or (not bound and wanted <= version):
                return True
    return False
