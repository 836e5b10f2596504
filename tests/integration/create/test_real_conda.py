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

from builder.lock.read import read_lock
from builder.platforms import Subdir

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


def test_it_creates_from_what_was_packed_without_a_network(world: World, conda: list[str]) -> None:
    """As the archive's README.txt says it: unpacked by tar, compared by sha256sum, and no envbuild needed."""
    world.run("pack", "tiny", "--platform", "linux-64").ended(0)
    folder, prefix = world.root / "unpacked", world.root / "prefix"
    folder.mkdir()
    for program, *arguments in (("tar", "-xf", world.project / "tiny.tar"), ("sha256sum", "-c", "SHA256SUMS")):
        subprocess.run([str(shutil.which(program)), *arguments], cwd=folder, check=True, capture_output=True)
    line = next(line for line in (folder / "README.txt").read_text().splitlines() if "conda create" in line)
    words = shlex.split(line.replace("$PWD", str(folder)).replace("-n tiny", f"-p {prefix}"))
    assert words[:2] == ["conda", "create"]
    assert words[-2:] == ["python", "..."]
    unshare = shutil.which("unshare")
    alone = (
        [unshare, "-rn"] if unshare and subprocess.run([unshare, "-rn", "true"], check=False).returncode == 0 else []
    )
    wanted = ["python", "words", "prefixed", "filler"]
    environ = world.environ(
        CONDA_SOLVER="classic", PYTHONPATH="", CONDA_PKGS_DIRS=str(world.root / "pkgs"), CONDA_YES="1"
    )
    made = subprocess.run(
        [*alone, *conda, *words[1:-2], *wanted], env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    for package in read_lock(world.project / "environments" / "tiny" / "conda-lock.yml").on(Subdir.LINUX_64):
        if "main" in package.groups:
            assert (prefix / "conda-meta" / f"{package.file_name.removesuffix('.conda')}.json").is_file()
    said = subprocess.run([prefix / "bin" / "say-words"], capture_output=True, text=True, check=True)
    assert said.stdout == "words\n"
