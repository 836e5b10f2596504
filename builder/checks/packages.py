"""Packages: are the files those that were installed, owned once, with everything they require, as the lock has them?"""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.binaries.hashing import Job, answer
from builder.checks.check import Check, Needs
from builder.checks.judging import probed
from builder.checks.lockdiff import brought_by_conda, replaced, unlike, unlocked
from builder.checks.requirements import unmet
from builder.checks.system import installed, is_debians
from builder.environment.ownership import Owner
from builder.finding import Finding, Remedy, Status
from builder.probes.level import Level
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.binaries.hashing import Answer
    from builder.checks.case import Case
    from builder.checks.subject import Subject
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.ownership import Claim

_NO_RECORDS: Final = "No package recorded its files here"


def _integrity(subject: Subject) -> Iterator[Finding]:
    environment = subject.environment
    damaged = [item for item in environment.unreadable if item.path.suffix == ".json"]
    if damaged:
        names = [item.path.relative_to(environment.path).as_posix() for item in damaged]
        yield Finding(
            check="pkg.integrity",
            status=Status.FAIL,
            title=f"{listing(names)} {'is not a readable package record' if len(names) == 1 else 'are not readable'}",
            evidence=tuple(f"{name}: {item.reason}" for name, item in zip(names, damaged, strict=True)),
            remedy=subject.repair.rebuild(why="conda can no longer manage this environment: build it again."),
            about=frozenset(names),
        )
    files = _recorded(environment)
    if not files:
        yield Finding(check="pkg.integrity", status=Status.SKIP, title=_NO_RECORDS)
        return
    answers = {rel: answer for rel in files if (answer := subject.files.digest(rel)) is not None}
    wrong = {rel: line for rel, answer in answers.items() if (line := _wrong(rel, answer, files[rel]))}
    if wrong:
        yield _changed(subject, wrong)
    without = _without_record(environment)
    if without:
        yield Finding(
            check="pkg.integrity",
            status=Status.FAIL,
            title=f"{listing([f'{dist.name} {dist.version}' for dist in without])} "
            f"{'has' if len(without) == 1 else 'have'} no RECORD: nothing says which files belong to "
            f"{'it' if len(without) == 1 else 'them'}",
            evidence=tuple(f"{dist.path.name}/RECORD is missing" for dist in without),
            remedy=subject.repair.restore(map(environment.owners.owner_of_distribution, without)),
            about=frozenset(dist.name for dist in without),
        )
    added = [] if without else _added(subject)
    if added:
        yield Finding(
            check="pkg.integrity",
            status=Status.WARN,
            title=f"{plural(len(added), 'file')} in package folders {'belongs' if len(added) == 1 else 'belong'} to no "
            f"package: {listing(added, most=2)}",
            evidence=listed([f"added: {rel}" for rel in added]),
            remedy=_set_aside(subject, added),
            about=frozenset((*added, *(canonicalize_name(rel.rpartition("/")[2]) for rel in added))),
        )
    if not wrong and not added and not damaged and not without:
        yield Finding(
            check="pkg.integrity",
            status=Status.PASS,
            title=f"All {plural(len(answers), 'recorded file is', 'recorded files are')} as installed",
            evidence=(
                f"{plural(len(environment.conda_records), 'conda package')}, "
                f"{plural(len(environment.distributions), 'Python distribution')}",
            ),
        )


def _recorded(environment: Environment) -> dict[str, tuple[Claim, ...]]:
    """The files of conda packages and of distributions that are not Debian's, with the claims on them."""
    names = {dist.name for dist in installed(environment)}
    return {
        rel: claims
        for rel, claims in environment.owners.files.items()
        if any(claim.distribution is None or claim.distribution in names for claim in claims)
    }


def _wrong(rel: str, answer: Answer, claims: tuple[Claim, ...]) -> str | None:
    """How the file differs from what was installed, as a line; None where it does not."""
    owner = _described(claims[-1].owner)
    if answer.missing:
        return f"missing: {rel} ({owner})"
    if answer.error is not None:
        return f"unreadable: {rel} ({owner}): {answer.error}"
    return None if answer.digest in {claim.sha256 for claim in claims} else f"changed: {rel} ({owner})"


def _described(owner: Owner) -> str:
    return f"conda {owner}" if owner.manager == "conda" else str(owner)


def _changed(subject: Subject, wrong: Mapping[str, str]) -> Finding:
    rels = sorted(wrong, key=lambda rel: (not rel.endswith((".so", ".dylib")), wrong[rel]))
    owners = list(dict.fromkeys(subject.environment.owners.claims(rel)[-1].owner for rel in rels))
    of = listing([str(owner) for owner in owners], most=3)
    what = plural(len(rels), "file")
    verb = "is" if len(rels) == 1 else "are"
    if all(wrong[rel].startswith("missing") for rel in rels):
        title = f"{what} of {of} {verb} missing"
    else:
        title = f"{what} of {of} {verb} not as installed"
    return Finding(
        check="pkg.integrity",
        status=Status.FAIL,
        title=f"{title}: {listing(rels, most=2)}",
        evidence=listed([wrong[rel] for rel in rels]),
        remedy=subject.repair.restore(owners),
        about=frozenset((*rels, *(owner.name for owner in owners))),
    )


