"""`--fix` changes only what it may, keeps what helped, takes back what did not, and can be undone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.doctor import fix
from builder.doctor.examine import Patient, Request, examine
from builder.doctor.machine import from_json
from builder.errors import UsageError
from tests.unit.doctor.homes import build, make_environment, write_row

if TYPE_CHECKING:
    from pathlib import Path

MAC = {"system": "Darwin", "hardware": "arm64", "shell": "/bin/zsh"}
SETTINGS = """{
    // ours
    "editor.tabSize": 2,
    "python.defaultInterpreterPath": "${userHome}/miniforge3/bin/python", // base
}
"""
DEAD = """export A=1
# >>> conda initialize >>>
__conda_setup="$('/Users/anna/anaconda3/bin/conda' 'shell.zsh' 'hook' 2> /dev/null)"
# <<< conda initialize <<<
export B=2
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "anna"
    make_environment(home, prefix="miniforge3", conda=True)
    make_environment(home, prefix="miniforge3/envs/ml", packages={"keras": "3.6.0", "tensorflow": "2.16.2"})
    (home / "p/.vscode").mkdir(parents=True)
    (home / "Library/Application Support/Code/User").mkdir(parents=True)
    return home


def _asked(home: Path) -> tuple[Request, Patient]:
    patient = Patient(home=home, cwd=home, machine=from_json(MAC, where="test"))
    return Request(project=home / "p", static=True), patient


def _now() -> datetime:
    return datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _mend(home: Path) -> list[str]:
    request, patient = _asked(home)
    found = fix.repairs(request, patient)
    done, _ = fix.mend(found, request, patient, record=home / "record.json", now=_now)
    return [mended.outcome for mended in done]


def test_a_setting_is_changed_in_place_backed_up_and_put_back(home: Path) -> None:
    file = home / "p/.vscode/settings.json"
    file.write_text(SETTINGS)
    file.chmod(0o640)
    assert _mend(home) == ["mended"]
    path = json.dumps(str(home / "miniforge3/envs/ml/bin/python"))
    assert file.read_text() == SETTINGS.replace('"${userHome}/miniforge3/bin/python"', path)
    assert file.stat().st_mode & 0o777 == 0o640
    assert (home / "p/.vscode/settings.json.envbuild-20260102T030405").read_text() == SETTINGS
    assert not examine(*_asked(home)).problems
    assert fix.undo(home / "record.json") == (file,)
    assert file.read_text() == SETTINGS
    assert [path.name for path in file.parent.iterdir()] == ["settings.json"]
    with pytest.raises(UsageError, match="nothing to undo"):
        fix.undo(home / "record.json")


@pytest.mark.parametrize("since", [b"{}", b"\xff\xfe{}"], ids=["edited", "not UTF-8"])
def test_undo_does_not_overwrite_what_was_changed_since(home: Path, since: bytes) -> None:
    file = home / "p/.vscode/settings.json"
    file.write_text(SETTINGS)
    _mend(home)
    file.write_bytes(since)
    with pytest.raises(UsageError, match="was changed since"):
        fix.undo(home / "record.json")
    assert file.read_bytes() == since


def test_line_ends_and_a_byte_order_mark_survive_the_fix_and_its_undoing(home: Path) -> None:
    file = home / "p/.vscode/settings.json"
    before = b"\xef\xbb\xbf" + SETTINGS.replace("\n", "\r\n").encode()
    file.write_bytes(before)
    assert _mend(home) == ["mended"]
    assert file.read_bytes().count(b"\r\n") == before.count(b"\r\n")
    fix.undo(home / "record.json")
    assert file.read_bytes() == before


def test_undo_takes_back_the_whole_fix_or_nothing_of_it(home: Path) -> None:
    (home / ".zshrc").write_text(DEAD)
    settings = home / "p/.vscode/settings.json"
    settings.write_text(SETTINGS)
    assert _mend(home) == ["mended", "mended"]
    mended = settings.read_text()
    settings.write_text("{}")
    with pytest.raises(UsageError, match="nothing was undone"):
        fix.undo(home / "record.json")
    assert (home / ".zshrc").read_text() != DEAD
    settings.write_text(mended)
    assert set(fix.undo(home / "record.json")) == {settings, home / ".zshrc"}
    assert (home / ".zshrc").read_text() == DEAD
    assert settings.read_text() == SETTINGS


