"""Code that protoc generated, and the protobuf that runs it.

Sources: google/protobuf/runtime_version.py (`ValidateProtobufRuntimeVersion`, called by code of 5.26 and later: the
runtime may not be older than the code), google/protobuf/descriptor.py of 4.21 (`_CheckCalledFromGeneratedFile`: code of
before 3.20 makes descriptors itself, which is refused since).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.binaries.summary_python import OLD_STYLE
from builder.checks.check import Check, Needs
from builder.finding import Finding, Status
from builder.wording import dotted, listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.summary_python import Generated
    from builder.checks.subject import Subject

_ID: Final = "pkg.protobuf"
#: Since then descriptors are made by the C library alone.
_REFUSES_OLD: Final = Version("4.21")


def _protobuf(subject: Subject) -> Iterator[Finding]:
    dist = subject.environment.distribution("protobuf")
    generated = {
        owner: sorted(files, key=lambda one: one.rel)
        for owner, files in sorted(subject.survey.generated.items())
        if owner != "protobuf"
    }
    if not generated:
        yield Finding(check=_ID, status=Status.SKIP, title="No package has code that protoc generated")
        return
    try:
        runtime = Version(dist.version) if dist is not None else None
    except InvalidVersion:
        runtime = None
    if runtime is None:
        yield Finding(
            check=_ID,
            status=Status.SKIP,
            title="protobuf is not installed from a distribution with a readable version",
            evidence=listed([f"its generated code: {owner}" for owner in generated]),
        )
        return
    told: list[str] = []
    unfit = False
    for owner, files in generated.items():
        found = _unfit(files, runtime)
        if not found:
            continue
        package = subject.survey.packages.described(found[0].rel)
        newer = max((one.protobuf for one in found if one.protobuf not in (None, OLD_STYLE)), default=None)
        if not _requires(subject, owner):
            told.append(f"left out: {found[0].rel}, for {package} does without protobuf")
            continue
        if newer is None and len(found) * 2 < len({_name(one) for one in files}):
            told.append(f"left out: {found[0].rel} of {package} is of protobuf before 3.20, as few of its files are")
            continue
        unfit = True
        yield _mismatch(subject, package, found, newer, runtime, admitted=_admits(subject, owner, runtime))
    if not unfit:
        count = sum(map(len, generated.values()))
        yield Finding(
            check=_ID,
            status=Status.PASS,
            title=f"protobuf {runtime} runs all {plural(count, 'generated module')} of {listing(list(generated))}",
            evidence=tuple(told),
        )


def _requires(subject: Subject, owner: str) -> bool:
    """Whether the package always comes with protobuf, and not with an extra alone."""
    dist = subject.environment.distribution(owner)
    if dist is not None:
        wanted = (requirement for requirement in dist.requirements() if requirement.name.lower() == "protobuf")
        return any(requirement.marker is None or "extra" not in str(requirement.marker) for requirement in wanted)
    records = (record for record in subject.environment.conda_records if record.name == owner)
    return any(line.split(" ")[0] == "protobuf" for record in records for line in record.depends)


def _admits(subject: Subject, owner: str, runtime: Version) -> bool:
    """Whether the package's own metadata lets this protobuf in: then what needs more is a part that few import."""
    dist = subject.environment.distribution(owner)
    lines = dist.requirements() if dist is not None else ()
    wanted = [line.specifier for line in lines if line.name.lower() == "protobuf"]
    return bool(wanted) and all(specifier.contains(runtime, prereleases=True) for specifier in wanted)


def _name(one: Generated) -> str:
    return one.rel.rpartition("/")[2]


def _unfit(files: list[Generated], runtime: Version) -> list[Generated]:
    """The files that this protobuf refuses, without those that the same package has in another variant that it runs."""
    refused = [one for one in files if _refuses(runtime, one)]
    fit = {_name(one) for one in files if one not in refused}
    return [one for one in refused if _name(one) not in fit]


def _refuses(runtime: Version, one: Generated) -> bool:
    if one.protobuf is None:
        return False
    if one.protobuf == OLD_STYLE:
        return runtime >= _REFUSES_OLD
    return one.protobuf > (*runtime.release, 0, 0, 0)[:3]


def _mismatch(
    subject: Subject,
    package: str,
    found: list[Generated],
    newer: tuple[int, int, int] | None,
    runtime: Version,
    *,
    admitted: bool,
) -> Finding:
    name = package.partition(" ")[0]
    if newer is None:
        title = f"{package} has code of protobuf before 3.20, which protobuf {runtime} refuses"
        said = "TypeError: Descriptors cannot be created directly."
        remedy = subject.repair.install("protobuf<3.21", say=f"Install protobuf 3.20, or a newer release of {name}.")
    else:
        title = f"{package} has code of protobuf {dotted(newer)}, and protobuf {runtime} is installed"
        said = (
            "VersionError: Detected incompatible Protobuf Gencode/Runtime versions … Runtime version cannot be older "
            "than the linked gencode version."
        )
        remedy = subject.repair.install(f"protobuf>={dotted(newer)}")
    return Finding(
        check=_ID,
        status=Status.WARN if newer is not None and admitted else Status.FAIL,
        title=title,
        evidence=(said, *listed([f"on import of {one.rel}" for one in found], most=5)),
        remedy=remedy,
        about=frozenset((found[0].rel, name)),
    )


CHECKS: Final = (
    Check(
        id=_ID,
        area="packages",
        needs=Needs.FILES,
        catches="Modules that protoc generated for another protobuf than the one installed.",
        otherwise="TypeError: Descriptors cannot be created directly. Or: Detected incompatible Protobuf Gencode/…",
        run=_protobuf,
    ),
)
