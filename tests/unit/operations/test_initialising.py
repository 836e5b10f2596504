"""`init` writes recipes that can be read."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from builder.cli import cli
from builder.cli.session import run
from builder.errors import UsageError
from builder.operations import InitRequest, init
from builder.operations.repository_files import PRE_COMMIT_FILE, WORKFLOW_FILE
from builder.published import REPOSITORY, REVISION, published
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    result = init(here, InitRequest(recipe="mine"))
    assert result.file == tmp_path / "recipes" / "mine.yaml"
    assert here.project.recipe("mine").name == "mine"
    assert (tmp_path / "recipes" / "recipe.schema.json").is_file()


@pytest.mark.parametrize(
    ("name", "base", "reason"),
    [
        ("ml-m1", "ml-m1", "cannot build on itself"),
        ("data-m1", "child", "cannot build on child, which builds on data-m1"),
        ("Mine", "ml-m1", "is not a name for a recipe"),
        ("mine", "nowhere", "there is no recipe"),
        ("child", "ml-m1", "exists already"),
    ],
)
def test_refused(tmp_path: Path, name: str, base: str, reason: str) -> None:
    here = workspace(tmp_path)
    init(here, InitRequest(recipe="child", extends="data-m1"))
    with pytest.raises(UsageError, match=reason):
        init(here, InitRequest(recipe=name, extends=base))
    assert [file.name for file in (tmp_path / "recipes").glob("*.yaml")] == ["child.yaml"]


def _everything(name: str) -> InitRequest:
    return InitRequest(recipe=name, extends="data-m1", attributes=True, workflow=True, pre_commit=True)


def test_what_a_repository_may_have_beside_it(tmp_path: Path) -> None:
    here = workspace(tmp_path, root=tmp_path)
    done = init(here, _everything("mine"))
    assert [str(file.relative_to(tmp_path)) for file in done.written] == [
        "recipes/mine.yaml",
        ".gitattributes",
        ".github/workflows/envbuild.yml",
        ".pre-commit-config.yaml",
    ]
    assert done.left == ()
    assert "environments/*/conda-lock.yml merge=envbuild" in (tmp_path / ".gitattributes").read_text()
    steps = yaml.safe_load((tmp_path / WORKFLOW_FILE).read_text())["jobs"]["environment"]
    assert steps["strategy"]["matrix"]["runner"] == ["macos-14", "ubuntu-latest"], "one for each platform"
    source = published()
    uses = steps["steps"][-1]
    assert uses == {"uses": f"{source.repository}@{source.revision}", "with": {"environment": "mine"}}
    (hook,) = yaml.safe_load((tmp_path / PRE_COMMIT_FILE).read_text())["repos"]
    assert (hook["rev"], hook["hooks"]) == (source.revision, [{"id": "envbuild-check"}])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    here = workspace(tmp_path, root=tmp_path)
    first = init(here, _everything("mine"))
    (tmp_path / ".gitattributes").write_text("*.png binary")
    for file in (tmp_path / "recipes" / "mine.yaml", tmp_path / WORKFLOW_FILE, tmp_path / PRE_COMMIT_FILE):
        file.write_text(f"{file.read_text()}# mine\n")
    again = init(here, _everything("mine"))
    assert [file.name for file in again.written] == [".gitattributes"]
    assert (tmp_path / ".gitattributes").read_text().startswith("*.png binary\n")
    for file in first.written[:1] + first.written[2:]:
        assert file.read_text().endswith("# mine\n")
        assert any(str(file) in told for told in again.left)
    assert "id: envbuild-check" in again.left[-1], "what to add by hand"


def test_below_the_top_of_a_repository(tmp_path: Path) -> None:
    """A workflow there would be read by nobody."""
    subprocess.run([shutil.which("git") or "git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "ml").mkdir()
    here = workspace(tmp_path, root=tmp_path / "ml", environ=dict(os.environ))
    with pytest.raises(UsageError, match="at the top of the repository"):
        init(here, _everything("mine"))
    assert not (tmp_path / "ml" / "recipes").exists()


_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("note", "repository", "revision"),
    [
        (
            f'{{"url": "https://github.com/us/envbuild.git", "vcs_info": {{"vcs": "git", "commit_id": "{_COMMIT}"}}}}',
            "us/envbuild",
            _COMMIT,
        ),
        ('{"url": "file:///src/envbuild", "dir_info": {"editable": true}}', REPOSITORY, REVISION),
        (f'{{"url": "https://me:pw@host.example/x", "vcs_info": {{"commit_id": "{_COMMIT}"}}}}', REPOSITORY, REVISION),
        ("[1]", REPOSITORY, REVISION),
        ("not json", REPOSITORY, REVISION),
        ("", REPOSITORY, REVISION),
    ],
)
def test_where_envbuild_is_from(note: str, repository: str, revision: str) -> None:
    found = published(note)
    assert (found.repository, found.revision) == (repository, revision)
    assert found.is_known is (repository != REPOSITORY)


def test_it_asks_only_where_somebody_can_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("mine\n"))
    assert run(cli, ["init"]) == 2
    assert "nobody to ask" in capsys.readouterr().err
    answers = io.StringIO("mine\n\ny\nn\n")
    answers.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", answers)
    assert run(cli, ["init", "--no-workflow", "--json"]) == 2
    assert run(cli, ["init", "--no-workflow"]) == 0
    assert (tmp_path / "recipes" / "mine.yaml").read_text().count("extends: ml-m1") == 1
    assert (tmp_path / ".gitattributes").is_file()
    assert not (tmp_path / PRE_COMMIT_FILE).exists()
