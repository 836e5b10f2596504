"""What is not Python: the action, workflows, hooks and the conda recipe agree with the package, and are linted."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, Final

import click
import pytest
import yaml
from packaging.requirements import Requirement

import builder
from builder.cli import cli
from builder.published import REPOSITORY, REVISION
from tools.release_ready import unready

ROOT: Final = Path(__file__).parents[2]
_WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
_PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
#: Where conda-forge calls a distribution otherwise.
_CONDA: Final = {"msgpack": "msgpack-python"}


def _conda_recipe() -> dict[str, Any]:
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "conda-recipe" / "recipe.yaml").read_text())
    return recipe


def test_the_conda_recipe_asks_for_what_the_package_asks_for() -> None:
    wanted = {"python"}
    for text in _PROJECT["dependencies"]:
        requirement = Requirement(text)
        name = _CONDA.get(requirement.name, requirement.name)
        wanted.add(f"{name} {','.join(sorted(str(requirement.specifier).split(','), reverse=True))}")
    recipe = _conda_recipe()
    run = {spec if "${{" not in spec else spec.split()[0] for spec in recipe["requirements"]["run"]}
    assert run == wanted
    assert recipe["context"]["version"] == builder.__version__


def test_the_conda_recipe_is_one_for_rattler_build() -> None:
    rattler_build = pytest.importorskip("rattler_build", reason="py-rattler-build is not installed")
    text = (ROOT / "conda-recipe" / "recipe.yaml").read_text()
    rattler_build.Stage0Recipe.from_yaml(text)
    with pytest.raises(rattler_build.RattlerBuildError):
        rattler_build.Stage0Recipe.from_yaml(text.replace("requirements:", "requiremints:"))


@pytest.mark.parametrize("file", [*_WORKFLOWS, ROOT / "action.yml"], ids=lambda file: file.name)
def test_no_name_is_installed_that_no_index_has(file: Path) -> None:
    """Whoever takes a free name on an index would otherwise run code in every user's CI."""
    text = file.read_text()
    assert not re.search(r"pip install[^`\n]*\s[\"']?envbuild\b", text)
    assert not re.search(r"default:\s*[\"']?envbuild[\"']?\s*$", text, re.MULTILINE)
    for found in re.findall(rf"{REPOSITORY}(?:/[\w./-]+)?@([\w.]+)", text):
        assert found in (REVISION, "REVISION"), "the revision is that of builder/published.py"


def test_no_tag_becomes_a_release_while_a_placeholder_stands() -> None:
    """By the step of the workflow itself, which everything else in it waits for."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    step = next(step for step in jobs["ready"]["steps"] if "release_ready" in step.get("run", ""))
    for name in set(jobs) - {"ready"}:
        before = name
        while "needs" in jobs[before]:
            before = jobs[before]["needs"]
        assert before == "ready", f"{name} does not wait for it"
    environ = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "TAG": REVISION}
    answer = subprocess.run(
        ["/bin/sh", "-c", step["run"]], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    stands = REPOSITORY.startswith("OWNER/")
    assert answer.returncode == (1 if stands else 0), answer.stderr
    if stands:
        assert "builder/published.py: REPOSITORY is OWNER/envbuild" in answer.stderr
        assert "conda-recipe/recipe.yaml:14: OWNER" in answer.stderr


def test_a_release_is_ready_when_all_is_filled_in(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "ci.md"
    page.write_text("uses: someone/envbuild@v0.1.0\n")

    def left(tag: str = REVISION, *, is_on_index: bool = True) -> list[str]:
        return list(unready(tag, tmp_path, repository="someone/envbuild", is_on_index=is_on_index))

    assert left() == []
    assert len(left("v9.9.9")) == len(left(is_on_index=False)) == 1
    page.write_text("uses:\n  OWNER/envbuild@v0.1.0\n")
    assert left() == ["docs/ci.md:2: OWNER stands for the repository's owner"]


@pytest.mark.parametrize("file", _WORKFLOWS, ids=lambda file: file.name)
def test_workflows_are_linted(file: Path) -> None:
    actionlint = shutil.which("actionlint", path=str(Path(sys.executable).parent)) or shutil.which("actionlint")
    if actionlint is None:
        pytest.skip("no actionlint here")
    answer = subprocess.run([actionlint, str(file)], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_scripts_are_linted() -> None:
    shellcheck = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("no shellcheck here")
    scripts = [str(file) for file in sorted((ROOT / "action").glob("*.sh"))]
    answer = subprocess.run([shellcheck, *scripts], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_every_action_of_others_is_pinned() -> None:
    for file in (*_WORKFLOWS, ROOT / "action.yml"):
        for uses in re.findall(r"uses:\s*(\S+)", file.read_text()):
            assert uses.startswith("./") or re.search(r"@(v\d|release/v\d|[0-9a-f]{40}|REVISION)", uses), uses


def test_the_hooks_run_commands_that_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["envbuild-check", "envbuild-render"]
    group = click.Context(cli, info_name="envbuild")
    for hook in hooks:
        program, *arguments = hook["entry"].split()
        assert program == "envbuild"
        files = ["recipes/ours.yaml"] if hook.get("pass_filenames", True) else []
        name, command, rest = cli.resolve_command(group, [*arguments, *files])
        assert command is not None
        command.make_context(name, rest, parent=group)
        re.compile(hook["files"])
    assert re.search(hooks[1]["files"], "recipes/ours.yaml")
    assert not re.search(hooks[1]["files"], "recipes/recipe.schema.json")
