"""What `status` and `create` say of an environment whose proof is not, or no longer, that of what is expected."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builder.cli import cli
from builder.cli.session import run as run_command
from builder.environment.stamp import RELATIVE_PATH, Expectations, Stamp, StampedProof, Verdict
from builder.install.create import CreateRequest as Build
from builder.operations.created import present
from builder.operations.locks import UsableLock
from builder.operations.warnings import Warnings
from builder.operations.watching import StatusRequest, status
from builder.platforms import Subdir
from tests.workspaces import Heard, workspace

if TYPE_CHECKING:
    from pathlib import Path

    from builder.workspace import Workspace

_RECIPE = """\
name: mine
platforms: [linux-64]
python: "3.12"
dependencies: [numpy]
verify:
  imports: [numpy]
"""
_EXPECTED = Expectations(imports=("numpy",))


@pytest.fixture
def team(tmp_path: Path) -> Workspace:
    (tmp_path / "project" / "recipes").mkdir(parents=True)
    (tmp_path / "project" / "recipes" / "mine.yaml").write_text(_RECIPE)
    return workspace(tmp_path, root=tmp_path / "project")


def _environment(at: Path, verdict: Verdict) -> Stamp:
    proof = StampedProof(level="default", verdict=verdict, expectations=_EXPECTED.digest)
    stamp = Stamp(
        name="mine",
        recipe="mine",
        subdir=Subdir.LINUX_64,
        lock_sha256="",
        envbuild_version="",
        packages=(),
        groups=("main", "dev"),
        expectations=_EXPECTED,
        channels=("file:///state/host-channels/3.12",),
        proof=proof,
    )
    (at / "conda-meta").mkdir(parents=True)
    (at / RELATIVE_PATH).write_text(stamp.dumps())
    return stamp


def test_a_proof_of_what_the_recipe_no_longer_asks_for_is_out_of_date(team: Workspace, tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    _environment(prefix, Verdict.PASSED)
    (one,) = status(team, StatusRequest(environment=str(prefix))).environments
    assert (one.proof, one.proof_outdated) == (Verdict.PASSED, False)
    recipe = team.project.root / "recipes" / "mine.yaml"
    recipe.write_text(_RECIPE.replace("imports: [numpy]", "imports: [numpy, numpy.linalg]"))
    (one,) = status(team, StatusRequest(environment=str(prefix))).environments
    assert (one.proof, one.proof_outdated, one.ok) == (None, True, False)
    recipe.write_text("name: [")
    (one,) = status(team, StatusRequest(environment=str(prefix))).environments
    assert one.proof is Verdict.PASSED, "what is wrong with the recipe says nothing about the environment"


def test_the_remedy_builds_the_same_environment_again(
    team: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the same source, with the same groups, at the same place."""
    prefix = tmp_path / "env"
    _environment(prefix, Verdict.PASSED)
    recipe = team.project.root / "recipes" / "mine.yaml"
    recipe.write_text(_RECIPE.replace("imports: [numpy]", "imports: [json]"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run_command(cli, ["status", str(prefix), "--project", str(team.project.root), "--json"]) == 1
    (error,) = json.loads(capsys.readouterr().out)["errors"]
    assert error["hint"].endswith(f": envbuild create mine --source pypi --group dev -p {prefix}")


@pytest.mark.parametrize("verdict", Verdict)
def test_that_nothing_is_done_does_not_hide_a_failed_proof(tmp_path: Path, verdict: Verdict) -> None:
    """With --no-verify it is not made again, whichever lock the environment is from."""
    heard = Heard()
    team = replace(workspace(tmp_path), progress=heard)
    stamp = _environment(tmp_path / "env", verdict)
    build = Build(
        name="mine",
        recipe="mine",
        prefix=tmp_path / "env",
        subdir=Subdir.LINUX_64,
        host=None,
        lock_sha256="",
        expectations=_EXPECTED,
    )
    lock = UsableLock(file=tmp_path / "conda-lock.yml", follows_recipe=True)
    result = present(team, build, stamp, lock=lock, warn=Warnings(heard), proof=None)
    told = [f"the last verification of {build.prefix} failed, and with --no-verify it is not made again"]
    assert list(result.warnings) == heard.warnings == (told if verdict is Verdict.FAILED else [])
