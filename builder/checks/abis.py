"""Binary interfaces that are neither symbols nor libraries: NumPy's table of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.checks.check import Check, Needs
from builder.checks.reach import optional_reason
from builder.errors import BinaryError
from builder.finding import Finding, Remedy, Status
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.numpy_abi import NumpyAbi
    from builder.checks.subject import Subject
    from builder.checks.survey import Survey


def _numpy(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    users = list(_users(survey))
    if not users:
        yield Finding(check="link.numpy-abi", status=Status.SKIP, title="No binary uses NumPy's C API")
        return
    version = _numpy_version(subject)
    if version is None:
        yield Finding(
            check="link.numpy-abi",
            status=Status.SKIP,
            title=f"NumPy is not installed, though {plural(len(users), 'binary uses', 'binaries use')} its C API",
            evidence=listed(_packages(survey, users)),
        )
        return
    unfit: dict[str, list[tuple[str, NumpyAbi]]] = {}
    for rel, abi in users:
        if not abi.accepts(version.release):
            unfit.setdefault(survey.packages.described(rel), []).append((rel, abi))
    for package, items in unfit.items():
        yield _unfit(survey, package, items, version)
    if not unfit:
        yield Finding(
            check="link.numpy-abi",
            status=Status.PASS,
            title=f"All {plural(len(users), 'binary', 'binaries')} that use NumPy's C API work with NumPy {version}",
            evidence=listed(_packages(survey, users)),
        )


def _users(survey: Survey) -> Iterator[tuple[str, NumpyAbi]]:
    """(file, ABI) of every binary that uses NumPy's C API, NumPy's own and those that need not load left out."""
    binaries = [binary for binary in survey.inventory.binaries if binary.serves] if survey.is_mac else ()
    for binary in binaries:
        if _counts(survey, binary.rel):
            try:
                abi = binary.numpy_abi
            except (BinaryError, OSError):
                continue  # a damaged file is another check's
            if abi is not None:
                yield binary.rel, abi
    for file in survey.elf.binaries if not survey.is_mac else ():
        if file.machine == survey.elf_machine and _counts(survey, file.rel):
            try:
                abi = file.numpy_abi()
            except (BinaryError, OSError):
                continue
            if abi is not None:
                yield file.rel, abi


def _counts(survey: Survey, rel: str) -> bool:
    return survey.packages.owner(rel) != "numpy" and optional_reason(rel) is None and rel not in survey.reach.never


def _numpy_version(subject: Subject) -> Version | None:
    dist = subject.environment.distribution("numpy")
    try:
        return Version(dist.version) if dist is not None else None
    except InvalidVersion:
        return None


def _packages(survey: Survey, users: list[tuple[str, NumpyAbi]]) -> list[str]:
    """`h5py 3.12.1: NumPy 1.20 or newer`, the most demanding binary of each package."""
    wanted: dict[str, set[str]] = {}
    for rel, abi in users:
        wanted.setdefault(survey.packages.described(rel), set()).add(abi.wants)
    return [f"{package}: {', '.join(sorted(wants))}" for package, wants in wanted.items()]


def _unfit(survey: Survey, package: str, items: list[tuple[str, NumpyAbi]], version: Version) -> Finding:
    rel, abi = next((item for item in items if item[1].sure), items[0])
    name = package.partition(" ")[0]
    if abi.headers == 1:
        told = (
            "A module that was compiled using NumPy 1.x cannot be run in NumPy "
            f"{version} as it may crash … numpy.core.multiarray failed to import"
            if abi.sure
            else "it finds NumPy's functions as pybind11 before 2.12 does: wrong results or a crash when it uses them"
        )
        remedy = f"Install a release of {name} that supports NumPy 2, or NumPy 1 (`numpy<2`)."
    else:
        told = "module was compiled against NumPy C-API version … but the running NumPy has C-API version …"
        remedy = f"Install {abi.wants}, or a release of {name} that was built for NumPy {version}."
    return Finding(
        check="link.numpy-abi",
        status=Status.FAIL if abi.sure else Status.WARN,
        title=f"{package} was built for {abi.wants}, and NumPy {version} is installed",
        evidence=(told, *listed([f"{rel}: {abi.wants}" for rel, abi in items], most=8)),
        remedy=Remedy(remedy),
        about=frozenset((rel, survey.packages.owner(rel))),
    )


CHECKS: Final = (
    Check(
        id="link.numpy-abi",
        area="linking",
        needs=Needs.FILES,
        catches="Binaries compiled against NumPy 1 beside NumPy 2, or against a newer NumPy than the one installed.",
        otherwise="A module that was compiled using NumPy 1.x cannot be run in NumPy 2.0.2 as it may crash.",
        run=_numpy,
    ),
)
