"""A fact file that is wrong is refused with its file and line, so that a slip in data cannot become a wrong plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.compat.load import load_facts, refuse_contradictions, write_compiled
from builder.errors import FactsError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
relations:
  - id: first
    left: {package: tensorflow, versions: "2.18"}
    right: {package: keras, versions: ">=3.5"}
    verdict: works
    cause: they work
    source: a report that can be found
    established: published
    date: "2026-01-01"
"""
RELEASE = """\
releases:
  - id: {id}
    package: {package}
    version: "{version}"
    origin: pypi
    builds: {{any: {{requires_python: ">=3.9"}}}}
    source: metadata on the index
    established: metadata
    date: "2026-01-01"
"""


def write(folder: Path, text: str, name: str = "facts.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("    source: a report that can be found\n", ""), 2, "source"),
        (('    date: "2026-01-01"\n', ""), 2, "date"),
        (("established: published", "established: rumoured"), 8, "established"),
        (("established: published", "established: measured"), 2, "measured_on"),
        (('">=3.5"', '">=3.5,<3"'), 4, "no version can be in the range"),
        (('">=3.5"', '"==3.5.*,<3"'), 4, "no version can be in the range"),
        (('">=3.5"', '"~=3.5,<3"'), 4, "no version can be in the range"),
        (('">=3.5"', '"==3.5.0,==3.6.0"'), 4, "no version can be in the range"),
        (('">=3.5"', '">3.5,<=3.5"'), 4, "no version can be in the range"),
        (('"2026-01-01"', '"2026-02-31"'), 9, "no day of the calendar"),
        (('">=3.5"', '"three"'), 4, "not a version range"),
        (("verdict: works", "verdict: unsafe"), 2, "check"),
        (("package: keras", "package: tensorflow"), 2, "two different packages"),
        (("    cause: they work\n", "    cause: they work\n    casue: twice\n"), 7, "casue"),
        (('"2026-01-01"', "2026-01-01"), 9, "date"),
    ],
)
def test_a_malformed_fact_is_refused_with_its_line(
    tmp_path: Path, change: tuple[str, str], line: int, says: str
) -> None:
    text = GOOD.replace(*change)
    assert text != GOOD
    file = write(tmp_path, text)
    with pytest.raises(FactsError) as caught:
        load_facts(tmp_path)
    assert caught.value.file == str(file)
    assert caught.value.line == line, caught.value.message
    assert says in caught.value.message


@pytest.mark.parametrize("text", [">=3.5,!=3.5.*,<4", "~=3.5", "==3.5.*,>=3.5.1", ">=3.5,<=3.5", "==3.5.1,>=3.5"])
def test_a_possible_range_is_taken(tmp_path: Path, text: str) -> None:
    write(tmp_path, GOOD.replace('">=3.5"', f'"{text}"'))
    assert load_facts(tmp_path).relations


def test_an_id_used_twice_is_refused_naming_both_places(tmp_path: Path) -> None:
    write(tmp_path, GOOD, "a.yaml")
    second = write(tmp_path, GOOD, "b.yaml")
    with pytest.raises(FactsError, match=r"b\.yaml:2: the id 'first' is used twice, first at a\.yaml:2") as caught:
        load_facts(tmp_path)
    assert caught.value.file == str(second)


def contradicting(tmp_path: Path, *, evidence: str) -> None:
    write(tmp_path, GOOD, "a.yaml")
    other = GOOD.replace("first", "second").replace("works", "fails").replace("published", evidence)
    if evidence == "measured":
        other = other.replace("    date:", "    measured_on: a machine\n    date:")
    write(tmp_path, other, "b.yaml")
    write(tmp_path, RELEASE.format(id="tf", package="tensorflow", version="2.18.1"), "c.yaml")
    write(tmp_path, RELEASE.format(id="k", package="keras", version="3.6.0"), "d.yaml")


def test_a_contradiction_between_equal_evidence_is_refused_with_the_line(tmp_path: Path) -> None:
    contradicting(tmp_path, evidence="published")
    with pytest.raises(FactsError, match=r"b\.yaml:2: 'second' says fails and 'first' .* says works for keras 3\.6\.0"):
        refuse_contradictions(load_facts(tmp_path), tmp_path)


def test_better_evidence_overrules_and_is_no_contradiction(tmp_path: Path) -> None:
    contradicting(tmp_path, evidence="measured")
    refuse_contradictions(load_facts(tmp_path), tmp_path)


def test_compiled_facts_are_dropped_as_soon_as_a_file_changes(tmp_path: Path) -> None:
    """Otherwise an edited fact would silently have no effect."""
    file = write(tmp_path, GOOD)
    write_compiled(tmp_path)
    assert load_facts(tmp_path).relations[0].verdict == "works"
    file.write_text(GOOD.replace("works", "fails"), encoding="utf-8")
    assert load_facts(tmp_path).relations[0].verdict == "fails"


@pytest.mark.parametrize("damage", ["", "{", '{"files": {}}', "[]", '{"files": 3, "content": 4}'])
def test_a_damaged_compiled_file_is_ignored(tmp_path: Path, damage: str) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "compiled.json").write_text(damage, encoding="utf-8")
    assert load_facts(tmp_path).relations[0].id == "first"


def test_a_compiled_file_that_was_edited_is_ignored(tmp_path: Path) -> None:
    """It is not checked again when it is read: what it holds must be what was checked."""
    write(tmp_path, GOOD)
    write_compiled(tmp_path)
    compiled = tmp_path / "compiled.json"
    text = compiled.read_text(encoding="utf-8")
    assert '"verdict": "works"' in text
    compiled.write_text(text.replace('"verdict": "works"', '"verdict": "perhaps"'), encoding="utf-8")
    assert load_facts(tmp_path).relations[0].verdict == "works"


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="no fact files"):
        load_facts(tmp_path)
