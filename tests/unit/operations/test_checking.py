"""`check` is never green because it looked at nothing, and one broken recipe does not hide the others."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from builder.environment.stamp import RELATIVE_PATH, Stamp
from builder.errors import ChecksFailedError, LockfileError, RecipeError, StaleLockError, UsageError
from builder.operations import CheckRequest, check
from builder.operations.expectations import expectations
from builder.platforms import Subdir
from tests.unit.operations.projects import with_lock
from tests.workspaces import Heard, workspace

ROOT = Path(__file__).parents[3]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose `mine` is ml-m1 by another name, with a lock that is up to date."""
    return with_lock(tmp_path, tmp_path / "project")


def _states(tmp_path: Path, root: Path, *names: str) -> dict[str, str]:
    result = check(workspace(tmp_path, root=root), CheckRequest(recipes=names))
    return {entry.name: entry.state for entry in result.locks}


def test_up_to_date(tmp_path: Path, project: Path) -> None:
    result = check(workspace(tmp_path, root=project), CheckRequest())
    assert [(entry.name, entry.state) for entry in result.locks] == [("mine", "up to date")]
    assert (result.problems, result.warnings) == ((), ())


def test_what_lies_in_a_locks_place_is_the_lock(tmp_path: Path, project: Path) -> None:
    """A pipe or a broken link is no missing lock: nothing says `run envbuild lock`, which would meet it as well."""
    lock = project / "environments" / "mine" / "conda-lock.yml"
    lock.unlink()
    os.mkfifo(lock)
    (problem,) = check(workspace(tmp_path, root=project), CheckRequest()).problems
    assert "a pipe, not a regular file" in str(problem)
    lock.unlink()
    lock.symlink_to("nowhere")
    (problem,) = check(workspace(tmp_path, root=project), CheckRequest()).problems
    assert "No such file" in str(problem)


def test_nothing_to_check_is_a_failure(tmp_path: Path) -> None:
    """An empty or wrong folder must not turn CI green; the shipped recipes are not the team's."""
    result = check(workspace(tmp_path), CheckRequest())
    (problem,) = result.problems
    assert isinstance(problem, ChecksFailedError)
    assert problem.exit_code == 1
    assert str(tmp_path) in problem.message


def test_shipped_locks_are_looked_at_when_named(tmp_path: Path) -> None:
    assert _states(tmp_path, tmp_path, "ml-m1") == {"ml-m1": "up to date"}


def test_a_recipe_without_a_lock_fails(tmp_path: Path, project: Path) -> None:
    shutil.rmtree(project / "environments")
    result = check(workspace(tmp_path, root=project), CheckRequest())
    (problem,) = result.problems
    assert isinstance(problem, StaleLockError)
    assert problem.hint == "run `envbuild lock mine`"


def test_a_lock_whose_recipe_is_gone_fails(tmp_path: Path, project: Path) -> None:
    (project / "recipes" / "mine.yaml").unlink()
    for names in ((), ("mine",)):
        result = check(workspace(tmp_path, root=project), CheckRequest(recipes=names))
        (problem,) = result.problems
        assert "is gone" in problem.message
        assert problem.exit_code == 1


def test_the_name_in_a_recipe_is_not_ignored(tmp_path: Path, project: Path) -> None:
    file = project / "recipes" / "mine.yaml"
    file.write_text(file.read_text().replace("name: mine", "name: yours"))
    (problem,) = check(workspace(tmp_path, root=project), CheckRequest()).problems
    assert isinstance(problem, RecipeError)
    assert (problem.file, problem.exit_code) == (str(file), 2)


def test_a_file_that_is_not_read_is_named(tmp_path: Path, project: Path) -> None:
    (project / "recipes" / "other.yml").write_text("name: other\n")
    result = check(workspace(tmp_path, root=project), CheckRequest())
    assert [entry.state for entry in result.locks] == ["up to date", "recipe refused"]
    (problem,) = result.problems
    assert "ends in .yaml" in problem.message
    assert problem.hint is not None
    subprocess.run(shlex.split(problem.hint), check=True, cwd=tmp_path)
    assert (project / "recipes" / "other.yaml").is_file(), "the remedy leaves it where recipes are, wherever it is run"


