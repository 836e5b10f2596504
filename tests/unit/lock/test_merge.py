"""Two sides of a merge: the versions to stay at, the proofs that hold, and what conflict marks mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builder.lock.merge import pins_of_both, proofs_that_hold, sides_in
from builder.lock.model import Lock, LockedPackage
from builder.lock.proof import PlatformProof, packages_digest
from builder.platforms import Subdir

_MAC, _LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64


def _lock(**versions: str) -> Lock:
    """A lock with these packages, `__` for a dash; for Linux."""
    packages = tuple(
        LockedPackage(
            manager="conda",
            name=name,
            version=version,
            subdir=_LINUX,
            url=f"https://conda.anaconda.org/conda-forge/noarch/{name}-{version}-0.conda",
            sha256=None,
        )
        for name, version in versions.items()
    )
    return Lock(channels=("conda-forge",), platforms=(_LINUX,), packages=packages, sources=(), content_hash={})


def _pins(base: Lock | None, ours: Lock | None, theirs: Lock | None) -> dict[str, str]:
    merged = pins_of_both(base, ours, theirs)
    assert merged is not None
    return {package.name: package.version for package in merged.packages}


def test_what_one_side_has_moved_is_as_that_side_has_it() -> None:
    base = _lock(left="1.0", right="1.0", down="2.0", stays="1.0")
    ours = _lock(left="1.1", right="1.0", down="2.0", stays="1.0", new="1.0")
    theirs = _lock(left="1.0", right="1.1", down="1.0", stays="1.0", newer="1.0")
    wanted = {"left": "1.1", "right": "1.1", "down": "1.0", "stays": "1.0", "new": "1.0", "newer": "1.0"}
    assert _pins(base, ours, theirs) == wanted
    assert _pins(base, theirs, ours) == wanted


def test_of_what_both_have_moved_the_newer_is_taken() -> None:
    base, ours, theirs = _lock(one="1.9"), _lock(one="1.10"), _lock(one="1.11")
    assert _pins(base, ours, theirs) == _pins(base, theirs, ours) == {"one": "1.11"}
    assert _pins(None, ours, theirs) == {"one": "1.11"}, "both have added it"


def test_a_side_without_a_lock_leaves_the_other() -> None:
    lock = _lock(one="1.0")
    assert pins_of_both(None, lock, None) is lock
    assert pins_of_both(None, None, lock) is lock
    assert pins_of_both(lock, None, None) is None


def test_platforms_of_both_sides_are_there() -> None:
    merged = pins_of_both(None, _lock(one="1.0"), replace(_lock(one="1.0"), platforms=(_MAC, _LINUX)))
    assert merged is not None
    assert set(merged.platforms) == {_MAC, _LINUX}


def test_only_proofs_of_these_packages_hold() -> None:
    lock = _lock(one="1.0")

    def proof(digest: str) -> PlatformProof:
        return PlatformProof(packages=1, digest=digest, proven=True, system="glibc", judged_for=None, holds_from=None)

    right, wrong = proof(packages_digest(lock.packages)), proof("0" * 64)
    assert proofs_that_hold(lock, [{"linux-64": wrong}, {"linux-64": right}]) == {"linux-64": right}
    assert proofs_that_hold(lock, [{"linux-64": wrong}, {"osx-arm64": right}]) == {}


@pytest.mark.parametrize(
    "marked",
    [
        b"a\n<<<<<<< HEAD\nb\n=======\nc\nd\n>>>>>>> other\ne\n",
        b"a\n<<<<<<< ours\nb\n||||||| base\nx\n=======\nc\nd\n>>>>>>> theirs\ne\n",
        b"a\n<<<<<<< ours\nb\n||||||| 1234567\n=======\nc\nd\n>>>>>>>\ne\n",
    ],
)
def test_both_sides_are_read_from_the_marks(marked: bytes) -> None:
    assert sides_in(marked) == (b"a\nb\ne\n", b"a\nc\nd\ne\n")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"a\nb\n",
        b"a: =======\n",
        b"=======\na\n",
        b"<<<<<<< ours\na\n=======\nb\n",
        b"<<<<<<< ours\n<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n",
        b"a\n>>>>>>> theirs\n",
    ],
)
def test_what_has_no_whole_marks_has_no_sides(text: bytes) -> None:
    assert sides_in(text) is None
