"""Reading the fact files, and refusing what is wrong with them, by file and line.

The YAML files are the facts; people read and review them. Parsing them strictly takes a good part of a second, so
beside them lies `compiled.json`, made from them by `write_compiled`. It names the hash of every file it was made from,
and its own. It is taken only while all of them match, and then as it is, since it was checked when it was made;
otherwise the files themselves are read.
"""

from __future__ import annotations

import hashlib
import json
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from packaging.version import Version

from builder.compat.facts import Facts
from builder.compat.model import (
    BlasVariant,
    Fact,
    GridSpec,
    OpenmpWheel,
    PackageNames,
    PackageTraits,
    Relation,
    Release,
)
from builder.errors import FactsError
from builder.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from builder.compat.fact_file import FactFile

DATA: Final = Path(__file__).parent / "data"
COMPILED: Final = "compiled.json"


def load_facts(directory: Path = DATA, *, also: Sequence[Path] = ()) -> Facts:
    """All facts of `directory` and of the folders `also` (a framework's from outside, the user's own).

    Raises `FactsError` with file and line for the first one that is malformed. Whether facts contradict each other is
    asked by the tests (`refuse_contradictions`), not on every run.
    """
    facts = _read_compiled(directory) or read_sources(directory)
    for folder in also:
        if any(folder.glob("*.yaml")):
            facts = facts.with_more(read_sources(folder))
    return facts


def read_sources(directory: Path = DATA) -> Facts:
    """All facts of `directory`, from the YAML files themselves."""
    from builder import yamlio
    from builder.compat.fact_file import FactFile

    files = sorted(directory.glob("*.yaml"))
    if not files:
        raise FactsError("no fact files here", file=directory)
    seen: dict[str, str] = {}
    measured: list[Relation] = []
    documents = [yamlio.load(file, error=FactsError) for file in files]
    parts = [yamlio.validate(document, FactFile, error=FactsError) for document in documents]
    titles = {entry.package: entry.title for part in parts for entry in part.packages if entry.title is not None}
    for file, document, part in zip(files, documents, parts, strict=True):
        for path, fact in _facts(part, titles):
            line = document.line((*path, "id")) or document.line(path)
            if fact.id in seen:
                raise FactsError(f"the id {fact.id!r} is used twice, first at {seen[fact.id]}", file=file, line=line)
            seen[fact.id] = f"{file.name}:{line}"
            if isinstance(fact, Relation) and path[0] != "relations":
                measured.append(fact)
    openmp = tuple(entry for part in parts for entry in part.openmp)
    for one, other in combinations(openmp, 2):
        relation = one.beside(other, titles)
        if relation is not None:
            seen[relation.id] = seen[one.id]
            measured.append(relation)
    return Facts(
        releases=_merged(release for part in parts for release in part.releases),
        relations=(*(relation for part in parts for relation in part.relations), *measured),
        blas=tuple(variant for part in parts for variant in part.blas),
        openmp=openmp,
        names=tuple(name for part in parts for name in part.names),
        traits=tuple(entry for part in parts for entry in part.packages),
        grids=tuple(grid for part in parts for grid in part.grids),
        places=seen,
    )


def _merged(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Each release once: what two sources saw of its builds, together."""
    found: dict[tuple[str, str, str], Release] = {}
    for release in releases:
        key = (release.package, release.version, release.origin)
        known = found.get(key)
        if known is None:
            found[key] = release
            continue
        builds = dict(known.builds)
        for place, build in release.builds.items():
            first = builds.get(place, build)
            pythons = sorted({*first.pythons, *build.pythons}, key=Version)
            builds[place] = first.replaced(pythons=tuple(pythons), requires=first.requires or build.requires)
        source = f"{known.source}; {release.source}"
        found[key] = known.replaced(builds=builds, source=source)
    return tuple(found.values())


def _facts(part: FactFile, titles: Mapping[str, str]) -> Iterator[tuple[tuple[str | int, ...], Fact]]:
    """Every fact of a file with the place of its entry; measurements become relations here."""
    for kind, entries in (
        ("releases", part.releases),
        ("relations", part.relations),
        ("blas", part.blas),
        ("openmp", part.openmp),
    ):
        for index, entry in enumerate(entries):
            yield (kind, index), entry
    on = part.measured_on or ""
    for index, run in enumerate(part.runs):
        assert part.suite is not None  # the model refuses a file without
        for relation in run.relations(part.suite, measured_on=on, titles=titles):
            yield ("runs", index), relation
    for index, comparison in enumerate(part.symbols):
        assert part.linkage is not None
        yield ("symbols", index), comparison.relation(part.linkage, measured_on=on, titles=titles)


def _hashes(directory: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(directory.glob("*.yaml"))}


def compile_facts(directory: Path = DATA) -> str:
    """The text of `compiled.json` for what the YAML files say now."""
    facts = read_sources(directory)
    document = {
        "note": "made from the YAML files beside this one; edit those",
        "content": "",
        "files": _hashes(directory),
        "places": dict(facts.places),
        "releases": facts.releases,
        "relations": facts.relations,
        "blas": facts.blas,
        "openmp": facts.openmp,
        "names": facts.names,
        "grids": facts.grids,
        "packages": facts.traits,
    }
    text = json.dumps(msgspec.to_builtins(document), indent=0, sort_keys=True, ensure_ascii=False) + "\n"
    return text.replace(_content(""), _content(_digest(text.encode())), 1)


def _content(digest: str) -> str:
    return f'"content": "{digest}"'


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_compiled(directory: Path = DATA) -> None:
    """Bring `compiled.json` up to date, atomically."""
    write_atomically(directory / COMPILED, compile_facts(directory))


class _Compiled(msgspec.Struct, forbid_unknown_fields=True):
    """What `compile_facts` writes. The types are looked at again, what the sources' `Check`s say is not."""

    note: str
    content: str
    files: dict[str, str]
    places: dict[str, str]
    releases: tuple[Release, ...]
    relations: tuple[Relation, ...]
    blas: tuple[BlasVariant, ...]
    openmp: tuple[OpenmpWheel, ...]
    names: tuple[PackageNames, ...]
    packages: tuple[PackageTraits, ...]
    grids: tuple[GridSpec, ...]


def _read_compiled(directory: Path) -> Facts | None:
    try:
        content = (directory / COMPILED).read_bytes()
        read = msgspec.json.decode(content, type=_Compiled)
        unnamed = content.replace(_content(read.content).encode(), _content("").encode(), 1)
    except (OSError, ValueError):
        return None
    if read.files != _hashes(directory) or read.content != _digest(unnamed):
        return None
    return Facts(
        releases=read.releases,
        relations=read.relations,
        blas=read.blas,
        openmp=read.openmp,
        names=read.names,
        traits=read.packages,
        grids=read.grids,
        places=read.places,
    )


def refuse_contradictions(facts: Facts, directory: Path = DATA) -> None:
    """Raise `FactsError` when two facts of equal evidence disagree about the same versions."""
    for first, second, example in facts.contradictions():
        file, _, line = facts.places[second.id].partition(":")
        raise FactsError(
            f"{second.id!r} says {second.verdict} and {first.id!r} ({facts.places[first.id]}) says {first.verdict} "
            f"for {example}, both {second.established}",
            file=directory / file,
            line=int(line),
            hint="narrow one range, or let the better evidence speak",
        )