def test_every_recipe_is_judged_though_one_is_broken(tmp_path: Path, project: Path) -> None:
    (project / "recipes" / "broken.yaml").write_text("name: broken\npython: 3.10\n")
    (project / "recipes" / "never.yaml").write_text('name: never\nplatforms: [linux-64]\npython: "2.7"\n')
    shutil.copytree(project / "environments" / "mine", project / "environments" / "never")
    assert _states(tmp_path, project) == {"broken": "recipe refused", "mine": "up to date", "never": "recipe refused"}
    assert _states(tmp_path, project, "nowhere", "mine") == {"nowhere": "recipe refused", "mine": "up to date"}


def test_other_channels_are_noticed(tmp_path: Path, project: Path) -> None:
    file = project / "recipes" / "mine.yaml"
    file.write_text(f"{file.read_text()}\nchannels: [other, conda-forge]\n")
    (problem,) = check(workspace(tmp_path, root=project), CheckRequest()).problems
    assert isinstance(problem, StaleLockError)
    assert "made from the channels conda-forge, and the recipe names other, conda-forge" in problem.message


def test_an_unsound_lock_is_told_from_a_stale_one(tmp_path: Path, project: Path) -> None:
    lock = project / "environments" / "mine" / "conda-lock.yml"
    lock.write_text(lock.read_text().replace("https://conda.anaconda.org/", "https://elsewhere.example/", 1))
    (problem,) = check(workspace(tmp_path, root=project), CheckRequest()).problems
    assert isinstance(problem, LockfileError)


def test_changed_checks_are_noticed(tmp_path: Path, project: Path) -> None:
    """The lock is still right; the environment that was built from it is not proven for what is asked now."""
    heard = Heard()
    here = workspace(tmp_path, root=project, progress=heard)
    prefix = here.store.prefix_for("mine")
    recipe = here.project.recipe("mine")
    stamp = Stamp(
        name="mine",
        recipe="mine",
        subdir=Subdir.LINUX_64,
        lock_sha256="",
        envbuild_version="",
        packages=(),
        expectations=expectations(recipe, None),
    )
    (prefix / RELATIVE_PATH).parent.mkdir(parents=True)
    (prefix / RELATIVE_PATH).write_text(stamp.dumps())
    assert check(here, CheckRequest()).warnings == ()
    file = project / "recipes" / "mine.yaml"
    file.write_text(file.read_text().replace("imports: [", "imports: [json, "))
    result = check(here, CheckRequest())
    assert result.problems == ()
    assert "`envbuild create mine`" in result.warnings[0]
    assert tuple(heard.warnings) == result.warnings == result.locks[0].notes


def test_a_pair_that_is_known_not_to_work_makes_a_lock_unsound_however_it_came_in(
    tmp_path: Path, project: Path
) -> None:
    """Somebody edited the lock: its hashes are of its recipe, and each entry by itself is in order."""
    lock = project / "environments" / "mine" / "conda-lock.yml"
    text = lock.read_text()
    entry = (
        "- name: tensorflow-metal\n  version: 1.0.1\n  manager: pip\n  platform: osx-arm64\n  dependencies: {}\n"
        "  url: https://example.org/tensorflow_metal-1.0.1-cp312-cp312-macosx_12_0_arm64.whl\n"
        f"  hash:\n    sha256: {'a' * 64}\n  category: main\n  optional: false\n"
        "- name: tensorflow\n  version: 2.20.0\n  manager: pip\n  platform: osx-arm64\n  dependencies: {}\n"
        "  url: https://example.org/tensorflow-2.20.0-cp312-cp312-macosx_12_0_arm64.whl\n"
        f"  hash:\n    sha256: {'a' * 64}\n  category: main\n  optional: false\n"
    )
    lock.write_text(text + entry)
    (problem,) = check(workspace(tmp_path, root=project), CheckRequest()).problems
    assert isinstance(problem, LockfileError)
    assert "known not to work together: osx-arm64: no tensorflow-metal loads with TensorFlow 2.20" in problem.plain
    assert "run `envbuild lock mine`" in (problem.hint or "")


def test_result_is_complete_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from builder.cli import cli
    from builder.cli.session import run

    (project / "recipes" / "broken.yaml").write_text("name: broken\npython: 3.10\n")
    assert run(cli, ["check", "--project", str(project), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert [entry["ok"] for entry in told["result"]["locks"]] == [False, True]
    assert [error["code"] for error in told["errors"]] == ["recipe"]


def test_a_name_that_is_none(tmp_path: Path) -> None:
    (problem,) = check(workspace(tmp_path), CheckRequest(recipes=("../x",))).problems
    assert isinstance(problem, UsageError)
