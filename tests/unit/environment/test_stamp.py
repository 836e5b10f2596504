"""The stamp: what it keeps, what it reads of older versions, and that an ill-typed one is none."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.environment.stamp import FORMAT, Expectations, NewerStampError, Stamp, StampedPackage, Verdict
from builder.platforms import Subdir

NUMPY = StampedPackage(
    name="numpy", version="2.0", manager="conda", build="py312_0", sha256="a" * 64, url="https://host/numpy.conda"
)
STAMP = Stamp(
    name="ml",
    recipe="ml-m1",
    subdir=Subdir.OSX_ARM64,
    lock_sha256="b" * 64,
    envbuild_version="1",
    packages=(NUMPY,),
    channels=("https://conda.anaconda.org/conda-forge",),
    prefix="/envs/ml",
    groups=("main", "dev"),
    expectations=Expectations(framework="jax", devices={"cpu": 1}, tolerances={"float32": 0.5}, imports=("numpy",)),
)


def _data(**changes: Any) -> dict[str, Any]:
    """A stamp's fields with some changed, without the seal that would tell."""
    data: dict[str, Any] = json.loads(STAMP.dumps())
    del data["seal"]
    return data | changes


def test_round_trip() -> None:
    assert Stamp.loads(STAMP.dumps()) == STAMP
    proven = STAMP.proven(level="default", verdict=Verdict.FAILED)
    assert Stamp.loads(proven.dumps()) == proven
    assert Stamp.loads(proven.dumps()).verdict is Verdict.FAILED


def test_a_proof_is_of_its_expectations() -> None:
    """Expecting something else makes a proven environment unproven, and expecting the same again proven."""
    assert STAMP.verdict is None
    proven = STAMP.proven(level="full", verdict=Verdict.PASSED)
    assert proven.verdict is Verdict.PASSED
    assert proven.expecting(Expectations()).verdict is None
    assert proven.expecting(Expectations()).expecting(STAMP.expectations).verdict is Verdict.PASSED


def test_version_1() -> None:
    """As written by 1.0: without channels, place, hashes and proof; it is unproven."""
    data = _data(format=1, packages=[{"name": "numpy", "version": "2.0", "manager": "conda", "build": "py312_0"}])
    for name in ("channels", "prefix", "proof", "expectations_sha256"):
        del data[name]
    read = Stamp.loads(json.dumps(data))
    assert (read.name, read.groups, read.expectations) == (STAMP.name, STAMP.groups, STAMP.expectations)
    assert (read.packages[0].build, read.packages[0].sha256, read.verdict) == ("py312_0", None, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 3}, "format 3"),
        ({"format": True}, "not a whole number"),
        ({"name": 1}, "name: 1 is not text"),
        ({"subdir": "win-64"}, "win-64"),
        ({"packages": {}}, "not a list"),
        ({"packages": [1]}, "no object"),
        ({"packages": [{"name": "a", "version": "1", "manager": "npm"}]}, "neither conda nor pip"),
        ({"packages": [{"name": "a", "version": 1.0, "manager": "pip"}]}, "version"),
        ({"groups": "main"}, "groups"),
        ({"expectations": {"imports": "numpy"}}, "imports"),
        ({"expectations": {"devices": {"cpu": "many"}}}, "devices"),
        ({"expectations": {"tolerances": {"float32": float("nan")}}}, "tolerances"),
        ({"expectations": {"gpu": 1}}, "neither true nor false"),
        ({"proof": {"level": "full", "verdict": "green", "expectations": ""}}, "green"),
        ({"proof": []}, "no object"),
    ],
)
def test_ill_typed(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Stamp.loads(json.dumps(_data(**changes)))


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, '{"format": 2}', "\0"])
def test_no_stamp_at_all(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Stamp.loads(text)


def test_a_newer_format_is_told_from_a_damaged_one() -> None:
    """However a newer envbuild seals and lays out its stamps."""
    for changes in ({}, {"packages": {"by": "name"}}, {"seal": "another"}):
        with pytest.raises(NewerStampError, match=rf"a newer envbuild made it .*format {FORMAT + 1}"):
            Stamp.loads(json.dumps(_data(**{"format": FORMAT + 1} | changes)))
    for never in (0, -1, True, "3"):
        with pytest.raises(ValueError, match=r"format") as caught:
            Stamp.loads(json.dumps(_data(format=never)))
        assert not isinstance(caught.value, NewerStampError)


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from(sorted(json.loads(STAMP.dumps()))),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
        max_leaves=5,
    ),
)
def test_any_type_anywhere(field: str, value: object) -> None:
    """A stamp, or ValueError; nothing else."""
    with contextlib.suppress(ValueError):
        Stamp.loads(json.dumps(_data(**{field: value}))).dumps()


@pytest.mark.parametrize(
    ("channels", "provider", "expected"),
    [
        ((), "pypi", True),
        ((), "conda-forge", False),
        (("file:///home/me/.local/share/envbuild/host-channels/abc",), "pypi", True),
        (("conda-forge",), "pypi", False),
        (("file:///srv/mirror/conda-forge",), "pypi", False),
    ],
)
def test_a_team_may_take_its_framework_from_pypi_too(channels: tuple[str, ...], provider: str, expected: bool) -> None:
    """Told to rebuild with `--source pypi`, it would get another Python than the one its lock is for."""
    stamp = Stamp(
        name="ml", subdir=Subdir.LINUX_64, lock_sha256="a", envbuild_version="0", packages=(), channels=channels,
        expectations=Expectations(provider=provider),
    )  # fmt: skip
    assert stamp.of_this_machine is expected


def test_an_edited_stamp_is_none() -> None:
    """What it says was meant, and what is checked by it: nobody changes that in silence. How it is laid out is free."""
    data = json.loads(STAMP.dumps())
    assert Stamp.loads(json.dumps(data)) == STAMP
    for name in ("packages", "groups"):
        with pytest.raises(ValueError, match="changed after envbuild wrote it"):
            Stamp.loads(json.dumps(data | {name: []}))
    # One of before has no seal.
    assert Stamp.loads(json.dumps({name: value for name, value in data.items() if name != "seal"})) == STAMP
