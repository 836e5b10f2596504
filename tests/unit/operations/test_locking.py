"""Locking from a channel that has other things than facts know, and judging what came out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builder.errors import UnsatisfiableError
from builder.operations.checking import CheckRequest, check
from builder.operations.locking import LockRequest, lock
from builder.project import Project
from tests.unit.lock.test_catalogue import record, write_channel
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from builder.workspace import Workspace

PYTHONS = [record("python", f"{minor}.9", "h1_0_cpython", subdir="linux-64") for minor in ("3.11", "3.12")]


def of_python(name: str, version: str, minor: str, build: str = "py{py}_0", *depends: str) -> dict[str, Any]:
    after = f"3.{int(minor.split('.')[1]) + 1}"
    bounds = f"python >={minor},<{after}.0a0"
    return record(name, version, build.format(py=minor.replace(".", "")), bounds, *depends, subdir="linux-64")


def project(tmp_path: Path, url: str, recipe: str) -> Workspace:
    root = tmp_path / "project"
    (root / "recipes").mkdir(parents=True)
    (root / "recipes" / "mine.yaml").write_text(
        f'name: mine\nplatforms: [linux-64]\npython: ">=3.11,<3.13"\nchannels: ["{url}"]\n{recipe}'
    )
    here = workspace(tmp_path)
    from dataclasses import replace

    return replace(here, project=Project(root=root, state=tmp_path / "state", found=True))


def test_a_lock_of_what_only_the_channel_knows_is_up_to_date(tmp_path: Path) -> None:
    """Facts would choose TensorFlow 2.19 for Python 3.12; this channel has 2.18 for 3.11 alone."""
    url = write_channel(
        tmp_path / "channel",
        {
            "linux-64": [
                *PYTHONS,
                of_python("tensorflow", "2.18.0", "3.11", "cpu_py{py}h1_0", "keras >=3.0", "numpy >=1.26,<3"),
                of_python("numpy", "2.0.1", "3.11"),
            ],
            "noarch": [record("keras", "3.6.0", "pyh0_0", "python >=3.9", subdir="noarch")],
        },
    )
    here = project(tmp_path, url, "framework: {name: tensorflow, provider: conda-forge}\n")
    made = lock(here, LockRequest(recipe="mine"))
    versions = {package.name: package.version for package in made.lock.packages}
    assert versions == {"python": "3.11.9", "tensorflow": "2.18.0", "numpy": "2.0.1", "keras": "3.6.0"}
    (checked,) = check(here, CheckRequest()).locks
    assert checked.problem is None, "the lock itself says what there is to choose from"


def test_the_next_best_combination_is_locked_where_the_first_cannot_be_solved(tmp_path: Path) -> None:
    """Only the solver sees that what TensorFlow 2.19 for Python 3.12 needs is missing."""
    url = write_channel(
        tmp_path / "channel",
        {
            "linux-64": [
                *PYTHONS,
                of_python("tensorflow", "2.19.1", "3.12", "cpu_py{py}h1_0", "keras >=3.0", "gone >=1"),
                of_python("tensorflow", "2.18.0", "3.11", "cpu_py{py}h1_0", "keras >=3.0"),
                of_python("numpy", "2.0.1", "3.11"),
                of_python("numpy", "2.0.1", "3.12"),
            ],
            "noarch": [record("keras", "3.6.0", "pyh0_0", "python >=3.9", subdir="noarch")],
        },
    )
    here = project(tmp_path, url, "framework: {name: tensorflow, provider: conda-forge}\n")
    made = lock(here, LockRequest(recipe="mine"))
    assert {p.name: p.version for p in made.lock.packages}["tensorflow"] == "2.18.0"


def test_what_the_solver_brings_in_is_judged_by_facts(tmp_path: Path) -> None:
    """Nobody asked for jaxlib or NumPy; together they end in a segmentation fault."""
    url = write_channel(
        tmp_path / "channel",
        {
            "linux-64": [
                *PYTHONS,
                of_python("numpy", "2.0.1", "3.12"),
                of_python("jaxlib", "0.4.20", "3.12", "cpu_py{py}_0", "numpy >=1.22"),
            ],
            "noarch": [record("my-model", "1.0", "pyh0_0", "python >=3.9", "jaxlib", subdir="noarch")],
        },
    )
    here = project(tmp_path, url, "dependencies: [my-model]\n")
    with pytest.raises(UnsatisfiableError) as caught:
        lock(here, LockRequest(recipe="mine"))
    assert "jaxlib before 0.4.26 is compiled against NumPy 1" in caught.value.message
    assert "conda-forge/jaxlib-feedstock#259" in caught.value.message
    assert "use NumPy 1.26" in (caught.value.hint or "")
    assert not (here.project.root / "environments" / "mine" / "conda-lock.yml").exists()


def test_what_a_solver_refuses_is_one_sentence_with_a_remedy_that_was_tried(tmp_path: Path) -> None:
    """Each of the two has builds for both Pythons: only what they need in turn shows that they do not meet on 3.12."""
    url = write_channel(
        tmp_path / "channel",
        {
            "linux-64": [
                *PYTHONS,
                of_python("viewer", "1.0", "3.11", "py{py}_0", "codec 1.*"),
                of_python("viewer", "1.0", "3.12", "py{py}_0", "codec 1.*"),
                of_python("player", "1.0", "3.11", "py{py}_0", "codec 1.*"),
                of_python("player", "1.0", "3.12", "py{py}_0", "codec 2.*"),
                of_python("other", "1.0", "3.12"),
                record("codec", "1.0", "h1_0", subdir="linux-64"),
                record("codec", "2.0", "h1_0", subdir="linux-64"),
            ],
            "noarch": [],
        },
    )
    here = project(tmp_path, url, "dependencies: [viewer, player]\n")
    recipe = here.project.root / "recipes" / "mine.yaml"
    recipe.write_text(recipe.read_text().replace(">=3.11,<3.13", "3.12"))
    with pytest.raises(UnsatisfiableError) as caught:
        lock(here, LockRequest(recipe="mine"))
    error = caught.value
    assert error.plain == (
        "Python 3.12, viewer (mine.yaml:5) and player (mine.yaml:5) cannot be installed together on linux-64: "
        f"{url} has no builds that fit"
    )
    assert error.hint == 'set `python: "3.11"`'
    assert "codec" in (error.details or ""), "-v shows the solver's own account"
    recipe.write_text(recipe.read_text().replace('"3.12"', '"3.11"'))
    lock(here, LockRequest(recipe="mine"))


def test_without_a_change_that_helps_the_remedy_names_the_recipes_lines(tmp_path: Path) -> None:
    url = write_channel(
        tmp_path / "channel",
        {
            "linux-64": [
                *PYTHONS,
                *(of_python("viewer", "1.0", minor, "py{py}_0", "codec 1.*") for minor in ("3.11", "3.12")),
                *(of_python("player", "1.0", minor, "py{py}_0", "codec 2.*") for minor in ("3.11", "3.12")),
                *(record("codec", f"{number}.0", "h1_0", subdir="linux-64") for number in (1, 2)),
            ],
            "noarch": [],
        },
    )
    here = project(tmp_path, url, "dependencies:\n- viewer\n- player >=1\n")
    with pytest.raises(UnsatisfiableError) as caught:
        lock(here, LockRequest(recipe="mine"))
    assert "viewer (mine.yaml:6) and player >=1 (mine.yaml:7) cannot be installed together" in caught.value.plain
    assert caught.value.hint == "loosen or leave out one of mine.yaml:6 and mine.yaml:7"


def test_what_can_never_be_installed_is_named_alone(tmp_path: Path) -> None:
    url = write_channel(
        tmp_path / "channel",
        {"linux-64": [*PYTHONS, *(of_python("viewer", "1.0", m, "py{py}_0", "gone 1.*") for m in ("3.11", "3.12"))]},
    )
    here = project(tmp_path, url, "dependencies: [viewer]\n")
    with pytest.raises(UnsatisfiableError) as caught:
        lock(here, LockRequest(recipe="mine"))
    head, *reason = caught.value.plain.splitlines()
    assert head == "viewer (mine.yaml:5) cannot be installed on linux-64:"
    assert any("gone 1.*" in line for line in reason)
    assert caught.value.hint == "loosen or leave out mine.yaml:5"
