"""What is said and never alarms: drift from the lock, provenance, configuration files, leftovers, caches."""

from __future__ import annotations

import os
import shutil
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.doctor.claims import condarc
from builder.doctor.disk import Disk
from builder.doctor.examine import Patient, Request, examine
from builder.doctor.model import Machine
from tests.unit.doctor.homes import make_environment, write_row

if TYPE_CHECKING:
    from pathlib import Path

    from builder.doctor.model import Diagnosis, Examination

PACKAGE = """\
- name: {name}
  version: {version}
  manager: conda
  platform: linux-64
  dependencies: {{}}
  url: https://conda.anaconda.org/conda-forge/linux-64/{name}-{version}-h0_0.conda
  hash:
    sha256: {hash}
  category: main
  optional: false
"""
LOCK = (
    """\
version: 1
metadata:
  content_hash:
    linux-64: {hash}
  channels:
  - url: conda-forge
    used_env_vars: []
  platforms:
  - linux-64
  sources:
  - environment.yml
package:
""".format(hash="a" * 64)
    + "".join(
        PACKAGE.format(name=name, version=version, hash="a" * 64)
        for name, version in (("python", "3.11.9"), ("keras", "3.9.0"))
    )
)


def _examined(home: Path, project: Path | None = None, **environ: str) -> Examination:
    machine = Machine(system="Linux", hardware="x86_64", running="x86_64", environ=environ)
    return examine(Request(project=project, static=True), Patient(home=home, cwd=home, machine=machine))


def _note(found: Examination, check: str) -> Diagnosis:
    assert not found.problems
    (note,) = [note for note in found.notes if note.check == check]
    return note


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "anna"
    make_environment(home, prefix="miniforge3", arch="elf-x86_64", conda=True)
    make_environment(
        home,
        prefix="miniforge3/envs/ml",
        arch="elf-x86_64",
        conda_packages={"keras": "3.6.0", "numpy": "1.26.4"},
        packages={"keras": "3.6.0", "numpy": "2.1.0", "rich": "13.9.4"},
    )
    return home


def test_a_lock_of_that_environment_is_compared(home: Path) -> None:
    file = home / "p" / "environments" / "ml" / "conda-lock.yml"
    file.parent.mkdir(parents=True)
    file.write_text(LOCK)
    note = _note(_examined(home, home / "p", CONDA_PREFIX=f"{home}/miniforge3/envs/ml"), "env.drift")
    assert "keras 3.6.0 instead of 3.9.0" in note.sentence
    assert "python" not in note.sentence
    assert note.remedy is not None
    assert note.remedy.commands == ("envbuild sync ml",)


def test_a_lock_of_another_environment_is_not(home: Path) -> None:
    file = home / "p" / "environments" / "other" / "conda-lock.yml"
    file.parent.mkdir(parents=True)
    file.write_text(LOCK)
    found = _examined(home, home / "p", CONDA_PREFIX=f"{home}/miniforge3/envs/ml")
    assert not [note for note in found.notes if note.check == "env.drift"]


def test_a_damaged_lock_is_a_skip(home: Path) -> None:
    file = home / "p" / "environments" / "ml" / "conda-lock.yml"
    file.parent.mkdir(parents=True)
    file.write_text("package: [}")
    found = _examined(home, home / "p", CONDA_PREFIX=f"{home}/miniforge3/envs/ml")
    assert [skip.path for skip in found.skips if skip.path == file] == [file]


def test_uv_lock_is_that_of_the_projects_own_environment(home: Path) -> None:
    make_environment(home, prefix="p/.venv", arch="elf-x86_64", kind="venv", packages={"keras": "3.6.0"})
    text = '[[package]]\nname = "keras"\nversion = "3.9.0"\n\n[[package]]\nname = "absent-elsewhere"\nversion = "1"\n'
    (home / "p" / "uv.lock").write_text(text)
    note = _note(_examined(home, home / "p", VIRTUAL_ENV=f"{home}/p/.venv"), "env.drift")
    assert note.sentence.endswith("keras 3.6.0 instead of 3.9.0")


def test_where_the_packages_come_from(home: Path) -> None:
    found = _examined(home, CONDA_PREFIX=f"{home}/miniforge3/envs/ml")
    assert found.provenance is not None
    assert found.provenance.over == (("numpy", "1.26.4", "2.1.0"),)
    assert dict(found.provenance.pip) == {"rich": "13.9.4"}
    assert "pip has put numpy 2.1.0 over conda's 1.26.4" in _note(found, "env.managers").sentence


def test_condarc_files_win_in_condas_order(tmp_path: Path) -> None:
    home, prefix = tmp_path / "anna", tmp_path / "anna" / "env"
    said = {
        ".config/conda/condarc.d/10.yml": "subdir: linux-64",
        ".conda/condarc": "subdir: osx-64  # why",
        ".condarc": "channels: [a, b]\nenvs_dirs:\n  - ~/one\n  # - ~/two\n",
        "env/.condarc": "subdir: osx-arm64",
    }
    for name, text in said.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    disk = Disk(home=home, project=None, clock=time.monotonic)
    for wanted, of in (("osx-64", None), ("osx-arm64", prefix)):
        line = condarc.effective(disk, condarc.files(disk, {}, prefix=of), "subdir")
        assert line is not None
        assert line.value == wanted
    found = [line for file in condarc.files(disk, {}) for line in condarc.lines(disk, file)]
    assert [line.value for line in found if line.key == "envs_dirs"] == ["~/one"]
    assert [line.value for line in found if line.key == "channels"] == ["a", "b"]


