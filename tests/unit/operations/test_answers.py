"""What `check` found before is taken again only where nothing that it was found from has changed."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from builder.environment.stamp import RELATIVE_PATH
from builder.errors import EnvbuildError
from builder.operations import CheckRequest, CheckResult, check, records
from builder.operations.answers import Answers, Basis
from builder.resources import shipped
from tests.unit.operations.projects import with_lock
from tests.workspaces import workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`mine` extends `base-of-mine`; its lock is up to date."""
    home = tmp_path_factory.mktemp("made")
    return with_lock(home, home / "project", extends=True)


@pytest.fixture
def project(tmp_path: Path, made: Path) -> Path:
    """A copy, whose lock was looked at once."""
    root = shutil.copytree(made, tmp_path / "project")
    assert _check(tmp_path, root).problems == ()
    return root


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The locks that are really read."""
    from builder.lock import read

    found: list[Path] = []
    really = read.read_lock

    def seen(file: Path) -> Any:
        found.append(file)
        return really(file)

    monkeypatch.setattr(read, "read_lock", seen)
    return found


def _check(home: Path, root: Path, **more: Any) -> CheckResult:
    return check(workspace(home, root=root, **more), CheckRequest(recipes=("mine",)))


def _records(home: Path) -> Path:
    (found,) = (home / "state" / "answers").iterdir()
    return found


def _same_size_and_times(file: Path, change: Callable[[bytes], bytes]) -> None:
    before, content = file.stat(), file.read_bytes()
    changed = change(content)
    assert len(changed) == len(content) != 0
    assert changed != content
    file.write_bytes(changed)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_the_same_again_is_not_looked_at(tmp_path: Path, project: Path, looked_at: list[Path]) -> None:
    again = _check(tmp_path, project)
    assert looked_at == []
    assert [(entry.name, entry.state, entry.problem) for entry in again.locks] == [("mine", "up to date", None)]
    assert [proof.state for proof in again.locks[0].proofs.values()] == ["not proven", "not proven"]
    assert again == _check(tmp_path / "elsewhere", project)
    assert len(looked_at) == 1


@pytest.mark.parametrize(
    ("file", "change", "problem"),
    [
        ("environments/mine/conda-lock.yml", lambda text: text.replace(b"conda-forge/", b"conda-forgE/", 1), "channel"),
        ("environments/mine/environment.yml", lambda text: text.replace(b"numpy", b"numpi"), "environment.yml"),
        ("environments/mine/virtual-packages.yml", lambda text: text.replace(b"14.0", b"15.0"), "virtual-packages.yml"),
        ("recipes/base-of-mine.yaml", lambda text: text.replace(b"jupyterlab", b"jupyterlib"), "jupyterlib"),
        ("recipes/mine.yaml", lambda text: text.replace(b"name", b"Name"), "Name"),
    ],
)
def test_any_byte_counts_and_no_time_does(
    tmp_path: Path, project: Path, file: str, change: Callable[[bytes], bytes], problem: str
) -> None:
    original = (project / file).read_bytes()
    _same_size_and_times(project / file, change)
    for _ in range(2):
        (found,) = _check(tmp_path, project).problems
        assert problem in found.message
    (project / file).write_bytes(original)
    assert _check(tmp_path, project).problems == ()


def _proof(root: Path, home: Path) -> None:
    (root / "environments" / "mine" / "proof.json").write_text('{"version": 1, "platforms": {}}')


def _stamp(root: Path, home: Path) -> None:
    stamp = workspace(home, root=root).store.prefix_for("mine") / RELATIVE_PATH
    stamp.parent.mkdir(parents=True)
    stamp.write_text("{}")


def _facts(root: Path, home: Path) -> None:
    folder = workspace(home, root=root).facts_folder
    folder.mkdir(parents=True)
    (folder / "more.yaml").write_text("{}\n")


def _hidden(root: Path, home: Path) -> None:
    (root / "recipes" / "base-of-mine.yaml").rename(root / "recipes" / "base.yaml")
    text = (root / "recipes" / "base.yaml").read_text().replace("base-of-mine", "base")
    (root / "recipes" / "base.yaml").write_text(text)
    (root / "recipes" / "mine.yaml").write_text("name: mine\nextends: base\n")


@pytest.mark.parametrize("change", [_proof, _stamp, _facts, _hidden])
def test_what_was_not_there_counts_as_well(
    tmp_path: Path, project: Path, looked_at: list[Path], change: Callable[[Path, Path], None]
) -> None:
    change(project, tmp_path)
    _check(tmp_path, project)
    assert len(looked_at) == 1
    _check(tmp_path, project)
    assert len(looked_at) == 1


def test_a_nearer_recipe_of_the_same_name_counts(tmp_path: Path, looked_at: list[Path]) -> None:
    """A shipped recipe that is extended, and then hidden by the project's own of that name."""
    root = with_lock(tmp_path, tmp_path / "project")
    (root / "recipes" / "mine.yaml").write_text("name: mine\nextends: ml-m1\n")
    assert _check(tmp_path, root).problems == ()
    (root / "recipes" / "ml-m1.yaml").write_bytes((shipped("recipes") / "ml-m1.yaml").read_bytes())
    looked_at.clear()
    _check(tmp_path, root)
    assert len(looked_at) == 1