@pytest.mark.parametrize("name", ["healthy-other-project", "mac-venv-brew-upgrade"])
def test_a_setting_that_is_right_or_that_no_path_mends_is_left_alone(name: str, tmp_path: Path) -> None:
    """Another project's own environment is no mistake, and a path to a broken environment mends nothing."""
    home = build(name, tmp_path)
    assert [repair.file.name for repair in fix.repairs(home.request(), home.patient())] == []


def test_lists_and_start_up_files_lose_only_what_is_dead(home: Path) -> None:
    (home / ".zshrc").write_text(DEAD)
    (home / ".conda").mkdir()
    (home / ".conda/environments.txt").write_text("/Users/anna/miniforge3\n\n/Users/anna/gone\n/opt/unknown\n")
    assert sorted(_mend(home)) == ["mended", "mended"]
    assert (home / ".zshrc").read_text() == "export A=1\nexport B=2\n"
    assert (home / ".conda/environments.txt").read_text() == "/Users/anna/miniforge3\n\n/opt/unknown\n"


def test_an_environments_own_platform_and_variables(tmp_path: Path) -> None:
    state = {"KERAS_BACKEND": "jax", "OTHER": "x"}
    make_environment(
        tmp_path, prefix="miniforge3/envs/ml", packages={"keras": "3.6.0", "tensorflow": "2.16.2"}, state=state
    )
    (tmp_path / "p").mkdir()
    condarc = tmp_path / "miniforge3/envs/ml/.condarc"
    condarc.write_text("channels: [x]\nsubdir: osx-64\n")
    assert _mend(tmp_path) == ["mended", "mended"]
    assert condarc.read_text() == "channels: [x]\n"
    kept = json.loads((tmp_path / "miniforge3/envs/ml/conda-meta/state").read_text())
    assert kept == {"version": 1, "env_vars": {"OTHER": "x"}}


def test_what_gains_nothing_is_taken_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / "p/.vscode/settings.json"
    file.write_text(SETTINGS)
    monkeypatch.setattr(fix, "_with_interpreter", lambda text, _meant: text.replace("// ours", "// yours"))
    assert _mend(home) == ["unchanged"]
    assert file.read_text() == SETTINGS
    assert [path.name for path in file.parent.iterdir()] == ["settings.json"]


def test_what_makes_it_worse_is_taken_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = home / "p/.vscode/settings.json"
    file.write_text(SETTINGS)
    monkeypatch.setattr(fix, "_with_interpreter", lambda text, _meant: text.replace("bin/python", "bin/gone"))
    assert _mend(home) == ["restored"]
    assert file.read_text() == SETTINGS


def test_databases_and_ides_are_never_touched(home: Path) -> None:
    state = home / "Library/Application Support/Code/User/globalStorage/state.vscdb"
    key = "WORKSPACE_FOLDER_INTERPRETER_PATH_/Users/anna/p"
    write_row(state, "ms-python.python", {key: "/Users/anna/miniforge3/bin/python"})
    request, patient = _asked(home)
    assert examine(request, patient).problems
    assert fix.repairs(request, patient) == []


def test_files_outside_the_home_are_never_touched(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "shared.json"
    elsewhere.write_text(SETTINGS)
    (home / "p/.vscode/settings.json").symlink_to(elsewhere)
    assert fix.repairs(*_asked(home)) == []


def test_the_command(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "p/.vscode/settings.json"
    file.write_text(SETTINGS)
    (home / "machine.json").write_text(json.dumps(MAC))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    doctor = ["doctor", "--static", "--machine", str(home / "machine.json"), "--project", str(home / "p")]
    assert run(cli, [*doctor, "--fix", "--dry-run"]) == 1
    shown = capsys.readouterr().err
    assert '+    "python.defaultInterpreterPath": ' in shown
    assert file.read_text() == SETTINGS
    assert run(cli, [*doctor, "--fix"]) == 2
    assert file.read_text() == SETTINGS
    assert run(cli, [*doctor, "--fix", "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("No problem found")
    assert "mended: " in said.err
    assert run(cli, ["doctor", "--undo"]) == 0
    assert file.read_text() == SETTINGS
    assert run(cli, ["doctor", "--undo"]) == 2
