"""The probes of an environment: what hung is not asked again, and the user's variables are tried as they are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from builder.checks.runs import Runs, _culprits, _waiting_in
from builder.probes.level import Level
from builder.probes.schedule import Request, tasks, user_imports

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
