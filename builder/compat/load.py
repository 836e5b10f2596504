"""Reading the fact files, and refusing what is wrong with them, by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder import yamlio
from builder.compat.facts import Facts
from builder.compat.model import Fact, FactFile
from builder.errors import FactsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.compat.model import Relation

DATA: Final = Path(__file__).parent / "data"


def load_facts(directory: Path = DATA) -> Facts:
    """All facts of `directory`. Raises `FactsError` with file and line for the first one that is malformed.

    Whether facts contradict each other is asked by the tests (`refuse_contradictions`), not on every run.
    """
    files = sorted(directory.glob("*.yaml"))
    if not files:
        raise FactsError("no fact files here", file=directory)
    seen: dict[str, str] = {}
    parts: list[FactFile] = []
    measured: list[Relation] = []
    for file in files:
        document = yamlio.load(file, error=FactsError)
        part = yamlio.validate(document, FactFile, error=FactsError)
        for path, fact in _facts(part):
            line = document.line((*path, "id"))
            place = f"{file.name}:{line}"
            if fact.id in seen:
                raise FactsError(f"the id {fact.id!r} is used twice, first at {seen[fact.id]}", file=file, line=line)
            seen[fact.id] = place
        parts.append(part)
        for index, run in enumerate(part.runs):
            relation = run.relation(part.measured_on or "")
            if relation is not None:
                measured.append(relation)
                seen[relation.id] = f"{file.name}:{document.line(('runs', index))}"
    return Facts(
        releases=tuple(release for part in parts for release in part.releases),
        relations=(*(relation for part in parts for relation in part.relations), *measured),
        blas=tuple(variant for part in parts for variant in part.blas),
        names=tuple(name for part in parts for name in part.names),
        places=seen,
    )


def _facts(part: FactFile) -> Iterator[tuple[tuple[str | int, ...], Fact]]:
    for kind, entries in (("releases", part.releases), ("relations", part.relations), ("blas", part.blas)):
        for index, entry in enumerate(entries):
            yield (kind, index), entry


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
