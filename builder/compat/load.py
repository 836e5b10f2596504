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
from typing import TYPE_CHECKING, Any, Final, TypeVar

from packaging.version import Version

from builder.compat.facts import Facts
from builder.compat.model import (
    BlasVariant,
    Build,
    Fact,
    FactModel,
    GridSpec,
    OpenmpWheel,
    PackageNames,
    PackageTraits,
    Relation,
    Release,
    Side,
)
from builder.errors import FactsError
from builder.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from builder.compat.fact_file import FactFile

_Entry = TypeVar("_Entry", bound=FactModel)

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
            builds[place] = first.model_copy(
                update={"pythons": tuple(pythons), "requires": first.requires or build.requires}
            )
        source = f"{known.source}; {release.source}"
        found[key] = known.model_copy(update={"builds": builds, "source": source})
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
        "releases": [entry.model_dump(mode="json", exclude_defaults=True) for entry in facts.releases],
        "relations": [entry.model_dump(mode="json", exclude_defaults=True) for entry in facts.relations],
        "blas": [entry.model_dump(mode="json", exclude_defaults=True) for entry in facts.blas],
        "openmp": [entry.model_dump(mode="json", exclude_defaults=True) for entry in facts.openmp],
        "names": [entry.model_dump(mode="json", exclude_defaults=True) for entry in facts.names],
        "grids": [entry.model_dump(mode="json", exclude_defaults=True) for entry in facts.grids],
        "packages": [entry.model_dump(mode="json", exclude_defaults=True) for entry in facts.traits],
    }
    text = json.dumps(document, indent=0, sort_keys=True, ensure_ascii=False) + "\n"
    return text.replace(_content(""), _content(_digest(text)), 1)


def _content(digest: str) -> str:
    return f'"content": "{digest}"'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def write_compiled(directory: Path = DATA) -> None:
    """Bring `compiled.json` up to date, atomically."""
    write_atomically(directory / COMPILED, compile_facts(directory))


def _read_compiled(directory: Path) -> Facts | None:
    try:
        text = (directory / COMPILED).read_text(encoding="utf-8")
        document = json.loads(text)
        digest = document["content"]
        if document["files"] != _hashes(directory) or digest != _digest(
            text.replace(_content(digest), _content(""), 1)
        ):
            return None
        return Facts(
            releases=_taken(Release, document["releases"]),
            relations=_taken(Relation, document["relations"]),
            blas=_taken(BlasVariant, document["blas"]),
            openmp=_taken(OpenmpWheel, document["openmp"]),
            names=_taken(PackageNames, document["names"]),
            traits=_taken(PackageTraits, document["packages"]),
            grids=_taken(GridSpec, document["grids"]),
            places=document["places"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


#: What the entries hold that are entries themselves.
_INNER: Final = {"left": Side, "right": Side}


def _taken(model: type[_Entry], entries: Sequence[dict[str, Any]]) -> tuple[_Entry, ...]:
    """Entries that were checked when they were compiled."""
    return tuple(_made(model, entry) for entry in entries)


def _made(model: type[_Entry], entry: dict[str, Any]) -> _Entry:
    for name, value in entry.items():
        if isinstance(value, list):
            entry[name] = tuple(value)
        elif name in _INNER:
            entry[name] = _made(_INNER[name], value)
        elif name == "builds":
            entry[name] = {place: _made(Build, build) for place, build in value.items()}
    return model.model_construct(**entry)


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
