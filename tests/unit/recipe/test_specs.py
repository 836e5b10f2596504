"""Match specs as people write them: what is understood means the same to the solver, everything else is refused."""

from __future__ import annotations

import pytest
import rattler
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.recipe.specs import conda_spec, requirement, specifier_set

UNDERSTOOD = {
    "numpy": "numpy",
    "numpy >=1.26,<3": "numpy >=1.26,<3",
    "numpy>=1.26": "numpy>=1.26",
    "numpy >=1, <2": "numpy >=1, <2",
    "numpy ==1.26.4": "numpy ==1.26.4",
    "numpy=1.26": "numpy=1.26",
    "libblas * *accelerate": "libblas * *accelerate",
    "tensorflow 2.19.* cpu_py312*": "tensorflow 2.19.* cpu_py312*",
    "numpy 2.*|3.*": "numpy 2.*|3.*",
    # What only looks like what solvers take:
    "pandas 2.2": "pandas 2.2.*",
    "pandas 2": "pandas 2.*",
    "python 3.12.4": "python 3.12.4.*",
    "numpy=1.26.*": "numpy 1.26.*",
    "numpy ==1.26.*": "numpy 1.26.*",
    "numpy 1.26*": "numpy 1.26.*",
    "numpy >=1.26.*": "numpy >=1.26",
    "numpy=1.26.4=py312_0": "numpy ==1.26.4 py312_0",
    "numpy=1.26.*=py312*": "numpy 1.26.* py312*",
    "libblas=*=*accelerate": "libblas * *accelerate",
    "  numpy   1.26.*  ": "numpy 1.26.*",
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_understood(text: str) -> None:
    read = conda_spec(text)
    assert read == UNDERSTOOD[text]
    assert conda_spec(read) == read
    rattler.MatchSpec(read, strict=True)


@pytest.mark.parametrize(
    ("spec", "inside", "outside"),
    [
        ("pandas 2.2", ["2.2.0", "2.2.3"], ["2.20.0", "2.3.0"]),
        ("pandas=2.2.*", ["2.2.3"], ["2.20.0", "2.3"]),
        ("pandas=2.2.1=py_0", ["2.2.1"], ["2.2.2"]),
        ("pandas !=2.2.*", ["2.3"], ["2.2.1"]),
    ],
)
def test_meaning(spec: str, inside: list[str], outside: list[str]) -> None:
    version = rattler.MatchSpec(conda_spec(spec), strict=True).version
    assert version is not None
    range_ = rattler.VersionSpec(version)
    assert all(range_.matches(rattler.Version(text)) for text in inside)
    assert not any(range_.matches(rattler.Version(text)) for text in outside)


_NAMES_AND_VERSIONS = ("numpy", "a-b", "x.y", "1.26", "2", "1!3", "1.2+b", "py312*", "rc1", "0")
_SIGNS = ("=", "==", ">=", "<", "~=", "!=", "*", ".*", ",", "|", "::", "[", "]", ";", "@", "(", ".", "-", "_", "^", "/")
_PIECES = st.sampled_from((*_NAMES_AND_VERSIONS, *_SIGNS, " ", "  "))


@settings(max_examples=2_000, deadline=None)
@given(pieces=st.lists(_PIECES, min_size=1, max_size=8))
def test_what_is_let_through_can_be_solved(pieces: list[str]) -> None:
    """Nothing passes here that dies in the solver, where neither file nor line is known any more."""
    try:
        read = conda_spec("".join(pieces))
    except ValueError:
        return
    rattler.MatchSpec(read, strict=True)
    assert conda_spec(read) == read


def test_requirements() -> None:
    assert requirement("keras[x]>=3.5; python_version >= '3.9'")
    with pytest.raises(ValueError, match=r"write 'keras==3\.5' or"):
        requirement("keras 3.5")
    with pytest.raises(ValueError, match="write 'keras>=3'"):
        requirement("keras>=3.*")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("3.12", ["3.12.0", "3.12.9"], ["3.13.0"]),
        ("3.12.4", ["3.12.4"], ["3.12.5"]),
        ("==3.11.7", ["3.11.7"], ["3.11.8"]),
        (">=3.11,<3.12.5", ["3.11.0", "3.12.4"], ["3.12.5"]),
        ("=3.12", ["3.12.1"], ["3.11.1"]),
    ],
)
def test_ranges(text: str, inside: list[str], outside: list[str]) -> None:
    found = specifier_set(text)
    assert all(version in found for version in inside)
    assert not any(version in found for version in outside)
