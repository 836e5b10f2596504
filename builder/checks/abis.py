"""Binary interfaces that are neither symbols nor libraries: NumPy's table of functions, and Python's own tags.

Arrow's and HDF5's are not among them: the version is in the install name (libarrow.1801.dylib, libhdf5.310.dylib), so
that another one is a library that is missing; a second copy in one process is reported by link.two-copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.checks.check import Check, Needs
from builder.checks.reach import optional_reason
from builder.checks.tags import tags_of
from builder.errors import BinaryError
from builder.finding import Finding, Remedy, Status
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.numpy_abi import NumpyAbi
    from builder.checks.reach import Module
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
        about=frozenset((rel, survey.packages.owner(rel), "numpy")),
    )


def _python(subject: Subject) -> Iterator[Finding]:
    """Packages none of whose extension modules this Python takes for one, by their names."""
    survey = subject.survey
    reach = survey.reach
    if not reach.modules or survey.python_minor is None:
        yield Finding(
            check="link.python-abi",
            status=Status.SKIP,
            title="No extension modules here" if not reach.modules else "Nothing here says which Python it is for",
        )
        return
    by_package: dict[str, list[Module]] = {}
    for module in reach.modules:
        by_package.setdefault(survey.packages.owner(module.rel), []).append(module)
    unfit = {
        package: modules
        for package, modules in by_package.items()
        if all(map(reach.why_foreign, modules)) and any(one.python or one.is_abi3 for one in modules)
    }
    for package, modules in unfit.items():
        yield _foreign(subject, package, modules)
    if not unfit:
        threading = " (free-threaded)" if reach.free_threaded else ""
        yield Finding(
            check="link.python-abi",
            status=Status.PASS,
            title=f"Python {survey.python_minor}{threading} can import extension modules of all "
            f"{plural(len(by_package), 'package')} that have some",
            evidence=listed([f"left out: {rel} is {why}" for rel, why in sorted(reach.never.items())], most=8),
        )


def _foreign(subject: Subject, package: str, modules: list[Module]) -> Finding:
    survey = subject.survey
    rel = modules[0].rel
    dist = subject.environment.distribution(package)
    # A wheel for every Python may do without its compiled parts; one that is for this Python was built wrongly.
    does_without = dist is not None and any("-none-" in tag for tag in tags_of(dist))
    threading = "t" if survey.reach.free_threaded else ""
    return Finding(
        check="link.python-abi",
        status=Status.WARN if does_without else Status.FAIL,
        title=f"Python {survey.python_minor}{threading} cannot import any extension module of "
        f"{survey.packages.described(rel)}",
        evidence=(
            "ModuleNotFoundError: No module named …",
            *listed([f"{one.rel}: {survey.reach.why_foreign(one)}" for one in modules], most=5),
        ),
        remedy=Remedy(f"Install a build of {package} for Python {survey.python_minor}{threading}."),
        about=frozenset((rel, package)),
    )


CHECKS: Final = (
    Check(
        id="link.python-abi",
        area="linking",
        needs=Needs.FILES,
        catches="Packages whose compiled modules are all for another Python: by version, abi3, or free-threading.",
        otherwise="ModuleNotFoundError: No module named 'pydantic_core._pydantic_core', though the file is there.",
        run=_python,
    ),
    Check(
        id="link.numpy-abi",
        area="linking",
        needs=Needs.FILES,
        catches="Binaries compiled against NumPy 1 beside NumPy 2, or against a newer NumPy than the one installed.",
        otherwise="A module that was compiled using NumPy 1.x cannot be run in NumPy 2.0.2 as it may crash.",
        run=_numpy,
    ),
)
