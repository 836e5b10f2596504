"""The shipped facts: if one of these fails, `envbuild` would plan by data that is malformed or contradicts itself."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

import pytest

from builder.compat.load import COMPILED, DATA, compile_facts, load_facts, read_sources, refuse_contradictions

if TYPE_CHECKING:
    from builder.compat.facts import Facts


@pytest.fixture(scope="module")
def facts() -> Facts:
    return read_sources()


def test_no_two_facts_of_equal_evidence_disagree(facts: Facts) -> None:
    refuse_contradictions(facts)


def test_the_compiled_facts_are_made_from_the_files_as_they_are_now() -> None:
    """A stale compiled file is never used, but it would make every start slower."""
    assert (DATA / COMPILED).read_text(encoding="utf-8") == compile_facts()


def test_what_was_compiled_is_what_the_files_say(facts: Facts) -> None:
    """Read without being checked again, it has the same values of the same types."""
    sources = read_sources()
    assert sources == load_facts()
    for one, other in zip(sources.releases, facts.releases, strict=True):
        assert one == other


def test_every_fact_says_where_it_is_from_and_when(facts: Facts) -> None:
    for fact in (*facts.releases, *facts.relations, *facts.blas, *facts.openmp):
        assert len(fact.source) > 10, fact.id
        assert date(2018, 1, 1) <= date.fromisoformat(fact.date) <= date.today(), fact.id
        assert facts.places[fact.id], fact.id
        if fact.established == "measured":
            assert fact.measured_on, fact.id


def test_no_fact_names_an_index_host_or_a_place_on_a_machine() -> None:
    """Facts are committed and shown; a URL of an index's file server or a local path has no business in them."""
    allowed = {"developers.google.com"}  # in an error message of protobuf, kept as it was
    for file in (*DATA.glob("*.yaml"), DATA / COMPILED):
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"https?://([^/\s]+)", text)) <= allowed, file.name
        assert re.findall(r"/(?:home|root|tmp|Users)/\w+", text) == [], file.name


def test_the_subjects_that_break_people_are_all_covered(facts: Facts) -> None:
    expected = {
        "tensorflow", "tensorflow-metal", "keras", "tf-keras", "numpy", "protobuf", "h5py", "ml-dtypes", "scipy",
        "torch", "jax", "jaxlib", "jax-metal", "mlx",
    }  # fmt: skip
    assert expected <= facts.packages
    assert {variant.variant for variant in facts.blas} == {"accelerate", "newaccelerate", "openblas"}


@pytest.mark.parametrize("minor", ["2.13", "2.14", "2.15", "2.16", "2.17", "2.18", "2.19", "2.20", "2.21"])
def test_every_keras_that_the_metadata_allows_has_been_run_beside_tensorflow(facts: Facts, minor: str) -> None:
    """The newest minors of both must not be left unmeasured when facts are renewed."""
    from packaging.version import Version

    from builder.compat.tables import grids

    (grid,) = grids(facts, packages=["keras"])[:1]
    assert grid.name == "keras"
    for column in grid.columns:
        if Version(column) >= Version("2.13"):
            cell = grid.cell(minor, column)
            assert cell.state in ("works", "fails", "declared"), f"TensorFlow {minor}, Keras {column}: {cell.statement}"
