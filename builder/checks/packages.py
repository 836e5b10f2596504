"""Packages: are the files those that were installed, owned once, with everything they require, as the lock has them?"""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.binaries.hashing import Job, answer
from builder.checks.check import Check, Needs
from builder.checks.integrity import INTEGRITY, NO_RECORDS, described, recorded_files
from builder.checks.judging import probed
from builder.checks.lockdiff import brought_by_conda, replaced, unlike, unlocked
from builder.checks.requirements import unmet
from builder.checks.system import installed
from builder.environment.ownership import Owner
from builder.finding import Finding, Remedy, Status
from builder.probes.level import Level
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.case import Case
    from builder.checks.subject import Subject
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment


def _clobber(subject: Subject) -> Iterator[Finding]:
    environment = subject.environment
    pairs: dict[tuple[Owner, ...], list[str]] = defaultdict(list)
    for rel, claims in recorded_files(environment).items():
        if len(claims) > 1 and rel.endswith((".so", ".dylib", ".py")):
            owners = tuple(dict.fromkeys(claim.owner for claim in claims))
            digests = {claim.sha256 for claim in claims if claim.sha256 is not None}
            if len(owners) > 1 and len(digests) > 1 and not _same_package(owners):
                pairs[owners].append(rel)
    lines = [
        f"{' and '.join(map(described, owners))}: {plural(len(files), 'file')}, e.g. {files[0]}"
        for owners, files in pairs.items()
    ]
    concerned = [owner for owners in pairs for owner in owners]
    of_the_lock = [owner.name for owner in dict.fromkeys(concerned)] if _all_locked(concerned, environment) else []
    versions: dict[str, list[Distribution]] = defaultdict(list)
    for dist in installed(environment):
        versions[dist.name].append(dist)
    for name, found in versions.items():
        if len(found) > 1:
            told = listing([dist.version for dist in found])
            lines.append(f"{name} is installed in several versions, according to its metadata: {told}")
            concerned.append(environment.owners.owner_of_distribution(found[-1]))
    for record in environment.conda_records:
        other = next(iter(versions.get(canonicalize_name(record.name), ())), None)
        if other is not None and other.installer not in ("", "conda") and other.version != record.version:
            lines.append(
                f"{record.name}: conda says {record.version}, {other.installer} installed {other.version} over it"
            )
            concerned.append(Owner(name=record.name, version=record.version, manager="conda"))
    if lines:
        yield Finding(
            check="pkg.clobber",
            status=Status.FAIL,
            title=lines[0]
            if len(lines) == 1
            else f"{plural(len(lines), 'package')} overwrite each other: "
            f"{listing(list(dict.fromkeys(owner.name for owner in concerned)), most=3)}",
            evidence=listed(lines),
            remedy=_which_stays(subject, of_the_lock if len(lines) == len(pairs) else []),
            about=frozenset(owner.name for owner in concerned),
        )
    elif not environment.owners.files:
        yield Finding(check="pkg.clobber", status=Status.SKIP, title=NO_RECORDS)
    else:
        yield Finding(
            check="pkg.clobber",
            status=Status.PASS,
            title="No package has overwritten files of another",
            evidence=(f"{len(environment.owners.files):,} files",),
        )


def _all_locked(owners: list[Owner], environment: Environment) -> bool:
    """Whether the lock itself has those that overwrite each other, as opencv-python and opencv-python-headless do."""
    stamp = environment.stamp
    locked = {(canonicalize_name(one.name), one.version) for one in stamp.packages} if stamp is not None else set()
    return all((canonicalize_name(owner.name), owner.version) in locked for owner in owners)


def _which_stays(subject: Subject, of_the_lock: list[str]) -> Remedy:
    if subject.environment.stamp is None:
        return Remedy("Keep one of the two: remove both, then install the one you want.")
    if of_the_lock:
        return Remedy(
            f"The lock has {' and '.join(of_the_lock)}, so building it again changes nothing: take the one you do not "
            "need, or what requires it, out of the recipe, lock and create again."
        )
    return subject.repair.rebuild()


def _same_package(owners: tuple[Owner, ...]) -> bool:
    """A conda package and the dist-info it brought along are one package."""
    return len({(canonicalize_name(owner.name), owner.version) for owner in owners}) == 1


def _metadata(subject: Subject) -> Iterator[Finding]:
    environment = subject.environment
    if not environment.distributions:
        yield Finding(check="pkg.metadata", status=Status.SKIP, title="There are no Python distributions here")
        return
    found = unmet(installed(environment), environment, survey=subject.survey)
    whole = environment.python is not None
    if found.wrong or (found.absent and whole):
        lines = [*found.wrong, *(found.absent if whole else ())]
        yield Finding(
            check="pkg.metadata",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'requirement is', 'requirements are')} not met: {lines[0]}",
            evidence=listed(lines),
            remedy=subject.repair.rebuild()
            if environment.stamp is not None
            else Remedy("Resolve the environment again: these packages were installed without regard to each other."),
            about=found.about,
        )
    elif not found.counted:
        yield Finding(check="pkg.metadata", status=Status.SKIP, title="No distribution here requires anything")
    elif found.absent:
        yield Finding(
            check="pkg.metadata",
            status=Status.SKIP,
            title=f"{plural(len(found.absent), 'requirement is', 'requirements are')} not in this folder, "
            "which is no whole environment",
            evidence=listed(found.absent, most=5),
        )
    else:
        yield Finding(
            check="pkg.metadata",
            status=Status.PASS,
            title=f"All {plural(found.counted, 'requirement')} of "
            f"{plural(len(environment.distributions), 'distribution')} are met",
        )


