"""Registering writes what programs read, leaves what is not ours, and can be taken back exactly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.doctor import register as module
from builder.doctor.formats import parse_jsonc
from tests.unit.doctor.homes import make_environment, write_row

if TYPE_CHECKING:
    from pathlib import Path

KERNEL = ".local/share/jupyter/kernels/ml/kernel.json"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "anna"
    packages = {"keras": "3.6.0", "tensorflow": "2.16.2", "ipykernel": "6.29.5"}
    make_environment(home, prefix="miniforge3", arch="elf-x86_64", conda=True)
    state = {"KERAS_BACKEND": "tensorflow", "GONE": "***unset***"}
    make_environment(home, prefix="miniforge3/envs/ml", arch="elf-x86_64", packages=packages, state=state)
    make_environment(home, prefix="miniforge3/envs/bare", arch="elf-x86_64")
    (home / "p").mkdir()
    for name in ("CONDA_PREFIX", "VIRTUAL_ENV", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "JUPYTER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    return home


def test_a_kernel_with_everything_that_activation_would_do(home: Path) -> None:
    assert run(cli, ["register", "ml", "--jupyter"]) == 0
    spec = json.loads((home / KERNEL).read_text())
    assert spec["argv"][0] == str(home / "miniforge3/envs/ml/bin/python")
    assert spec["env"] == {"KERAS_BACKEND": "tensorflow"}
    assert run(cli, ["register", "ml", "--jupyter"]) == 0
    assert run(cli, ["unregister", "ml"]) == 0
    assert not (home / KERNEL).parent.exists()


def test_somebody_elses_kernel_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / KERNEL).parent.mkdir(parents=True)
    (home / KERNEL).write_text('{"argv": ["python"]}')
    assert run(cli, ["register", "ml", "--jupyter"]) == 2
    assert run(cli, ["unregister", "ml"]) == 0
    assert (home / KERNEL).read_text() == '{"argv": ["python"]}'
    assert "nothing of ours" in capsys.readouterr().out


def test_nothing_is_written_where_one_program_cannot_be_served(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["register", "bare", "--vscode", "--jupyter", "--project", str(home / "p")]) == 2
    assert "has no ipykernel" in capsys.readouterr().err
    assert not (home / "p/.vscode").exists()
    assert run(cli, ["register", "ml"]) == 2
    assert run(cli, ["register", "ml", "--vscode"]) == 2
    assert run(cli, ["register", "nosuch", "--jupyter"]) == 2


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{\n}\n",
        '\ufeff{\n    // a comment with "python.defaultInterpreterPath": "x"\n    "a": 1, // b\n}\n',
        '{ "a": {"b": [1, 2,]} }',
        '{\n\t"z": "https://x//y",\n\t/* python */\n}',
    ],
)
def test_settings_keep_everything_else(text: str) -> None:
    written = module._with_setting(text, '"/p/bin/python"')
    before, after = parse_jsonc(text).value, parse_jsonc(written).value
    assert after == before | {"python.defaultInterpreterPath": "/p/bin/python"}
    again = module._with_setting(written, '"/q/bin/python"')
    assert parse_jsonc(again).value == before | {"python.defaultInterpreterPath": "/q/bin/python"}
    taken_back = module._without_setting(written)
    assert parse_jsonc(taken_back).value == before
    assert taken_back.replace("\n", "").strip() == text.replace("\n", "").strip()


def test_vscode_is_told_that_a_pick_wins(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = f"WORKSPACE_FOLDER_INTERPRETER_PATH_{home}/p"
    state = home / ".config/Code/User/globalStorage/state.vscdb"
    write_row(state, "ms-python.python", {key: f"{home}/miniforge3/bin/python"})
    assert run(cli, ["register", "ml", "--vscode", "--project", str(home / "p")]) == 0
    assert "Clear Workspace Interpreter Setting" in capsys.readouterr().out
    settings = home / "p/.vscode/settings.json"
    assert json.loads(settings.read_text()) == {
        "python.defaultInterpreterPath": str(home / "miniforge3/envs/ml/bin/python")
    }
    assert run(cli, ["unregister", "ml", "--project", str(home / "p")]) == 0
    assert not settings.parent.exists()


EARLIER = '{\r\n\t"python.defaultInterpreterPath": "${userHome}/old/bin/python", // ours\r\n\t"a": 1,\r\n}\r\n'


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("times", [1, 2])
def test_the_settings_are_put_back_byte_for_byte(home: Path, project: bool, times: int) -> None:
    settings = home / "p/.vscode/settings.json"
    settings.parent.mkdir()
    settings.write_bytes(EARLIER.encode())
    for _ in range(times):
        assert run(cli, ["register", "ml", "--vscode", "--project", str(home / "p")]) == 0
    assert settings.read_bytes() != EARLIER.encode()
    assert run(cli, ["unregister", "ml", *(["--project", str(home / "p")] if project else [])]) == 0
    assert settings.read_bytes() == EARLIER.encode()


def test_of_settings_that_were_edited_since_only_ours_is_taken_back(home: Path) -> None:
    settings = home / "p/.vscode/settings.json"
    settings.parent.mkdir()
    settings.write_bytes(EARLIER.encode())
    assert run(cli, ["register", "ml", "--vscode", "--project", str(home / "p")]) == 0
    settings.write_bytes(settings.read_bytes().replace(b'"a": 1', b'"a": 2'))
    assert run(cli, ["unregister", "ml", "--project", str(home / "p")]) == 0
    assert settings.read_bytes() == EARLIER.replace('"a": 1', '"a": 2').encode()


def test_a_setting_of_the_users_own_stays(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = home / "p/.vscode/settings.json"
    settings.parent.mkdir()
    own = json.dumps({"python.defaultInterpreterPath": str(home / "miniforge3/envs/ml/bin/python")})
    settings.write_text(own)
    assert run(cli, ["unregister", "ml", "--project", str(home / "p")]) == 0
    assert settings.read_text() == own
    assert "nothing of ours" in capsys.readouterr().out


def test_settings_that_are_none_are_left_alone(home: Path) -> None:
    settings = home / "p/.vscode/settings.json"
    settings.parent.mkdir()
    for text in ("[1]", "{", "\x00"):
        settings.write_text(text)
        assert run(cli, ["register", "ml", "--vscode", "--project", str(home / "p")]) == 2
        assert settings.read_text() == text


def test_jetbrains_is_told_which_conda(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["register", "ml", "--jetbrains"]) == 0
    assert f"conda executable {home}/miniforge3/bin/conda, then the environment ml" in capsys.readouterr().out
