"""What a range is certain not to allow; whatever is not certain is allowed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rattler import Version, VersionSpec

from builder.lock.ranges import excludes


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        (">=1.26,<3", "1.25.2"),
        (">=1.26,<3", "3.0"),
        (">=2,<2.5.0a0", "2.5.0"),
        (">=2.5.0a0", "2.4.9"),
        ("<=2.5a0", "2.5"),
        ("3.12.* *_cp312", "3.11.9"),
        ("=3.1.*", "3.12"),
        ("==1.0", "1.0.1"),
        ("!=1.0", "1.0.0"),
        (">1.9", "1.9"),
    ],
)
def test_excluded(asked: str, version: str) -> None:
    assert excludes(asked, version)


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("*", "1"),
        (">=1.26,<3", "2.10"),
        (">=2,<2.5.0a0", "2.4.99"),
        (">=2.5.0a0", "2.5"),
        ("3.12.* *_cp312", "3.12.3"),
        # pangeo-dask asks for itself in this way.
        ("2024.8.7.*", "2024.08.07"),
        ("==1.0", "1"),
        ("<=2", "2.0.0"),
        # Not certain: text in a version, alternatives, conda's own operators.
        (">=2024b", "2023a"),
        (">=1!2.0", "1.0"),
        (">=1.1.1w,<1.1.2a", "3.0"),
        ("<2|>3", "2.5"),
        ("~=1.4", "2.0"),
        ("1.2", "1.3"),
        ("=1.2", "1.3"),
        (">=1,<2", "2024b"),
    ],
)
def test_not_excluded(asked: str, version: str) -> None:
    assert not excludes(asked, version)


_VERSIONS = st.lists(st.sampled_from(["0", "1", "2", "10", "07", "2024"]), min_size=1, max_size=4).map(".".join)
_BOUNDS = st.builds(
    "{}{}{}".format, st.sampled_from([">=", "<=", "==", "!=", ">", "<"]), _VERSIONS, st.sampled_from(["", "a0"])
)
_RANGES = st.one_of(
    st.lists(_BOUNDS, min_size=1, max_size=3).map(",".join),
    st.builds("{}{}.*".format, st.sampled_from(["", "="]), _VERSIONS),
)


@settings(max_examples=400, deadline=None)
@given(asked=_RANGES, version=_VERSIONS)
def test_what_is_excluded_is_so_for_conda_too(asked: str, version: str) -> None:
    assert not (excludes(asked, version) and VersionSpec(asked).matches(Version(version)))