def judge_bytecode(case: Case) -> Finding:
    """Compiled files that are not their sources', except as a package brought them."""
    root = str(case.environment.path)
    pairs = [
        (os.path.relpath(compiled, root), os.path.relpath(source, root))
        for compiled, source in case.facts["different"]
        if not _is_as_packed(case.environment, os.path.relpath(compiled, root))
    ]
    total, compared = case.facts["total"], case.facts["compared"]
    if not pairs:
        if not compared:
            return case.skipped("There are no compiled files to compare with their sources.")
        return case.passed(
            f"{compared:,} compiled files are what their sources compile to.",
            f"{compared:,} of {total:,} compared, those changed last first",
        )
    owners = [case.environment.owners.package(source) for _, source in pairs]
    files = [str(case.environment.path / compiled) for compiled, _ in pairs]
    several = len(pairs) > 1
    return Finding(
        check=case.check,
        # Another patch release of Python may compile in another way; the environment of a lock has one Python.
        status=Status.FAIL if case.environment.stamp is not None else Status.WARN,
        title=f"{plural(len(pairs), 'compiled file')} {'are' if several else 'is'} not what "
        f"{'their sources compile' if several else 'its source compiles'} to: "
        f"{listing([compiled for compiled, _ in pairs], most=2)}.",
        evidence=listed([f"{compiled} is not compiled from {source}" for compiled, source in pairs]),
        remedy=Remedy(
            f"Delete {'them' if several else 'it'}: Python compiles the source again.",
            (shlex.join(("rm", "-f", "--", *files[:50])),),
        ),
        about=frozenset(
            (*(name for pair in pairs for name in pair), *(owner.name for owner in owners if owner is not None))
        ),
    )


def _is_as_packed(environment: Environment, rel: str) -> bool:
    """Whether it is the file that its conda package has, compiled where that was built."""
    recorded = {claim.sha256 for claim in environment.owners.claims(rel)} - {None}
    return bool(recorded) and answer(Job(kind="digest", path=str(environment.path / rel), size=0)).digest in recorded


def _locked(subject: Subject) -> Iterator[Finding]:
    """Every package of the stamp's lock is there in its locked version: conda-meta for conda, dist-info for PyPI."""
    environment = subject.environment
    stamp = environment.stamp
    if stamp is None:
        yield Finding(
            check="pkg.locked",
            status=Status.SKIP,
            title="envbuild did not make this environment, so there is no lock to compare it with",
        )
        return
    if not stamp.packages:
        yield Finding(check="pkg.locked", status=Status.SKIP, title="The lock of this environment names no packages")
        return
    brought = brought_by_conda(environment)
    different = [*unlike(environment, stamp.packages), *replaced(environment, brought)]
    if different:
        owners = list(dict.fromkeys(owner for owner, _ in different))
        lines = [line for _, line in different]
        more = f" and {plural(len(lines) - 1, 'other')}" if len(lines) > 1 else ""
        yield Finding(
            check="pkg.locked",
            status=Status.FAIL,
            title=f"{plural(len(lines), 'package is', 'packages are')} not as locked: {lines[0]}{more}",
            evidence=listed(lines, most=20),
            remedy=subject.repair.restore(owners),
            about=frozenset(owner.name for owner in owners),
        )
        return
    extra = list(unlocked(environment, stamp.packages, brought))
    if extra:
        yield Finding(
            check="pkg.locked",
            status=Status.WARN,
            title=f"{plural(len(extra), 'package')} {'is' if len(extra) == 1 else 'are'} installed beside those of the "
            f"lock: {listing(extra, most=3)}",
            evidence=listed(extra, most=20),
            remedy=subject.repair.rebuild(
                why="Add them to the recipe and lock again; or build the environment again without them."
            ),
            about=frozenset(line.partition(" ")[0] for line in extra),
        )
        return
    yield Finding(
        check="pkg.locked",
        status=Status.PASS,
        title=f"All {plural(len(stamp.packages), 'package')} of the lock are there in their locked versions",
    )


CHECKS: Final = (
    Check(
        id="pkg.locked",
        area="packages",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="Packages of the lock that are missing or in another version, and those it does not know.",
        otherwise="`works on my machine`: the same lock, another environment.",
        run=_locked,
    ),
    INTEGRITY,
    probed(
        id="pkg.bytecode",
        area="packages",
        catches="Compiled files (`.pyc`) that are not what their sources compile to; Python runs them all the same.",
        otherwise="An error in a line that the source does not have.",
        judge=judge_bytecode,
    ),
    Check(
        id="pkg.clobber",
        area="packages",
        needs=Needs.FILES,
        catches="pip and conda (or two wheels) owning the same module, so that one has overwritten the other.",
        otherwise="`conda list` says one version, the program imports another; removing either breaks both.",
        run=_clobber,
    ),
    Check(
        id="pkg.metadata",
        area="packages",
        needs=Needs.FILES,
        catches="Requirements of installed distributions (Requires-Dist) that are absent or of a wrong version.",
        otherwise="pip's warning that scrolled by, then an ImportError or AttributeError on first use.",
        run=_metadata,
    ),
)
