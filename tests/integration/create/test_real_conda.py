"""What conda itself makes of an environment of ours, where a conda can be had.

`conda` on the PATH is taken, or the command in ENVBUILD_TEST_CONDA; conda runs from its sources as well
(`env PYTHONPATH=SOURCES python -m conda`, in an environment with its dependencies).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.create.world import World


@pytest.fixture(scope="module")
def conda() -> list[str]:
    given = shlex.split(os.environ.get("ENVBUILD_TEST_CONDA", ""))
    found = shutil.which("conda")
    if not given and found is None:
        pytest.skip("no conda on the PATH, and ENVBUILD_TEST_CONDA does not name one")
    return given or [str(found)]


def _run(conda: list[str], world: World, *arguments: str) -> str:
    environ = world.environ(CONDA_OFFLINE="1", CONDA_SOLVER="classic", PYTHONPATH="")
    answer = subprocess.run([*conda, *arguments], env=environ, capture_output=True, text=True, timeout=120, check=False)
    return answer.stdout + answer.stderr


def test_its_doctor_finds_nothing_altered_or_missing(world: World, conda: list[str]) -> None:
    """The links `bin/python` and `bin/python3` of the packaged interpreter among the files that it compares."""
    world.create("tiny").ended(0)
    said = _run(conda, world, "doctor", "-v", "-p", str(world.prefix()))
    assert "no packages with altered files" in said, said
    assert "no packages with missing files" in said, said
    assert "The environment is consistent" in said, said
    assert "listed in the environments.txt" in said, said
    (world.prefix() / "share" / "prefixed.txt").write_text("edited")
    assert "Altered Files" in _run(conda, world, "doctor", "-v", "-p", str(world.prefix())), "it does look"


def test_its_list_names_what_was_installed(world: World, conda: list[str]) -> None:
    world.create("tiny").ended(0)
    listed = json.loads(_run(conda, world, "list", "--json", "-p", str(world.prefix())))
    assert {package["name"] for package in listed} >= {"python", "python_abi", "pip", "words", "prefixed", "filler"}


def test_it_runs_programs_in_it(world: World, conda: list[str]) -> None:
    world.create("tiny").ended(0)
    assert "words" in _run(conda, world, "run", "-p", str(world.prefix()), "say-words")
