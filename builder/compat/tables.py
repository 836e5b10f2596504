"""The facts as tables: a grid per pair of packages, and a list of releases, shown and drawn from the same cells."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, Literal

from packaging.version import Version

from builder.compat.facts import in_order
from builder.compat.fit import Setting, judge_pair, older_patches
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from builder.compat.facts import Facts
    from builder.compat.fit import Judgement

State = Literal["works", "unsafe", "links", "allowed", "unknown", "declared", "fails"]

#: Sign and meaning of each state, in the order of the legend.
LEGEND: Final[dict[State, tuple[str, str]]] = {
    "works": ("✓", "works: run here, or reported to run"),
    "unsafe": ("!", "loads, and can compute wrongly"),
    "links": ("~", "every symbol is there; nobody has shown that it runs"),
    "allowed": ("·", "allowed by the packages' own metadata; nothing is known against it"),
    "unknown": ("?", "unproven: no fact either way"),
    "declared": ("–", "ruled out by the packages' own metadata"),
    "fails": ("✗", "fails"),
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One pair: its state, the sentence behind it, and the ids and sources of the facts."""

    state: State
    statement: str
    facts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def sign(self) -> str:
        return LEGEND[self.state][0]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Versions of `row` against versions of `column` (as people write their names), oldest first."""

    name: str
    title: str
    row: str
    column: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]

    def cell(self, row: str, column: str) -> Cell:
        return self.cells[row, column]


@dataclass(frozen=True, kw_only=True)
class ReleaseRow:
    """One release on one platform."""

    package: str
    version: str
    origin: str
    platform: str
    name: str
    pythons: str
    macos: str
    requires: str
    source: str


def spanned(names: Sequence[str]) -> str:
    """`2.16` or `2.16 to 2.19` for neighbours in a row of names."""
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def ranges(names: Sequence[str], chosen: Sequence[bool]) -> Iterator[str]:
    """The chosen ones of a row of names, with neighbours as one."""
    for is_chosen, group in groupby(zip(names, chosen, strict=True), key=lambda item: item[1]):
        if is_chosen:
            yield spanned([name for name, _ in group])


def grids(facts: Facts, *, packages: Iterable[str] = (), version: str | None = None) -> tuple[Grid, ...]:
    """The grids about any of `packages` (all without), narrowed to rows or columns of `version` of the first one."""
    wanted = set(packages)
    found = []
    for spec in facts.grids:
        row, column = spec.row, spec.column
        if wanted and not {row, column} & wanted:
            continue
        rows = _newest_patches(facts, row, spec.oldest_row)
        columns = _newest_patches(facts, column, spec.oldest_column)
        if spec.stop is not None:
            columns = {key: version for key, version in columns.items() if version < Version(spec.stop)}
        if version is not None:
            if row in wanted:
                rows = {key: v for key, v in rows.items() if _names(version, v)}
            elif column in wanted:
                columns = {key: v for key, v in columns.items() if _names(version, v)}
        if not rows or not columns:
            continue
        cells = {
            (row_key, column_key): _cell(facts, (row, row_version), (column, column_version))
            for row_key, row_version in rows.items()
            for column_key, column_version in columns.items()
        }
        found.append(
            Grid(
                name=spec.name,
                title=spec.title,
                row=facts.display(row),
                column=facts.display(column),
                rows=tuple(rows),
                columns=tuple(columns),
                cells=cells,
            )
        )
    return tuple(found)


def _names(text: str, version: Version) -> bool:
    """`2.18` names 2.18.1, and 2.18.1 names itself."""
    wanted = Version(text).release
    return version.release[: len(wanted)] == wanted


def _newest_patches(facts: Facts, package: str, oldest: str) -> dict[str, Version]:
    """Label -> version: the newest patch of each minor; every release where the major is 0 or it is a plug-in."""
    versions = sorted(Version(release.version) for release in facts.releases_of(package, "pypi"))
    result: dict[str, Version] = {}
    for version in versions:
        if version >= Version(oldest):
            exact = version.release[0] == 0 or package.endswith("-metal")
            result[str(version) if exact else f"{version.major}.{version.minor}"] = version
    return result


def _cell(facts: Facts, left: tuple[str, Version], right: tuple[str, Version]) -> Cell:
    judgement = judge_pair(left, right, setting=Setting(), facts=facts)
    known = [fact for refusal in judgement.refusals for fact in refusal.facts if hasattr(fact, "verdict")]
    relations = facts.related(left, right)
    if judgement.refusals and not known:
        # A column is a whole minor: where its newest patch is outside a range, an older one may be inside.
        for patch in older_patches(*right, facts=facts):
            if judge_pair(left, (right[0], patch), setting=Setting(), facts=facts).fits:
                return _cell(facts, left, (right[0], patch))
    if known:
        refusal = next(r for r in judgement.refusals if known[0] in r.facts)
        return _made("fails", refusal.statement, known)
    if judgement.refusals:
        first = judgement.refusals[0]
        run = [relation for relation in relations if relation.verdict == "works"]
        ran = f"; run all the same, {run[0].cause}" if run else ""
        return _made("declared", first.statement + ran, [*first.facts, *run])
    if judgement.unsafe:
        return _made("unsafe", judgement.unsafe[0].cause, judgement.unsafe)
    for state in ("works", "links"):
        found = [relation for relation in relations if relation.verdict == state]
        if found:
            return _made(state, found[0].cause, found)
    return _undecided(left, right, judgement, facts)


def _undecided(left: tuple[str, Version], right: tuple[str, Version], judgement: Judgement, facts: Facts) -> Cell:
    """No relation: what one of them declares is all there is."""
    for (package, version), (other, _) in ((left, right), (right, left)):
        release = facts.release(package, version, "pypi")
        for place, build in release.builds.items() if release is not None else ():
            python = build.pythons[-1] if build.pythons else "3.12"
            subdir = Subdir(place) if place != "any" else Subdir.OSX_ARM64
            declared = facts.requirement(build, other, subdir=subdir, python=python)
            if release is not None and declared is not None:
                text = f"{facts.display(package, version)} declares {other} {in_order(declared)}"
                return _made("allowed" if not judgement.unproven else "unknown", text, [release])
    text = (
        judgement.unproven[0]
        if judgement.unproven
        else f"nothing known about {facts.display(*left)} and {facts.display(*right)}"
    )
    return Cell(state="unknown", statement=text)


def _made(state: State, statement: str, facts: Iterable[object]) -> Cell:
    entries = tuple(facts)
    ids = tuple(dict.fromkeys(str(getattr(fact, "id", "")) for fact in entries))
    sources = tuple(
        dict.fromkeys(f"{getattr(fact, 'source', '')} [{getattr(fact, 'established', '')}]" for fact in entries)
    )
    return Cell(state=state, statement=statement, facts=ids, sources=sources)


def releases(
    facts: Facts, *, packages: Sequence[str], version: str | None = None, platform: str | None = None
) -> tuple[ReleaseRow, ...]:
    """Every known release of `packages`, one row per platform, newest first."""
    rows = []
    for package in packages:
        for origin in ("pypi", "conda-forge"):
            for release in facts.releases_of(package, origin):
                if version is not None and not _names(version, Version(release.version)):
                    continue
                for place, build in release.builds.items():
                    if platform is not None and place not in (platform, "any"):
                        continue
                    rows.append(
                        ReleaseRow(
                            package=package,
                            version=release.version,
                            origin=origin,
                            platform=place,
                            name=build.distribution or package,
                            pythons=" ".join(build.pythons) or (build.requires_python or ""),
                            macos=build.macos or "",
                            requires="; ".join(build.requires),
                            source=f"{release.source} [{release.established} {release.date}]",
                        )
                    )
    return tuple(rows)
