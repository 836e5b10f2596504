"""A lock that the audit refuses is not installed from, by the command and by the library alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.create.world import World

_LIBRARY = """
from builder import operations
from builder.workspace import Workspace

operations.create(Workspace.here(), operations.CreateRequest(recipe="{name}"))
"""


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "said"),
    [
        ("tiny", r"\n    sha256: \w+", "", "has no sha256"),
        (
            "tiny",
            r"url: file://\S+/noarch/words",
            "url: https://elsewhere.example/noarch/words",
            "not on any channel of the lock",
        ),
        ("mixed", "url: http://127.0.0.1", "url: http://packages.example", "plain http"),
        ("mixed", "tinywheel-1.0-py3-none-any", "otherwheel-1.0-py3-none-any", "names another package"),
        ("mixed", "tinywheel-1.0-py3-none-any", "tinywheel-1.0-cp39-cp39-musllinux_1_2_x86_64", "is for musl"),
    ],
)
def test_refused_with_its_line(world: World, name: str, pattern: str, replacement: str, said: str) -> None:
    lock = world.project / f"environments/{name}/conda-lock.yml"
    text, count = re.subn(pattern, replacement, lock.read_text(), count=1)
    assert count == 1
    lock.write_text(text)
    answer = world.create(name).ended(2)
    assert said in answer.stderr
    assert re.search(r"conda-lock\.yml:\d+", answer.stderr)
    assert not world.prefix(name).exists()


def test_refused_by_the_library(world: World) -> None:
    lock = world.project / "environments/tiny/conda-lock.yml"
    lock.write_text(re.sub(r"\n    sha256: \w+", "", lock.read_text(), count=1))
    answer = world.run_program(("-c", _LIBRARY.format(name="tiny")))
    assert "LockfileError" in answer.stderr
    assert "has no sha256" in answer.stderr
    assert not world.prefix().exists()
