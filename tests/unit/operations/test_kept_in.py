"""What a new plan stays at of the lock there is, and what may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.compat.load import load_facts
from builder.lock.model import Lock, LockedPackage
from builder.operations.preparing import kept_in
from builder.platforms import Subdir

if TYPE_CHECKING:
    from builder.compat.facts import Facts

MAC = Subdir.OSX_ARM64


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


def lock_of(**versions: str) -> Lock:
    packages = tuple(
        LockedPackage(
            manager="conda" if name in ("python", "pytorch") else "pip",
            name=name.replace("_", "-"),
            version=version,
            subdir=MAC,
            url=f"https://example.org/{name}",
            sha256=None,
        )
        for name, version in versions.items()
    )
    return Lock(channels=("conda-forge",), platforms=(MAC,), packages=packages, sources=(), content_hash={})


@pytest.mark.parametrize(
    ("moving", "stays"),
    [
        ((), {"python", "tensorflow", "tensorflow-metal", "numpy"}),
        (("numpy",), {"python", "tensorflow", "tensorflow-metal"}),
        (("tensorflow",), {"python", "numpy"}),
        (("tensorflow-metal",), {"python", "numpy"}),
        (("python",), {"tensorflow", "tensorflow-metal", "numpy"}),
    ],
)
def test_what_is_asked_to_move_is_not_kept(facts: Facts, moving: tuple[str, ...], stays: set[str]) -> None:
    lock = lock_of(python="3.12.1", tensorflow="2.19.1", tensorflow_metal="1.2.0", numpy="2.1.0")
    kept = kept_in(lock, facts, moving=moving)
    assert kept is not None
    assert set(kept[MAC]) == stays


def test_the_framework_moves_by_any_of_its_names(facts: Facts) -> None:
    """jax is what people ask for, jaxlib what decides; PyTorch is pytorch on conda-forge."""
    kept = kept_in(lock_of(jax="0.4.34", jaxlib="0.4.34", jax_metal="0.1.1"), facts, moving=("jax",))
    assert kept == {MAC: {}}
    assert kept_in(lock_of(pytorch="2.5.1"), facts, moving=("pytorch",)) == {MAC: {}}


def test_local_labels_and_what_is_no_version(facts: Facts) -> None:
    kept = kept_in(lock_of(torch="2.5.1+cpu", six="2024b"), facts)
    assert kept is not None
    assert {name: str(held.version) for name, held in kept[MAC].items()} == {"torch": "2.5.1", "six": "2024b0"}
    assert kept_in(None, facts) is None
