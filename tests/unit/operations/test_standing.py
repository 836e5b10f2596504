"""`create` and `lock` with nothing to do see that from what earlier runs found, and only from that."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from builder.environment.stamp import RELATIVE_PATH, Stamp, Verdict
from builder.errors import ChannelUnreachableError, EnvbuildError, UsageError
from builder.install.create import Result
from builder.lock.digest import lock_digest
from builder.lock.read import read_lock
from builder.lock.write import dumps
from builder.operations import (
    CreateRequest,
    CreateResult,
    LockRequest,
    PackageOptions,
    create,
    creating,
    lock,
    locks,
    preparing,
)
from builder.operations.expectations import expectations
from builder.plan.terms import Source
from builder.platforms import Subdir
from tests.unit.operations.projects import with_lock
from tests.workspaces import Heard, workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.workspace import Workspace


class _AnywayError(Exception):
    """That work was begun which was not to be."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("made")
    return with_lock(home, home / "project", extends=True)


@pytest.fixture
def team(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project with a lock that is up to date, on Linux; building and asking channels raise `_AnywayError`."""
    root = shutil.copytree(made, tmp_path / "project")

    def anyway(work: str) -> Callable[..., None]:
        def begin(*_: Any, **__: Any) -> None:
            raise _AnywayError(work)

        return begin

    monkeypatch.setattr(creating, "_build", anyway("building"))
    monkeypatch.setattr("builder.operations.locking._built_in", anyway("locking"))
    return workspace(tmp_path, root=root, host=Subdir.LINUX_64)


def _built(team: Workspace, *, verdict: Verdict = Verdict.PASSED, prefix: Path | None = None) -> Path:
    """The stamp of an environment of the lock that passed its proof of what the recipe expects."""
    recipe = team.project.recipe("mine")
    plans = preparing.prepare(team, recipe, PackageOptions()).plans
    stamp = Stamp(
        name="mine",
        recipe="mine",
        subdir=Subdir.LINUX_64,
        lock_sha256=lock_digest(team.project.environment("mine") / "conda-lock.yml"),
        envbuild_version="",
        packages=(),
        expectations=expectations(recipe, plans[Subdir.LINUX_64]),
    ).proven(level="quick", verdict=verdict)
    file = (prefix or team.store.prefix_for("mine")) / RELATIVE_PATH
    file.parent.mkdir(parents=True)
    file.write_text(stamp.dumps())
    return file


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The recipes that are really planned."""
    found: list[str] = []
    really = preparing.preparations

    def seen(here: Any, recipe: Any, *rest: Any, **more: Any) -> Any:
        found.append(recipe.name)
        return really(here, recipe, *rest, **more)

    monkeypatch.setattr(preparing, "preparations", seen)
    return found


def _create(team: Workspace, **more: Any) -> CreateResult:
    return create(team, CreateRequest(recipe="mine", **more))


def test_a_second_create_plans_nothing(team: Workspace, planned: list[str]) -> None:
    _built(team)
    planned.clear()
    first = _create(team)
    assert (first.ending, len(planned)) == (Result.PRESENT, 1)
    assert _create(team) == first
    assert len(planned) == 1


def _expects(team: Workspace) -> None:
    file = team.project.root / "recipes" / "base-of-mine.yaml"
    file.write_text(file.read_text().replace("imports: [", "imports: [json, "))


def _locked_anew(team: Workspace) -> None:
    file = team.project.environment("mine") / "conda-lock.yml"
    file.write_text("# another\n" + file.read_text())


def _stamp_of_another(team: Workspace) -> None:
    file = team.store.prefix_for("mine") / RELATIVE_PATH
    stamp = Stamp.loads(file.read_text())
    file.write_text(replace(stamp, lock_sha256="0" * 64).dumps())


def _failed(team: Workspace) -> None:
    file = team.store.prefix_for("mine") / RELATIVE_PATH
    file.write_text(Stamp.loads(file.read_text()).proven(level="quick", verdict=Verdict.FAILED).dumps())


def _half(team: Workspace) -> None:
    (team.store.prefix_for("mine") / RELATIVE_PATH).unlink()
    (team.store.prefix_for("mine") / "conda-meta" / "history").touch()


@pytest.mark.parametrize("change", [_expects, _locked_anew, _stamp_of_another, _failed])
def test_what_has_changed_is_built_or_proven(team: Workspace, change: Callable[[Workspace], None]) -> None:
    _built(team)
    _create(team)
    change(team)
    with pytest.raises(_AnywayError):
        _create(team)


@pytest.mark.parametrize("force", [True, False])
def test_what_was_planned_is_built_without_planning_again(team: Workspace, planned: list[str], force: bool) -> None:
    stamp = _built(team)
    _create(team)
    planned.clear()
    if not force:
        shutil.rmtree(stamp.parent.parent)
    with pytest.raises(_AnywayError, match="building"):
        _create(team, force=force)
    assert planned == []


@pytest.mark.parametrize("again", [False, True])
def test_where_no_channel_can_be_reached_pypi_is_named(
    team: Workspace, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Whether it was planned now or by an earlier run."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise ChannelUnreachableError("no route", hint="check the network")

    if again:
        stamp = _built(team)
        _create(team)
        shutil.rmtree(stamp.parent.parent)
    monkeypatch.setattr(creating, "_build", unreachable)
    with pytest.raises(ChannelUnreachableError) as caught:
        _create(team)
    assert "`envbuild create mine --source pypi`" in (caught.value.hint or "")


@pytest.fixture
def own(team: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of this machine's Python, as far as that is packaged; the recipe is locked for it."""
    python = team.home / "channel" / "python.conda"
    python.parent.mkdir()
    python.touch()
    found = SimpleNamespace(minor="3.12")
    monkeypatch.setattr("builder.channel.interpreters.find", lambda *_, **__: found)
    channel = SimpleNamespace(url=python.parent.as_uri())
    monkeypatch.setattr("builder.channel.host.host_channel", lambda *_, **__: channel)
    committed = read_lock(team.project.environment("mine") / "conda-lock.yml")
    packages = (replace(committed.packages[0], url=python.as_uri()), *committed.packages[1:])
    made_from = locks._digest(team.project.recipe("mine"), _OF_THIS_MACHINE)
    file = team.project.local_environment("mine", source="pypi") / "conda-lock.yml"
    file.parent.mkdir(parents=True)
    file.write_text(dumps(replace(committed, packages=packages, notes={locks._MADE_FROM: made_from}), name="mine"))
    return python


_OF_THIS_MACHINE = PackageOptions(source=Source.PYPI)


def test_a_lock_for_this_machine_is_planned_once(team: Workspace, own: Path, planned: list[str]) -> None:
    """Unless its Python is gone, or its recipe is another by now."""
    for _ in range(2):
        with pytest.raises(_AnywayError, match="building"):
            _create(team, options=_OF_THIS_MACHINE)
        assert len(planned) == 1
    with pytest.raises(UsageError, match="--locked is about the committed lock"):
        _create(team, options=_OF_THIS_MACHINE, locked=True)
    with pytest.raises(_AnywayError, match="building"):
        _create(team)
    assert len(planned) == 2  # of the committed lock nothing was known
    own.unlink()
    with pytest.raises(_AnywayError, match="locking"):
        _create(team, options=_OF_THIS_MACHINE)
    own.touch()
    _expects(team)
    with pytest.raises(_AnywayError, match="locking"):
        _create(team, options=_OF_THIS_MACHINE)


def test_what_is_asked_for_otherwise_is_looked_into(team: Workspace) -> None:
    _built(team)
    _create(team)
    with pytest.raises(_AnywayError):
        _create(team, force=True)
    with pytest.raises(_AnywayError):
        _create(team, name="other")
    with pytest.raises(UsageError, match="no group docs"):
        _create(team, groups=("docs",))
    with pytest.raises(UsageError, match="both say where"):
        _create(team, name="other", prefix=team.home / "other")
    with pytest.raises(UsageError, match="not for osx-64"):
        _create(team, platform=Subdir.OSX_64)
    _half(team)
    with pytest.raises(EnvbuildError):
        _create(team)


def test_a_failed_proof_is_said_each_time(team: Workspace) -> None:
    _built(team, verdict=Verdict.FAILED)
    for _ in range(2):
        assert "the last verification of" in _create(team, prove=False).warnings[0]


def test_an_environment_elsewhere_keeps_its_name(team: Workspace, planned: list[str]) -> None:
    _built(team, prefix=team.home / "elsewhere")
    planned.clear()
    for _ in range(2):
        result = _create(team, prefix=team.home / "elsewhere")
        assert (result.name, result.prefix, result.ending) == ("mine", team.home / "elsewhere", Result.PRESENT)
    assert len(planned) == 1


def test_a_lock_that_is_right_is_left_alone(team: Workspace, planned: list[str]) -> None:
    """Without asking anybody for anything; the second time without planning."""
    file = team.project.environment("mine") / "conda-lock.yml"
    before = file.stat().st_mtime_ns
    for _ in range(2):
        result = lock(team, LockRequest(recipe="mine"))
        assert (result.written, result.moves, result.file) == (False, (), file)
        assert len(result.lock.on(Subdir.LINUX_64)) == file.read_text().count("\n  platform: linux-64\n")
    assert len(planned) == 1
    assert file.stat().st_mtime_ns == before


def _edited(team: Workspace) -> None:
    with (team.project.environment("mine") / "environment.yml").open("a") as stream:
        stream.write("# edited\n")


def _unsound(team: Workspace) -> None:
    file = team.project.environment("mine") / "conda-lock.yml"
    file.write_text(file.read_text().replace("https://conda.anaconda.org/", "https://elsewhere.example/", 1))


def _other_packages(team: Workspace) -> None:
    with (team.project.root / "recipes" / "mine.yaml").open("a") as stream:
        stream.write("dependencies: [polars]\n")


@pytest.mark.parametrize("change", [_edited, _unsound, _other_packages])
def test_any_other_lock_is_made_anew(team: Workspace, change: Callable[[Workspace], None]) -> None:
    lock(team, LockRequest(recipe="mine"))
    change(team)
    with pytest.raises(_AnywayError):
        lock(team, LockRequest(recipe="mine"))


@pytest.mark.parametrize(
    "asked",
    [
        {"moving": frozenset({"numpy"})},
        {"everything": True},
        {"prove": True},
        {"dry_run": True},
        {"solver": "micromamba"},
        {"notes": {"a": "b"}},
        {"options": PackageOptions(channels=("other",))},
    ],
)
def test_whoever_asks_for_more_gets_it(team: Workspace, asked: dict[str, Any]) -> None:
    lock(team, LockRequest(recipe="mine"))
    with pytest.raises(_AnywayError):
        lock(team, LockRequest(recipe="mine", **asked))


def test_facts_judge_a_lock_that_is_there(team: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of its packages together is said each time; what is known not to work is not left."""
    heard = Heard()
    here = replace(team, progress=heard)
    monkeypatch.setattr("builder.compat.together.LockedSetJudge.__call__", lambda *_: ["an unsafe pair"])
    for times in (1, 2):
        assert lock(here, LockRequest(recipe="mine")).warnings == ("an unsafe pair",)
        assert heard.warnings == ["an unsafe pair"] * times


def test_shipped_locks_are_not_the_projects(tmp_path: Path, team: Workspace) -> None:
    """`lock` of a shipped recipe writes a lock into the project, also where envbuild brings one."""
    with pytest.raises(_AnywayError):
        lock(team, LockRequest(recipe="ml-m1"))
