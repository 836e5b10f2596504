"""The probes of an environment: what hung is not asked again, and the user's variables are tried as they are."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.checks.runs import Runs, _culprits, _waiting_in
from builder.probes.level import Level
from builder.probes.schedule import Request, Task, tasks, user_imports

if TYPE_CHECKING:
    from collections.abc import Mapping


def request(*modules: str, level: Level = Level.DEFAULT, limit: float | None = None) -> Request:
    return Request(
        level=level, modules=modules, main=modules[:1], snippets=(), has=lambda name: name in modules, limit=limit
    )


def runs(tmp_path: Path, wanted: Request, **variables: str) -> Runs:
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **variables}
    return Runs(
        python=Path(sys.executable), prefix=tmp_path, environ=environ, cwd=tmp_path, names=("json",), request=wanted
    )


def test_what_hung_once_is_not_asked_again(tmp_path: Path) -> None:
    """Three probes of three minutes each for one module that waits for ever are nine minutes for one answer."""
    # `this` is imported from the working directory of nobody: a module of the standard library that never ends here.
    wanted = request("hangs", "json", limit=2)
    ran = runs(tmp_path, wanted)
    ran._hung.add("hangs")
    results = ran.results
    skipped = [one for one in results.probes if one.outcome is None]
    assert skipped
    assert all(one.why_not == "hangs hangs at import" for one in skipped)
    assert all("hangs" in one.task.modules for one in skipped)
    assert any(one.outcome is not None for one in results.probes)
    assert results.user_imports is None


def shared(tmp_path: Path, *bodies: str) -> Runs:
    """Runs of one task whose probe (`probe0`) the others follow, each with a body for its step."""
    found = []
    for number, body in enumerate(bodies):
        script = (
            f"import os\n\n\ndef main(probe, _):\n    with probe.step('import.alone', 'm{number}'):\n        {body}\n"
        )
        (tmp_path / f"probe{number}.py").write_text(script)
        answers = (("import.alone", f"m{number}"),)
        found.append(
            Task(
                probe=f"probe{number}",
                answers=answers,
                limit=20,
                doing=f"asking m{number}",
                folder=tmp_path,
                modules=(f"m{number}",),
            )
        )
    ran = runs(tmp_path, request("json", level=Level.QUICK))
    ran.__dict__["planned"] = (replace(found[0], then=tuple(found[1:])),)
    return ran


def test_probes_of_one_process_are_one_answer(tmp_path: Path) -> None:
    (ran,) = shared(tmp_path, "pass", "pass").results.probes
    assert ran.task.answers == (("import.alone", "m0"), ("import.together", "m1"))
    assert ran.task.doing == "asking m0; asking m1"
    assert ran.outcome is not None
    assert {(step.check, step.subject) for step in ran.outcome.steps} == set(ran.task.answers)


@pytest.mark.parametrize("body", ["raise ImportError", "os._exit(0)", "os.abort()"])
def test_what_is_not_reached_in_a_shared_process_is_asked_by_itself(tmp_path: Path, body: str) -> None:
    """What died is told of the one that did it, and of the others what they say alone."""
    found = shared(tmp_path, "pass", body, "pass").results.probes
    assert [ran.task.answers for ran in found] == [
        (("import.alone", "m0"), ("import.together", "m1")),
        (("import.alone", "m2"),),
    ]
    outcomes = [ran.outcome for ran in found if ran.outcome is not None]
    assert [(step.subject, step.how == "done") for outcome in outcomes for step in outcome.steps] == [
        ("m0", True),
        ("m1", False),
        ("m2", True),
    ]


def test_where_the_first_is_known_to_hang_the_others_are_asked(tmp_path: Path) -> None:
    ran = shared(tmp_path, "pass", "pass")
    ran._hung.add("m0")
    first, second = ran.results.probes
    assert (first.outcome, first.why_not) == (None, "m0 hangs at import")
    assert first.task.answers == (("import.alone", "m0"),)
    assert second.outcome is not None
    assert second.outcome.finished


def test_what_keras_imports_anyway_is_asked_in_its_process() -> None:
    """Once at the default level, where it is asked at all; each by itself at the full one."""
    modules = ("numpy", "sklearn", "keras", "tensorflow")
    found = {level: tasks(request(*modules, level=level)) for level in Level}
    followers = {level: [(task.probe, *(one.probe for one in task.then)) for task in found[level]] for level in Level}
    assert ("keras_model",) in followers[Level.QUICK]
    assert ("keras_model", "tensorflow_ops") in followers[Level.DEFAULT]
    assert {("keras_model",), ("tensorflow_ops",)} <= set(followers[Level.FULL])
    asked = [answer for task in found[Level.DEFAULT] for one in (task, *task.then) for answer in one.answers]
    for module in modules:
        assert asked.count(("import.alone", module)) == 1


def test_the_variable_that_breaks_an_import_is_found_by_halves() -> None:
    environ = {f"V{number}": "x" for number in range(40)} | {"HOME": "/h", "LC_ALL": "C"}
    tried: list[int] = []

    def fails(some: Mapping[str, str]) -> bool:
        tried.append(len(some))
        return "V33" in some

    assert _culprits(environ, fails=fails) == ("V33",)
    assert len(tried) < 10
    assert all(number >= 1 for number in tried)  # what every shell has stays


def test_every_variable_that_breaks_it_is_found() -> None:
    environ = {f"V{number}": "x" for number in range(20)} | {"HOME": "/h"}

    def fails(some: Mapping[str, str]) -> bool:
        return bool({"V3", "V17"} & some.keys())

    assert _culprits(environ, fails=fails) == ("V3", "V17")
    assert _culprits(environ, fails=lambda some: "V3" in some and "V17" in some) == ()
    assert _culprits(environ, fails=lambda _some: True) == ()


def test_where_no_variable_is_to_blame_none_is_named() -> None:
    environ = {"A": "1", "B": "2", "HOME": "/h"}
    assert _culprits(environ, fails=lambda _some: True) == ()
    assert _culprits(environ, fails=lambda some: {"A", "B"} <= set(some)) == ()


def test_the_users_own_variables_are_tried_at_the_default_level() -> None:
    assert user_imports(request("json", level=Level.QUICK)) is None
    assert user_imports(request()) is None
    task = user_imports(request("json"))
    assert task is not None
    assert task.answers == (("user.imports", "json"),)
    assert task not in tasks(request("json"))


def test_what_start_up_code_sets_is_seen_and_no_value_is_handed_about(tmp_path: Path) -> None:
    ran = runs(tmp_path, request("json"), SECRET="hunter2")
    alive = ran.results.alive
    assert alive is not None
    assert alive.facts["changed"] == {}
    assert "startup" not in ran.results.doubts
    outcome = ran.results.as_user
    assert outcome is not None
    assert "hunter2" not in str(outcome.steps)


def test_the_package_that_waits_is_the_one_that_is_not_asked_again() -> None:
    """Keras hangs because pandas does: what imports pandas need not be tried either."""
    frames = '  File "/e/lib/python3.12/site-packages/{}", line 3 in <module>\n'
    stderr = "most recent call first):\n" + frames.format("pandas/__init__.py") + frames.format("keras/__init__.py")
    assert _waiting_in(stderr) == {"pandas"}
    assert _waiting_in(frames.format("six.py")) == {"six"}
    assert _waiting_in('  File "/usr/lib/python3.12/threading.py", line 3 in wait\n') == set()
