"""Files that the user names: refused before the work, and never written over anything but a regular file."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.cli import cli
from builder.cli.session import run
from builder.errors import UsageError
from builder.operations.outputs import require_own_folder, require_writable, write_output


def test_regular_and_new_files_are_written(tmp_path: Path) -> None:
    write_output(tmp_path / "new" / "report.html", "one")
    write_output(tmp_path / "new" / "report.html", "two")
    assert (tmp_path / "new" / "report.html").read_text() == "two"


def test_links_devices_and_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    for file, reason in (
        (tmp_path / "link", "symbolic link"),
        (tmp_path, "a folder"),
        (Path("/dev/null"), "not a regular file"),
        (tmp_path / "precious" / "report.html", "not a folder"),
    ):
        with pytest.raises(UsageError, match=reason):
            require_writable(file)
        with pytest.raises(UsageError, match=reason):
            write_output(file, "text")
    assert (tmp_path / "precious").read_text() == "mine"
    assert Path("/dev/null").is_char_device()


def test_a_folder_of_the_project_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Rendered files and locks would land wherever it leads."""
    (tmp_path / "elsewhere" / "ml").mkdir(parents=True)
    project = tmp_path / "project"
    (project / "environments").mkdir(parents=True)
    require_own_folder(project / "environments" / "ml")  # not there yet
    (project / "environments" / "ml").symlink_to(tmp_path / "elsewhere" / "ml")
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "environments").symlink_to(tmp_path / "elsewhere")
    for folder in (project / "environments" / "ml", tmp_path / "second" / "environments" / "ml"):
        with pytest.raises(UsageError, match="is a symbolic link to"):
            require_own_folder(folder)


@pytest.mark.parametrize("verb", ["render", "lock"])
def test_nothing_is_written_through_a_linked_environment(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "environment.yml").write_text("precious")
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "ml-m1").symlink_to(elsewhere)
    monkeypatch.chdir(tmp_path)
    assert run(cli, [verb, "ml-m1", "--project", str(tmp_path), "--offline"]) == 2
    assert "symbolic link" in capsys.readouterr().err
    assert [file.name for file in elsewhere.iterdir()] == ["environment.yml"]
    assert (elsewhere / "environment.yml").read_text() == "precious"


def test_verify_refuses_before_it_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verification takes minutes; where its report cannot go is known at once."""
    monkeypatch.setattr("builder.operations.verifying.verify_prefix", lambda *_given, **_named: pytest.fail("worked"))
    assert run(cli, ["verify", str(tmp_path), "--html", "/dev/null"]) == 2
    assert "not a regular file" in capsys.readouterr().err
