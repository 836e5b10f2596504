"""`envbuild doctor` as a command: streams, exit codes, the envelope, selection of checks, and what is kept out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.doctor.checks import CHECKS
from tests.unit.doctor.homes import Home, build, make_environment

if TYPE_CHECKING:
    from pathlib import Path

    from builder.doctor.model import Examination


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = build("mac-dataspell-base", tmp_path)
    _live_in(home, tmp_path, monkeypatch)
    return home


def _live_in(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "machine.json").write_text(json.dumps(home.expected["machine"]))


def _doctor(*arguments: str) -> int:
    return run(cli, ["doctor", "--static", "--machine", "machine.json", *arguments])


def test_the_first_line_goes_to_stdout_also_with_quiet(at_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert _doctor("-q", "--project", str(at_home.project), "--ide", "dataspell") == 1
    assert capsys.readouterr().out.splitlines() == [at_home.expected["first"]]


def test_the_envelope(at_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert _doctor("--json", "--project", str(at_home.project)) == 1
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (answer["command"], answer["status"]) == ("doctor", "failed")
    result = answer["result"]
    named = {"diagnosis", "meant", "provenance", "claims", "environments", "machine", "findings", "skipped"}
    assert set(result) == named
    diagnosis = result["diagnosis"]
    assert set(diagnosis) == {"check", "status", "title", "class", "evidence", "decided_by", "remedy"}
    assert (diagnosis["check"], diagnosis["class"], diagnosis["status"]) == ("ide.interpreter", "A", "fail")
    assert [place["line"] for place in diagnosis["decided_by"]] == [6, 7]
    assert set(diagnosis["remedy"]) == {"say", "text", "commands", "automatic", "reversible"}
    claim = result["claims"][0]
    assert claim["interpreter"]["architectures"] == ["x86_64"]
    assert [error["code"] for error in answer["errors"]] == ["checks-failed"]


def test_secrets_of_the_shell_are_not_in_the_answer(
    at_home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    machine = at_home.expected["machine"]
    machine["env"] |= {"AWS_SECRET_ACCESS_KEY": "hunter3", "PIP_INDEX_URL": "https://me:hunter4@example.org"}
    (tmp_path / "machine.json").write_text(json.dumps(machine))
    _doctor("--json", "-v")
    assert "hunter" not in capsys.readouterr().out


def test_a_name_that_names_nothing_is_never_silence(at_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert _doctor("ml-m2") == 2
    assert "did you mean 'ml-m1'?" in capsys.readouterr().err
    assert _doctor("./nowhere") == 2


def test_a_folder_that_nobody_else_knows_of_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_environment(tmp_path, prefix="elsewhere/env", arch="elf-x86_64", kind="venv", packages={"rich": "13"})
    (tmp_path / "anna").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "anna"))
    for name in ("CONDA_PREFIX", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert run(cli, ["doctor", "--static", "./elsewhere/env", "--skip", "verify"]) == 0
    assert "has no keras, and nothing was seen that asks for it" in capsys.readouterr().out


def test_an_environment_is_meant_by_name_or_folder(at_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("ml-m1", str(at_home.path / "miniforge3/envs/ml-m1"), "~/miniforge3/envs/ml-m1"):
        assert _doctor(name, "--project", str(at_home.project), "--ide", "dataspell") == 1
        assert "; you mean ~/miniforge3/envs/ml-m1/bin/python" in capsys.readouterr().out.splitlines()[0]


def test_nothing_to_look_at_is_no_good_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "machine.json").write_text('{"system": "Darwin"}')
    assert _doctor() == 2
    assert capsys.readouterr().out.startswith("Nothing could be looked at")


def test_only_and_skip(at_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    project = ("--project", str(at_home.project))
    assert _doctor(*project, "--skip", "ide.interpreter") == 0
    assert _doctor(*project, "--only", "keras.settings") == 0
    assert _doctor(*project, "--only", "ide.interpreter") == 1
    assert _doctor("--only", "ide.interpeter") == 2
    assert "did you mean 'ide.interpreter'?" in capsys.readouterr().err


def test_list(at_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert _doctor("--list") == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == [check.id for check in CHECKS]


def test_strict_counts_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = build("healthy-mac-traps", tmp_path)
    _live_in(home, tmp_path, monkeypatch)
    assert _doctor("--project", str(home.project)) == 0
    assert _doctor("--project", str(home.project), "--strict") == 1


def test_share_hides_the_name(at_home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    for extra in ((), ("--json",)):
        _doctor("--project", str(at_home.project), "--share", "-v", *extra)
        said = capsys.readouterr().out
        assert "anna" not in said
        assert "miniforge3/envs/ml-m1" in said


@pytest.mark.parametrize(
    "content", ["", "[]", '{"env": []}', '{"processes": "x"}', '{"translated": "no"}', '{"system": 1}', "[" * 100_000]
)
def test_a_machine_file_that_is_none(
    at_home: Home, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "machine.json").write_text(content)
    assert _doctor() == 2
    assert "machine.json" in capsys.readouterr().err


def test_a_healthy_answer_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = build("healthy-mac-traps", tmp_path)
    _live_in(home, tmp_path, monkeypatch)
    _doctor("--project", str(home.project))
    said = capsys.readouterr().out
    assert said.startswith("No problem found: ")
    assert len(said.splitlines()) < 25


def test_every_diagnosis_has_a_listed_name(tmp_path: Path) -> None:
    from builder.doctor.examine import examine
    from tests.unit.doctor.homes import case_names

    listed = {check.id: check.klass for check in CHECKS}
    for name in case_names():
        home = build(name, tmp_path / name)
        found: Examination = examine(home.request(), home.patient())
        for diagnosis in (*found.problems, *found.notes):
            assert diagnosis.check in listed


def test_neither_solver_nor_locker_is_imported(tmp_path: Path) -> None:
    import subprocess
    import sys

    make_environment(tmp_path, prefix="miniforge3/envs/ml", packages={"keras": "3.6.0"})
    script = (
        "import sys; from builder.cli import cli; from builder.cli.session import run; "
        "code = run(cli, ['doctor', '--static', '-q']); "
        "print(code, sorted({name.split('.')[0] for name in sys.modules} & {'conda_lock', 'rattler'}))"
    )
    environ = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
    assert answer.stdout.splitlines()[-1].endswith("[]")


def test_a_bundle_is_shown_before_it_is_written(
    at_home: Home, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = ("--project", str(at_home.project), "--ide", "dataspell")
    assert _doctor(*project, "--collect", "bundle.json") == 2
    assert "add --yes" in capsys.readouterr().err
    assert not (tmp_path / "bundle.json").exists()
    assert _doctor(*project, "--collect", "bundle.json", "--yes") == 0
    assert "/Users/user/projects/mnist/.idea/misc.xml" in capsys.readouterr().err
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    assert run(cli, ["doctor", "--from", "bundle.json"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == at_home.expected["first"]
    assert run(cli, ["doctor", "--from", "bundle.json", "--machine", "machine.json"]) == 2
    assert run(cli, ["doctor", "--from", "machine.json"]) == 2


def test_a_pasted_error_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(cli, ["doctor", "--ask", "ImportError: numpy.core.multiarray failed to import", "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["status"], answer["result"]["verdict"]) == ("failed", "known")
    assert run(cli, ["doctor", "--ask", " "]) == 2