def test_environments_of_a_system_wide_condarc_are_found(home: Path) -> None:
    make_environment(home, prefix="data/envs/far", arch="elf-x86_64", packages={"keras": "3.6.0"})
    (home / ".config/conda").mkdir(parents=True)
    (home / ".config/conda/condarc").write_text(f"envs_dirs: [{home}/data/envs]\n")
    names = [env.prefix.name for env in _examined(home).environments if env.prefix is not None]
    assert "far" in names


def test_what_is_left_of_an_environment_nobody_uses(home: Path) -> None:
    make_environment(home, prefix="miniforge3/envs/old", arch="elf-x86_64", interpreter=False)
    assert "envs/old is half-deleted" in _note(_examined(home), "env.half-deleted").sentence


def test_pip_that_installs_elsewhere(home: Path) -> None:
    (home / ".config/pip").mkdir(parents=True)
    (home / ".config/pip/pip.conf").write_text("[install]\nuser = no\ntarget = /tmp/x\n[global]\nindex-url = hunter2\n")
    note = _note(_examined(home), "pip.config")
    assert note.sentence.endswith("target = /tmp/x")
    assert note.decided_by[0].line == 3


def test_pip_and_uv_configured_for_all_users(tmp_path: Path) -> None:
    home = tmp_path / "home" / "anna"
    make_environment(home, prefix="miniforge3/envs/ml", arch="elf-x86_64", packages={"keras": "3.6.0"})
    (tmp_path / "etc" / "uv").mkdir(parents=True)
    (tmp_path / "etc" / "pip.conf").write_text("[global]\nprefix = /opt/tools\n")
    (tmp_path / "etc" / "uv" / "uv.toml").write_text("[pip]\nsystem = true\n")
    machine = Machine(system="Linux", hardware="x86_64", foreign=True)
    found = examine(Request(static=True), Patient(home=home, cwd=home, machine=machine))
    said = [(note.sentence, note.decided_by[0].line) for note in found.notes if note.check == "pip.config"]
    assert said == [
        ("pip installs elsewhere than in the environment: prefix = /opt/tools", 2),
        ("uv is told where to install: system = true", 2),
    ]


def test_a_large_cache(home: Path) -> None:
    pkgs = home / "miniforge3" / "pkgs"
    pkgs.mkdir()
    with (pkgs / "tensorflow-2.conda").open("wb") as stream:
        stream.truncate(6_000_000_000)  # sparse
    assert "6.0 GB" in _note(_examined(home), "disk.cache").sentence


def test_a_pick_on_another_machine_is_only_shown(home: Path) -> None:
    (home / "p").mkdir()
    row: dict[str, Any] = {f"ssh-remote_WORKSPACE_FOLDER_INTERPRETER_PATH_{home}/p": "/usr/bin/python3"}
    write_row(home / ".config/Code/User/globalStorage/state.vscdb", "ms-python.python", row)
    found = _examined(home, home / "p")
    (claim,) = [claim for claim in found.claims if claim.what == "picked on ssh-remote"]
    assert not claim.decisive
    assert not found.problems


def test_a_shell_is_started_only_when_asked(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = home / "sh"
    python = home / "miniforge3/envs/ml/bin/python"
    shell.write_text(
        f"#!/bin/sh\necho noise from start-up files\necho envbuild-begin\necho {python}\necho envbuild-end\n"
    )
    shell.chmod(shell.stat().st_mode | stat.S_IXUSR)
    for name in ("CONDA_PREFIX", "VIRTUAL_ENV", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SHELL", str(shell))
    monkeypatch.chdir(home)
    run(cli, ["doctor", "--static"])
    assert "answers" not in capsys.readouterr().out
    run(cli, ["doctor", "--static", "--run-shell"])
    shown = capsys.readouterr().out
    assert "python, as " in shown
    assert "noise" not in shown


@pytest.mark.parametrize(
    ("shell", "file", "text"),
    [
        ("zsh", ".zshrc", 'echo noise; export PATH="$HOME/miniforge3/envs/ml/bin:$PATH"\n'),
        ("zsh", ".zshrc", "alias python=$HOME/miniforge3/envs/ml/bin/python\n"),
        ("bash", ".bash_profile", "alias python=$HOME/miniforge3/envs/ml/bin/python\n"),
        ("fish", ".config/fish/config.fish", "set -gx PATH $HOME/miniforge3/envs/ml/bin $PATH\n"),
    ],
)
def test_what_real_shells_answer(home: Path, shell: str, file: str, text: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text(text)
    machine = Machine(system="Linux", shell=program, environ={"PATH": os.environ["PATH"]})
    request = Request(static=True, run_shell=True)
    found = examine(request, Patient(home=home, cwd=home, machine=machine))
    (claim,) = [claim for claim in found.claims if claim.who == "new shell" and "answers" in claim.what]
    assert claim.interpreter is not None
    assert claim.interpreter.prefix == home / "miniforge3/envs/ml"


def test_a_shell_that_never_answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from builder.doctor.claims import started

    monkeypatch.setattr(started, "_SECONDS", 0.2)
    shell = home / "sh"
    shell.write_text("#!/bin/sh\nsleep 60\n")
    shell.chmod(0o755)
    machine = Machine(system="Linux", shell=str(shell), environ=dict(os.environ))
    request = Request(static=True, run_shell=True)
    found = examine(request, Patient(home=home, cwd=home, machine=machine))
    assert any("did not answer" in skip.reason for skip in found.skips)


def test_create_refuses_to_register_for_a_folder_that_was_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is built."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run(cli, ["create", "ml-m1", "--register", "vscode"]) == 2
    assert "add --project DIR" in capsys.readouterr().err
    assert run(cli, ["create", "ml-m1", "--register", "emacs"]) == 2
