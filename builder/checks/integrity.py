"""Integrity: is every file of every package the one that was installed, and does nothing lie between them?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.binaries.hashing import Job, answer
from builder.checks.check import Check, Needs
from builder.checks.system import installed, is_debians
from builder.environment.intact import leads_right, recorded_links
from builder.environment.ownership import GENERATED, Owner
from builder.environment.recorded import key_of, rewritten
from builder.finding import Finding, Remedy, Status
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from builder.binaries.hashing import Answer
    from builder.checks.subject import Subject
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.ownership import Claim

#: What Python imports from a folder of a package.
_IMPORTED: Final = (".py", ".pyc", ".so", ".dylib")
NO_RECORDS: Final = "No package recorded its files here"


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
    files = recorded_files(environment)
    if not files:
        yield Finding(check="pkg.integrity", status=Status.SKIP, title=NO_RECORDS)
        return
    answers = {rel: told for rel in files if (told := subject.files.digest(rel)) is not None}
    wrong = {rel: line for rel, told in answers.items() if (line := _wrong(rel, told, files[rel]))}
    wrong |= _links(environment, files, known=answers)
    doubted = _rewritten(environment)
    # What is noted of their files is not to be believed, so neither is that these are missing or changed.
    wrong = {rel: line for rel, line in wrong.items() if files[rel][-1].owner not in doubted}
    added = _added(subject)
    renamed = _renamed(subject, files, wrong, added)
    if wrong:
        yield _changed(subject, wrong, renamed)
    without = _without_record(environment)
    if doubted:
        yield _untold(subject, doubted)
    if without:
        yield Finding(
            check="pkg.integrity",
            status=Status.FAIL,
            title=f"{listing([f'{dist.name} {dist.version}' for dist in without])} "
            f"{'has' if len(without) == 1 else 'have'} no RECORD: nothing says which files belong to "
            f"{'it' if len(without) == 1 else 'them'}",
            evidence=tuple(f"{dist.path.name}/RECORD is {_instead(dist.path / 'RECORD')}" for dist in without),
            remedy=subject.repair.restore(map(environment.owners.owner_of_distribution, without)),
            about=frozenset(dist.name for dist in without),
        )
    added = [] if without or doubted else [rel for rel in added if rel not in renamed]
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
    if not wrong and not added and not damaged and not without and not doubted:
        yield Finding(
            check="pkg.integrity",
            status=Status.PASS,
            title=f"All {plural(len(answers), 'recorded file is', 'recorded files are')} as installed",
            evidence=(
                f"{plural(len(environment.conda_records), 'conda package')}, "
                f"{plural(len(environment.distributions), 'Python distribution')}",
            ),
        )


def recorded_files(environment: Environment) -> dict[str, tuple[Claim, ...]]:
    """The files of conda packages and of distributions that are not Debian's, with the claims on them."""
    names = {dist.name for dist in installed(environment)}
    return {
        rel: claims
        for rel, claims in environment.owners.files.items()
        if any(claim.distribution is None or claim.distribution in names for claim in claims)
    }


def _wrong(rel: str, told: Answer, claims: tuple[Claim, ...]) -> str | None:
    """How the file differs from what was installed, as a line; None where it does not."""
    owner = described(claims[-1].owner)
    if told.missing:
        return f"missing: {rel} ({owner})"
    if told.error is not None:
        return f"changed: {rel} ({owner}): {told.error}"
    return None if told.digest in {claim.sha256 for claim in claims} else f"changed: {rel} ({owner})"


def _links(
    environment: Environment, files: Mapping[str, tuple[Claim, ...]], *, known: Mapping[str, Answer]
) -> dict[str, str]:
    """Installed links that are gone or lead elsewhere, and other files that have no hash and are gone."""
    # Only in an environment of ours is the hash that conda-meta has of a link that of the file it leads to, for sure.
    links = recorded_links(environment) if environment.stamp is not None else {}
    found = {}
    for rel, claims in files.items():
        if rel in known or GENERATED.search(rel):
            continue
        owner, path = described(claims[-1].owner), environment.path / rel
        if not os.path.lexists(path):
            found[rel] = f"missing: {rel} ({owner})"
        # One that leads nowhere is env.links' to tell.
        elif rel in links and path.exists() and not leads_right(environment, rel, links[rel]):
            found[rel] = f"changed: {rel} ({owner}), which was a link"
    return found


def described(owner: Owner) -> str:
    return f"conda {owner}" if owner.manager == "conda" else str(owner)


def _renamed(
    subject: Subject, files: Mapping[str, tuple[Claim, ...]], wrong: Mapping[str, str], added: list[str]
) -> dict[str, str]:
    """Folders that no package brought (key) and that are the folder of one under another name (value)."""
    missing = [rel for rel, line in wrong.items() if line.startswith("missing") and rel.endswith("/__init__.py")]
    found = {}
    for stray in added:
        for rel in missing:
            folder = rel.removesuffix("/__init__.py")
            if os.path.dirname(folder) == os.path.dirname(stray):  # noqa: PTH120 - relative to the prefix
                job = Job(kind="digest", path=str(subject.environment.path / stray / "__init__.py"), size=0)
                if answer(job).digest in {claim.sha256 for claim in files[rel]} - {None}:
                    found[stray] = folder
    return found


