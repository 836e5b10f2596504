"""Packages: are the files those that were installed, owned once, with everything they require?"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from builder.binaries.hashing import Job
from builder.checks.architecture import usual_python
from builder.checks.registry import Check
from builder.finding import Finding, Status
from builder.platforms import Subdir
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from builder.binaries.hashing import Answer
    from builder.checks.survey import Survey
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.ownership import Owner, Ownership

CHECKS: Final = (
    Check(
        id="pkg.integrity",
        area="packages",
        catches="Files changed, missing or added since their package was installed, by conda-meta's hashes and RECORD.",
        otherwise="Whatever the damaged file does: half an upgrade shows as an AttributeError deep inside a package.",
    ),
    Check(
        id="pkg.clobber",
        area="packages",
        catches="pip and conda (or two wheels) owning the same module, so that one has overwritten the other.",
        otherwise="`conda list` says one version, the program imports another; removing either breaks both.",
    ),
    Check(
        id="pkg.metadata",
        area="packages",
        catches="Requirements of installed distributions (Requires-Dist) that are absent or of a wrong version.",
        otherwise="pip's warning that scrolled by, then an ImportError or AttributeError on first use.",
    ),
)

_GENERATED: Final = re.compile(
    r"(^|/)__pycache__/|\.pyc$|(^|/)(RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json)$"
)


def jobs(survey: Survey, owned: Ownership) -> list[Job]:
    """The files to hash for `pkg.integrity`."""
    root = survey.prefix.path
    found = []
    for rel, claims in owned.files.items():
        if any(claim.sha256 for claim in claims) and not _GENERATED.search(rel):
            path = f"{root}/{rel}"
            try:
                size = os.stat(path).st_size  # noqa: PTH116 - tens of thousands of files
            except OSError:
                size = 0
            found.append(Job(kind="digest", path=path, size=size))
    return found


def check(survey: Survey, owned: Ownership, answers: dict[tuple[str, str], Answer]) -> Iterator[Finding]:
    yield from _integrity(survey, owned, answers)
    yield from _clobber(survey.prefix, owned)
    yield from _metadata(survey)


def _integrity(survey: Survey, owned: Ownership, answers: dict[tuple[str, str], Answer]) -> Iterator[Finding]:
    for record in survey.prefix.unreadable:
        if record.path.parent.name != "conda-meta" or record.path.suffix != ".json":
            continue
        yield Finding(
            check="pkg.integrity",
            status=Status.FAIL,
            title=f"conda-meta/{record.path.name} is not a readable package record",
            evidence=(record.reason,),
            remedy="Create the environment again; conda can no longer manage it.",
        )
    if not owned.files:
        yield Finding(check="pkg.integrity", status=Status.SKIP, title="No package recorded its files here")
        return
    lines: list[str] = []
    counted = 0
    for rel, claims in owned.files.items():
        answer = answers.get(("digest", f"{survey.prefix.path}/{rel}"))
        if answer is None:
            continue
        counted += 1
        owner = _named(claims[-1].owner)
        if answer.missing:
            lines.append(f"missing: {rel} ({owner})")
        elif answer.error is not None:
            lines.append(f"unreadable: {rel} ({owner}): {answer.error}")
        elif answer.digest not in {claim.sha256 for claim in claims}:
            lines.append(f"changed: {rel} ({owner})")
    added = _added(survey, owned)
    if lines:
        lines.sort(key=lambda line: (not line.endswith((".so", ".dylib")), line))
        yield Finding(
            check="pkg.integrity",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'file is', 'files are')} not as installed",
            evidence=listed(lines),
            remedy="Install these packages again, or create the environment again from its lock.",
        )
    if added:
        yield Finding(
            check="pkg.integrity",
            status=Status.WARN,
            title=f"{plural(len(added), 'file')} in package folders belong to no package",
            evidence=listed([f"added: {rel}" for rel in added]),
            remedy="Leftovers of an earlier version are imported too: remove the folder, install the package again.",
        )
    if not lines and not added:
        yield Finding(
            check="pkg.integrity",
            status=Status.PASS,
            title=f"All {plural(counted, 'recorded file is', 'recorded files are')} as installed",
            evidence=(f"{len(survey.prefix.conda_records)} conda packages, {len(survey.prefix.distributions)} wheels",),
        )


def _named(owner: Owner) -> str:
    return f"conda {owner}" if owner.manager == "conda" else str(owner)


def _added(survey: Survey, owned: Ownership) -> list[str]:
    """Code in folders of installed distributions that no record names."""
    site = survey.prefix.site_packages
    if site is None:
        return []
    root = f"{survey.prefix.path}/"
    recorded: set[str] = set()
    for dist in survey.prefix.distributions:
        tops = {entry.path.partition("/")[0] for entry in dist.record() if "/" in entry.path}
        recorded.update(top for top in tops if top.isidentifier())
    found = [
        binary.rel
        for binary in survey.inventory.binaries
        if binary.rel not in owned.files
        and binary.path.startswith(f"{site}/")
        and survey.packages.top_level(binary.rel) in recorded
    ]
    for folder in sorted(recorded):
        for top, folders, names in os.walk(site / folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in names:
                rel = f"{top}/{name}".removeprefix(root)
                if name.endswith(".py") and rel not in owned.files:
                    found.append(rel)
    return found


def _clobber(prefix: Environment, owned: Ownership) -> Iterator[Finding]:
    pairs: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for rel, claims in owned.files.items():
        if len(claims) > 1 and rel.endswith((".so", ".dylib", ".py")):
            owners = tuple(dict.fromkeys(_named(claim.owner) for claim in claims))
            digests = {claim.sha256 for claim in claims if claim.sha256 is not None}
            if len(owners) > 1 and len(digests) > 1 and not _same_package(owners):
                pairs[owners].append(rel)
    lines = [
        f"{' and '.join(owners)}: {plural(len(files), 'file')}, e.g. {files[0]}" for owners, files in pairs.items()
    ]
    versions: dict[str, list[str]] = defaultdict(list)
    for dist in prefix.distributions:
        versions[dist.name].append(dist.version)
    lines += [
        f"{name} has several dist-info folders: {', '.join(found)}"
        for name, found in versions.items()
        if len(found) > 1
    ]
    installed = {dist.name: dist for dist in prefix.distributions}
    for record in prefix.conda_records:
        other = installed.get(canonicalize_name(record.name))
        if other is not None and other.installer not in ("", "conda") and other.version != record.version:
            lines.append(
                f"{record.name}: conda says {record.version}, {other.installer} installed {other.version} over it"
            )
    if lines:
        yield Finding(
            check="pkg.clobber",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'module is', 'modules are')} owned twice",
            evidence=listed(lines),
            remedy="Keep one of the two: remove both, then install the one you want.",
        )
    else:
        yield Finding(
            check="pkg.clobber",
            status=Status.PASS if owned.files else Status.SKIP,
            title="No module is owned by two packages" if owned.files else "No package recorded its files here",
            evidence=(f"{len(owned.files):,} files",) if owned.files else (),
        )


def _same_package(owners: tuple[str, ...]) -> bool:
    """A conda package and the dist-info it brought along are one package."""
    return len({tuple(map(canonicalize_name, owner.removeprefix("conda ").split(" "))) for owner in owners}) == 1


def _metadata(survey: Survey) -> Iterator[Finding]:
    prefix = survey.prefix
    if not prefix.distributions:
        yield Finding(check="pkg.metadata", status=Status.SKIP, title="No Python distribution is installed here")
        return
    environment = marker_environment(survey)
    versions = {dist.name: dist.version for dist in prefix.distributions}
    conda = {canonicalize_name(record.name): record.version for record in prefix.conda_records}
    wrong: list[str] = []
    absent: list[str] = []
    counted = 0
    for dist in prefix.distributions:
        for requirement in _requirements(dist, environment):
            counted += 1
            name = canonicalize_name(requirement.name)
            found = versions.get(name) or conda.get(name)
            if found is None:
                absent.append(f"{dist.name} {dist.version} requires {requirement}: not installed")
            elif not _satisfied(requirement, found):
                needed = f"{requirement.name}{requirement.specifier}"
                wrong.append(f"{dist.name} {dist.version} requires {needed}: {found} is installed")
    whole = prefix.python is not None
    if wrong or (absent and whole):
        lines = [*wrong, *(absent if whole else ())]
        yield Finding(
            check="pkg.metadata",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'requirement is', 'requirements are')} not met",
            evidence=listed(lines),
            remedy="Resolve the environment again: these packages were installed without regard to each other.",
        )
    elif absent:
        yield Finding(
            check="pkg.metadata",
            status=Status.SKIP,
            title=f"{plural(len(absent), 'requirement is', 'requirements are')} not in this folder, "
            "which is no whole environment",
            evidence=listed(absent, most=5),
        )
    else:
        yield Finding(
            check="pkg.metadata",
            status=Status.PASS,
            title=f"All {plural(counted, 'requirement')} of {plural(len(versions), 'distribution')} are met",
        )


def _satisfied(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # a version that is none cannot be judged


def _requirements(dist: Distribution, environment: dict[str, str]) -> Iterator[Requirement]:
    yield from (requirement for requirement in dist.requirements() if _applies(requirement, environment))


def _applies(requirement: Requirement, environment: dict[str, str]) -> bool:
    """Whether the requirement's marker holds; one that compares what cannot be compared does not."""
    try:
        return requirement.marker is None or requirement.marker.evaluate(environment)
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion, ValueError):
        return False


def marker_environment(survey: Survey) -> dict[str, str]:
    """The environment markers of the target, which need not be this machine."""
    subdir = survey.prefix.subdir
    machine = subdir.machine if subdir not in (None, Subdir.NOARCH) and subdir is not None else survey.arch
    version = survey.prefix.python_version or usual_python(survey.prefix.distributions) or (3, 11)
    python = f"{version[0]}.{version[1]}"
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_release": "",
        "platform_system": "Darwin" if survey.is_mac else "Linux",
        "platform_version": "",
        "platform_python_implementation": "CPython",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "darwin" if survey.is_mac else "linux",
        "extra": "",
    }