def _added(subject: Subject) -> list[str]:
    """Code in folders of installed distributions, and folders beside them, that no record names."""
    environment = subject.environment
    site = environment.site_packages
    if site is None:
        return []
    owned = environment.owners.files
    root = f"{environment.path}/"
    tops = {dist.site / top for dist in installed(environment) for top in _folders(dist)}
    names = {top.name for top in tops}
    found = [
        binary.rel
        for binary in subject.survey.inventory.binaries
        if binary.rel not in owned
        and binary.path.startswith(f"{site}/")
        and environment.owners.top_level(binary.rel) in names
    ]
    found += _nobodys(environment, names)
    for folder in sorted(tops):
        for top, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in files:
                rel = f"{top}/{name}".removeprefix(root)
                if name.endswith(".py") and rel not in owned:
                    found.append(rel)
    return found


def _nobodys(environment: Environment, owned: set[str]) -> list[str]:
    """Import packages in site-packages that no distribution has: what is left where the metadata was deleted."""
    known = owned | {rel.rpartition("-packages/")[2].partition("/")[0] for rel in environment.owners.files}
    return [
        entry.relative_to(environment.path).as_posix()
        for folder in environment.site_folders
        if not is_debians(folder)
        for entry in sorted(folder.iterdir())
        if entry.name not in known and entry.name.isidentifier() and (entry / "__init__.py").is_file()
    ]


def _without_record(environment: Environment) -> list[Distribution]:
    """Distributions of pip and uv without a list of their files (PEP 376 asks for one)."""
    return [
        dist
        for dist in installed(environment)
        if dist.installer in ("pip", "uv") and dist.path.suffix == ".dist-info" and not (dist.path / "RECORD").is_file()
    ]


def _folders(dist: Distribution) -> set[str]:
    """The import packages of a distribution that RECORD names."""
    tops = {entry.path.partition("/")[0] for entry in dist.record() if "/" in entry.path}
    return {top for top in tops if top.isidentifier()}


def _set_aside(subject: Subject, rels: list[str]) -> Remedy:
    if len(rels) > 20:
        return subject.repair.rebuild(why="Leftovers of an earlier version are imported too: build it again.")
    moves = [subject.repair.set_aside(subject.environment.path / rel, say="") for rel in rels]
    say = "Move these files out of the way: Python imports them although no package brought them."
    return Remedy(say, tuple(command for move in moves for command in move.commands))


def _clobber(subject: Subject) -> Iterator[Finding]:
    environment = subject.environment
    pairs: dict[tuple[Owner, ...], list[str]] = defaultdict(list)
    for rel, claims in _recorded(environment).items():
        if len(claims) > 1 and rel.endswith((".so", ".dylib", ".py")):
            owners = tuple(dict.fromkeys(claim.owner for claim in claims))
            digests = {claim.sha256 for claim in claims if claim.sha256 is not None}
            if len(owners) > 1 and len(digests) > 1 and not _same_package(owners):
                pairs[owners].append(rel)
    lines = [
        f"{' and '.join(map(_described, owners))}: {plural(len(files), 'file')}, e.g. {files[0]}"
        for owners, files in pairs.items()
    ]
    concerned = [owner for owners in pairs for owner in owners]
    versions: dict[str, list[Distribution]] = defaultdict(list)
    for dist in installed(environment):
        versions[dist.name].append(dist)
    for name, found in versions.items():
        if len(found) > 1:
            lines.append(f"{name} has several dist-info folders: {', '.join(dist.version for dist in found)}")
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
            title=f"{plural(len(lines), 'package has', 'packages have')} overwritten another: "
            f"{listing(list(dict.fromkeys(owner.name for owner in concerned)), most=3)}",
            evidence=listed(lines),
            remedy=subject.repair.rebuild()
            if environment.stamp is not None
            else Remedy("Keep one of the two: remove both, then install the one you want."),
            about=frozenset(owner.name for owner in concerned),
        )
    elif not environment.owners.files:
        yield Finding(check="pkg.clobber", status=Status.SKIP, title=_NO_RECORDS)
    else:
        yield Finding(
            check="pkg.clobber",
            status=Status.PASS,
            title="No package has overwritten files of another",
            evidence=(f"{len(environment.owners.files):,} files",),
        )


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
    Check(
        id="pkg.integrity",
        area="packages",
        needs=Needs.FILES,
        hashes=True,
        catches="Files changed, missing or added since their package was installed, by conda-meta's hashes and RECORD.",
        otherwise="Whatever the damaged file does: half an upgrade shows as an AttributeError deep inside a package.",
        run=_integrity,
    ),
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