@pytest.mark.parametrize("what", ["version", "code", "installed", "outside"])
def test_another_envbuild_looks_itself(
    tmp_path: Path, project: Path, looked_at: list[Path], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    if what == "version":
        monkeypatch.setattr(records, "__version__", "0.0.0")
    elif what == "code":
        really = records._stats
        monkeypatch.setattr(records, "_stats", lambda folder: [f"{line}1" for line in really(folder)])
    elif what == "installed":
        (tmp_path / "site" / "msgspec-0.dist-info").mkdir(parents=True)
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    else:
        from builder.frameworks import registry

        monkeypatch.setattr(registry, "from_outside", lambda: True)
        shutil.rmtree(tmp_path / "state")
    assert _check(tmp_path, project).problems == ()
    assert len(looked_at) == 1
    _check(tmp_path, project)
    assert len(looked_at) == (2 if what == "outside" else 1)


def _resealed(text: str) -> str:
    body = text.partition("\n")[2]
    return f"{records._seal(body)}\n{body}"


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-200],
        lambda _: "",
        lambda text: text.replace('"proofs"', '"prooft"'),
        lambda text: text.replace("not proven", "proven"),
        lambda text: _resealed(text.replace('"proofs"', '"prooft"')),
        lambda text: _resealed(text.replace("not proven", "no such state")),
        lambda text: _resealed(re.sub('"kept":.*', '"kept":[]}', text)),
        lambda _: _resealed("\n" + "[" * 100_000),
    ],
)
def test_a_damaged_record_is_none(
    tmp_path: Path, project: Path, looked_at: list[Path], damage: Callable[[str], str]
) -> None:
    file = _records(tmp_path)
    file.write_text(damage(file.read_text()))
    result = _check(tmp_path, project)
    assert len(looked_at) == 1
    assert [proof.state for proof in result.locks[0].proofs.values()] == ["not proven", "not proven"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop"])
def test_a_record_that_is_no_file(tmp_path: Path, project: Path, looked_at: list[Path], kind: str) -> None:
    file = _records(tmp_path)
    file.unlink()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        (file / "inside").mkdir(parents=True)
    else:
        file.symlink_to(file)
    assert _check(tmp_path, project).problems == ()
    assert len(looked_at) == 1


def test_a_place_that_cannot_be_written_to(tmp_path: Path, project: Path) -> None:
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "state").write_text("no folder")
    assert _check(tmp_path, project).problems == ()


def test_what_is_wrong_is_not_kept(tmp_path: Path, project: Path, looked_at: list[Path]) -> None:
    (project / "environments" / "mine" / "environment.yml").write_text("")
    for times in (1, 2):
        assert len(_check(tmp_path, project).problems) == 1
        assert len(looked_at) == times


def test_a_file_that_changes_meanwhile_is_no_basis(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    basis = Basis(lambda role: tmp_path / role)
    basis.see("file")
    assert basis.steady() is not None
    file.write_text("after")
    assert basis.steady() is None
    kept = Answers(workspace(tmp_path))
    kept.keep("kind", "name", basis, {})
    kept.save()
    assert not (tmp_path / "state").exists()


def test_what_is_gone_is_forgotten(tmp_path: Path, project: Path) -> None:
    with_lock(tmp_path, project, "other")
    check(workspace(tmp_path, root=project), CheckRequest())
    assert "check mine" in _records(tmp_path).read_text()
    (project / "recipes" / "mine.yaml").unlink()
    shutil.rmtree(project / "environments" / "mine")
    (project / "environments" / "other" / "proof.json").write_text('{"version": 1, "platforms": {}}')
    check(workspace(tmp_path, root=project), CheckRequest())
    assert "check mine" not in _records(tmp_path).read_text()


_OPENED: list[str] | None = None


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if _OPENED is not None and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _OPENED.append(os.fsdecode(arguments[0]))


@pytest.fixture(scope="module")
def hook() -> None:
    sys.addaudithook(_listen)


@pytest.mark.usefixtures("hook")
def test_every_file_that_is_read_is_in_the_basis(tmp_path: Path, made: Path) -> None:
    """Whatever `check` opens outside envbuild itself is a file that its answer depends on."""
    global _OPENED
    root = shutil.copytree(made, tmp_path / "project")
    _proof(root, tmp_path)
    _stamp(root, tmp_path)
    _OPENED = []
    try:
        assert _check(tmp_path, root).problems == ()
        opened = {os.path.realpath(path) for path in _OPENED}
    finally:
        _OPENED = None
    entry = json.loads(_records(tmp_path).read_text().partition("\n")[2])["kept"]["check mine"]
    basis = {os.path.realpath(path) for path, _ in entry["basis"].values()}
    mine = {path for path in opened if path.startswith(str(tmp_path)) and "/state/answers/" not in path}
    assert len(mine) == 7
    assert mine - basis == set()


def test_an_error_says_the_same_with_and_without_a_record(tmp_path: Path, project: Path) -> None:
    (project / "environments" / "mine" / "proof.json").write_text("{")
    said = [[problem.message for problem in _check(tmp_path, project).problems] for _ in range(2)]
    assert said[0] == said[1] != []
    assert all(isinstance(problem, EnvbuildError) for problem in _check(tmp_path, project).problems)
