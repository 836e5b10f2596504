"""The indexes of facts: what is taken over from other facts is what would be made anew."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
from packaging.version import Version

from builder.compat.load import load_facts
from builder.platforms import Subdir


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_channels_releases_in_the_place_of_the_known_ones(count: int) -> None:
    facts = load_facts()
    known = facts.releases_of("tensorflow", "conda-forge")
    there = facts.with_releases("tensorflow", "conda-forge", known[:count][::-1])
    anew = replace(there)
    assert there.releases_of("tensorflow", "conda-forge") == known[:count]
    for index in ("_by_package", "_by_version", "_by_pair", "_aliases", "newest_date"):
        assert vars(there)[index] == getattr(anew, index), index
    assert there.exhaustive("tensorflow", "conda-forge")


def test_an_answer_is_for_what_was_asked() -> None:
    """Answers are kept; another Python, platform or origin is another question."""
    facts = load_facts()
    relation = next(one for one in facts.relations if one.platforms == ("osx-arm64",) and one.left.origin == "pypi")
    left = next(v for v in map(Version, ("0.1", "1.0", "2.0", "2.5", "3.0")) if relation.left.holds(v))
    right = next(v for v in map(Version, ("0.1", "1.0", "2.0", "2.5", "3.0")) if relation.right.holds(v))
    pair = (relation.left.package, left), (relation.right.package, right)
    for _ in range(2):
        assert relation in facts.related(*pair)
        assert relation in facts.related(*pair, origins={}, subdir=Subdir.OSX_ARM64)
        assert relation not in facts.related(*pair, subdir=Subdir.LINUX_64)
        assert relation not in facts.related(*pair, origins={relation.left.package: "conda-forge"})


def test_the_same_releases_are_the_same_facts() -> None:
    facts = load_facts()
    known = facts.releases_of("tensorflow", "conda-forge")
    assert facts.with_releases("tensorflow", "conda-forge", known[:2]) is facts.with_releases(
        "tensorflow", "conda-forge", tuple(copy.copy(release) for release in known[:2])
    )
    assert (
        facts.with_releases("tensorflow", "conda-forge", known[:1]).releases_of("tensorflow", "conda-forge")
        == known[:1]
    )
