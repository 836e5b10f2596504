"""The GitHub Action, as far as it runs without GitHub: every step's script by bash, on a lock that can be built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration.create.world import REPOSITORY

if TYPE_CHECKING:
    from tests.integration.create.world import World

_ACTION: dict[str, Any] = yaml.safe_load((REPOSITORY / "action.yml").read_text())
_GH = """\
#!/bin/sh
echo "$@" >>"$GH_LOG"
case "$*" in *--method*) for one in "$@"; do case "$one" in body=@*) cat "${one#body=@}" >"$GH_BODY";; esac; done;;
*) cat "$GH_THERE" 2>/dev/null;; esac
"""


class Runner:
    """What GitHub gives a step: files for outputs, variables and the summary, and the expressions' values."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.temp = world.root / "runner"
        self.home = self.temp / "envbuild"
        for folder in ("bin", "report", "venv/bin"):
            (self.home / folder).mkdir(parents=True)
        (self.home / "venv" / "bin" / "python").symlink_to(sys.executable)
        self._program("envbuild", f'#!/bin/sh\nexec "{sys.executable}" -m builder "$@"\n')
        self._program("gh", _GH)
        self.files = {
            name: self.temp / name for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }

    def _program(self, name: str, text: str) -> None:
        file = self.home / "bin" / name
        file.write_text(text)
        file.chmod(0o755)

    def step(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        """Run one step of action.yml by its name, with its own `env:` filled in."""
        (step,) = (one for one in _ACTION["runs"]["steps"] if one.get("name") == name)
        values = {
            "github.action_path": str(REPOSITORY),
            "github.base_ref": "main",
            "github.event.pull_request.number": "7",
            "steps.paths.outputs.folder": str(self.home / "report"),
            "steps.paths.outputs.cache": str(self.home / "cache"),
            "inputs.token": "token",
            **{f"inputs.{key}": str(value.get("default", "")) for key, value in _ACTION["inputs"].items()},
            "inputs.project": str(self.world.project),
            **{f"inputs.{key}": value for key, value in inputs.items()},
        }
        given = {
            key: re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text) for key, text in step["env"].items()
        }
        environ = self.world.environ(
            RUNNER_TEMP=str(self.temp),
            RUNNER_OS="Linux",
            RUNNER_ARCH="X64",
            GITHUB_REPOSITORY="us/ours",
            GH_LOG=str(self.temp / "gh.log"),
            GH_BODY=str(self.temp / "gh.body"),
            GH_THERE=str(self.temp / "gh.there"),
            PATH=f"{self.home / 'bin'}:{os.environ['PATH']}",
            **{key: str(file) for key, file in self.files.items()},
            **given,
        )
        bash = shutil.which("bash") or "bash"
        return subprocess.run(
            [bash, "-e", "-o", "pipefail", "-c", step["run"]],
            env=environ, cwd=self.world.project, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip


def test_every_step_has_what_it_reads() -> None:
    """No input is put into a script's text, where it would be code; every script is there."""
    for step in _ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        for word in step.get("run", "").split():
            if "$ACTION" in word:
                assert Path(word.strip('"').replace("$ACTION", str(REPOSITORY))).is_file()
    assert {"environment"} == {name for name, one in _ACTION["inputs"].items() if one.get("required")}


def _git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=me", "-c", "user.email=me@host.example", "-c", "protocol.file.allow=always")
    subprocess.run([shutil.which("git") or "git", *settings, "-C", str(folder), *arguments], check=True)


@pytest.fixture
def runner(world: World) -> Runner:
    """A pull request that takes `filler` out of the lock's recipe, in a clone of its base."""
    base = world.root / "base"
    shutil.copytree(world.project, base)
    _git(base, "init", "-q", "-b", "main")
    _git(base, "add", "-A")
    _git(base, "commit", "-qm", "base")
    _git(world.project, "init", "-q", "-b", "change")
    _git(world.project, "remote", "add", "origin", str(base))
    recipe = world.project / "recipes" / "tiny.yaml"
    recipe.write_text(recipe.read_text().replace(", filler", ""))
    world.run("lock", "tiny").ended(0)
    return Runner(world)


def test_from_the_lock_to_the_comment(runner: Runner) -> None:
    checked = runner.step("The lock is sound, and that of its recipe", environment="tiny")
    assert checked.returncode == 0, checked.stderr
    created = runner.step("Create the environment", environment="tiny", groups="dev")
    assert created.returncode == 0, created.stderr
    outputs = dict(line.split("=", 1) for line in runner.files["GITHUB_OUTPUT"].read_text().splitlines())
    assert Path(outputs["python"]).is_file()
    assert (Path(outputs["prefix"]) / "share" / "devtool.txt").is_file(), "the group was asked for"
    assert any((runner.home / "cache" / "rattler").iterdir()), "what is kept between runs is used"
    # An edited module: a failure is annotated, and the step fails.
    site = next(Path(outputs["prefix"]).glob("lib/python3*/site-packages"))
    (site / "words.py").write_text("raise SystemExit('50%, and: more')\n")
    verified = runner.step("Prove that it works", environment="tiny")
    assert verified.returncode == 1, verified.stdout + verified.stderr
    assert "::error title=tiny%3A pkg.integrity::" in verified.stdout
    assert sorted(path.name for path in (runner.home / "report").iterdir()) == [
        "create.json",
        "report.html",
        "report.json",
        "report.xml",
    ]
    assert "| ❌ | `pkg.integrity` |" in runner.files["GITHUB_STEP_SUMMARY"].read_text()
    said = runner.step("Say in the pull request what changed", environment="tiny")
    assert said.returncode == 0, said.stderr
    body = (runner.temp / "gh.body").read_text()
    assert "filler" in body
    assert "`pkg.integrity`" in body
    assert "--method POST" in (runner.temp / "gh.log").read_text()
    (runner.temp / "gh.there").write_text("99\n")
    assert runner.step("Say in the pull request what changed", environment="tiny").returncode == 0
    assert "--method PATCH repos/us/ours/issues/comments/99" in (runner.temp / "gh.log").read_text()


def test_a_lock_that_is_not_its_recipes(runner: Runner) -> None:
    recipe = runner.world.project / "recipes" / "tiny.yaml"
    recipe.write_text(recipe.read_text().replace("words", "words, filler"))
    assert runner.step("The lock is sound, and that of its recipe", environment="tiny").returncode == 1
    assert runner.step("Create the environment", environment="tiny").returncode == 1


def test_an_environment_that_was_not_built_is_annotated(runner: Runner) -> None:
    verified = runner.step("Prove that it works", environment="tiny")
    assert verified.returncode == 2
    assert verified.stdout.startswith("::error title=tiny::")


@pytest.mark.parametrize(
    ("finding", "command"),
    [
        (
            {"check": "a,b", "status": "fail", "title": "50%\nof", "evidence": ["x: y"], "remedy": None},
            "::error title=n%3A a%2Cb::50%25%0Aof%0Ax: y",
        ),
        (
            {"check": "c", "status": "warn", "title": "t", "evidence": [], "remedy": {"say": "do", "commands": ["x"]}},
            "::warning title=n%3A c::t%0Ado%0Ax",
        ),
    ],
)
def test_annotations_cannot_end_early(tmp_path: Path, finding: dict[str, Any], command: str) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"result": {"ok": False, "counts": {"fail": 1}, "findings": [finding]}}))
    script = REPOSITORY / "action" / "annotate.py"
    said = subprocess.run(
        [sys.executable, str(script), str(report), "--name", "n"], capture_output=True, text=True, check=True
    )
    assert said.stdout == f"{command}\n"