def _changed(subject: Subject, wrong: Mapping[str, str], renamed: Mapping[str, str]) -> Finding:
    rels = sorted(wrong, key=lambda rel: (not rel.endswith((".so", ".dylib")), wrong[rel]))
    owners = list(dict.fromkeys(subject.environment.owners.claims(rel)[-1].owner for rel in rels))
    of = listing([str(owner) for owner in owners], most=3)
    what = plural(len(rels), "file")
    verb = "is" if len(rels) == 1 else "are"
    if all(wrong[rel].startswith("missing") for rel in rels):
        title = f"{what} of {of} {verb} missing"
    else:
        title = f"{what} of {of} {verb} not as installed"
    title = f"{title}: {listing(rels, most=2)}"
    remedy = subject.repair.restore(owners)
    if renamed:
        moves = [f"{folder} was renamed to {stray.rpartition('/')[2]}" for stray, folder in renamed.items()]
        title = f"{listing(moves)}, so {plural(len(rels), 'file')} of {of} {verb} missing"
        aside = [subject.repair.set_aside(subject.environment.path / stray, say="") for stray in renamed]
        commands = (*(command for one in aside for command in one.commands), *remedy.commands)
        remedy = Remedy(f"Move {listing([str(stray) for stray in renamed])} out of the way. {remedy.say}", commands)
    return Finding(
        check="pkg.integrity",
        status=Status.FAIL,
        title=title,
        evidence=(*listed([wrong[rel] for rel in rels]), *_unknown(subject, owners, wrong)),
        remedy=remedy,
        about=frozenset((*rels, *(owner.name for owner in owners))),
    )


def _unknown(subject: Subject, owners: list[Owner], wrong: Mapping[str, str]) -> tuple[str, ...]:
    """What a RECORD alone cannot tell. What envbuild installed has one that is true (`install.wheels`)."""
    wheels = any(owner.manager == "pip" for owner in owners)
    by_content = any(line.startswith("changed: ") and line.endswith(")") for line in wrong.values())
    if subject.environment.stamp is not None or not wheels or not by_content:
        return ()
    return ("not known here: what the archive holds. A file that is the same after reinstalling was published so",)


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
                if name.endswith(_IMPORTED) and rel not in owned:
                    found.append(rel)
    return list(dict.fromkeys(found))


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
        if dist.installer in ("pip", "uv") and dist.path.suffix == ".dist-info" and not dist.record
    ]


def _rewritten(environment: Environment) -> list[Owner]:
    """The packages whose own notes of their files are not the stamp's."""
    stamp = environment.stamp
    if stamp is None:
        return []
    keys = rewritten(environment, stamp)
    return [
        Owner(name=key.partition(":")[2], version=one.version, manager=one.manager)
        for one in stamp.packages
        if (key := key_of(one)) in keys
    ]


def _untold(subject: Subject, owners: list[Owner]) -> Finding:
    one = len(owners) == 1
    return Finding(
        check="pkg.integrity",
        status=Status.FAIL,
        title=f"The {'list' if one else 'lists'} of files of {listing([str(owner) for owner in owners], most=3)} "
        f"{'was' if one else 'were'} changed after the installation, and {'vouches' if one else 'vouch'} for nothing",
        evidence=listed(
            [
                f"{described(owner)}: {'conda-meta' if owner.manager == 'conda' else 'RECORD'} says something else "
                "than when the environment was built"
                for owner in owners
            ]
        ),
        remedy=subject.repair.restore(owners),
        about=frozenset(owner.name for owner in owners),
    )


def _instead(path: Path) -> str:
    """What there is in place of one that can be read."""
    if not os.path.lexists(path):
        return "missing"
    return "not readable as one" if path.is_file() else "no regular file"


def _folders(dist: Distribution) -> set[str]:
    """The import packages of a distribution that RECORD names."""
    tops = {entry.path.partition("/")[0] for entry in dist.record if "/" in entry.path}
    return {top for top in tops if top.isidentifier()}


def _set_aside(subject: Subject, rels: list[str]) -> Remedy:
    if len(rels) > 20:
        return subject.repair.rebuild(why="Leftovers of an earlier version are imported too: build it again.")
    moves = [subject.repair.set_aside(subject.environment.path / rel, say="") for rel in rels]
    say = "Move these files out of the way: Python imports them although no package brought them."
    return Remedy(say, tuple(command for move in moves for command in move.commands))


INTEGRITY: Final = Check(
    id="pkg.integrity",
    area="packages",
    needs=Needs.FILES,
    hashes=True,
    catches="Files changed, missing or added since their package was installed, by conda-meta's hashes and RECORD.",
    otherwise="Whatever the damaged file does: half an upgrade shows as an AttributeError deep inside a package.",
    run=_integrity,
)
