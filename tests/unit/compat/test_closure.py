"""An answer about versions holds for what must come along; floors are those of the binaries."""

from __future__ import annotations

import pytest

from builder.compat.explain import explain
from builder.compat.load import load_facts
from builder.platforms import Subdir

FACTS = load_facts()


def test_the_only_keras_that_comes_along_decides() -> None:
    """TensorFlow 2.15 brings Keras 2.15, with which tensorflow-metal 1.1 computes wrongly."""
    answer = explain({"tensorflow": "2.15", "tensorflow-metal": "1.1"}, subdir=None, facts=FACTS)
    assert answer.answer == "unsafe"
    (reason,) = [reason for reason in answer.reasons if reason.kind == "unsafe"]
    assert reason.statement.startswith("TensorFlow 2.15.1 requires Keras ")
    assert reason.source


def test_the_vendors_own_pair_is_no_exception() -> None:
    answer = explain({"tensorflow": "2.13", "tensorflow-metal": "1.0.0"}, subdir=None, facts=FACTS)
    assert answer.answer == "unsafe"


@pytest.mark.parametrize(("python", "expected"), [(None, "fits"), ("3.10", "fits"), ("3.11", "unsafe")])
def test_what_another_python_avoids_decides_nothing(python: str | None, expected: str) -> None:
    """Only the Python 3.11 wheel of tensorflow-metal 0.8.0 computes wrongly."""
    versions = {"tensorflow": "2.12", "tensorflow-metal": "0.8.0"} | ({"python": python} if python else {})
    assert explain(versions, subdir=None, facts=FACTS).answer == expected


def test_where_a_release_avoids_it_nothing_is_said() -> None:
    """TensorFlow 2.18 takes any Keras from 3.5 on, and 3.6 is right."""
    answer = explain({"tensorflow": "2.18", "tensorflow-metal": "1.2"}, subdir=None, facts=FACTS)
    assert answer.answer == "fits"


@pytest.mark.parametrize(("macos", "refused"), [("12.6", True), ("13.0", False)])
def test_floors_are_those_of_the_binaries(macos: str, refused: bool) -> None:
    """The wheels of tensorflow-metal 0.5.1 are tagged macosx_12_0; the plug-in was built for macOS 13."""
    versions = {"tensorflow": "2.9.2", "tensorflow-metal": "0.5.1", "macos": macos}
    answer = explain(versions, subdir=Subdir.OSX_ARM64, facts=FACTS)
    told = any("needs macOS 13.0" in reason.statement for reason in answer.reasons)
    assert told is refused
