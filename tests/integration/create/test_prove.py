"""`envbuild prove`: a lock's proof without a build, over a real channel, and the same verdict as that of the build."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.create.world import World


def test_a_lock_is_proven_once_and_the_same_again(world: World) -> None:
    first = world.run("prove", "tiny", "--json").ended(0)
    proof = world.project / "environments" / "tiny" / "proof.json"
    text = proof.read_text()
    print(text)
    assert first.result["reads"] > 0
    again = world.run("prove", "tiny", "--json").ended(0)
    assert again.result["reads"] == 0
    assert proof.read_text() == text
    assert str(world.root) not in text
