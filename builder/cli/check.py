"""`envbuild check`"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.session import Outcome, verb
from builder.errors import EnvbuildError, LockfileError, StaleLockError
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("check")
@click.argument("names", metavar="[RECIPE]...", nargs=-1)
def command(session: Session, names: tuple[str, ...]) -> Outcome:
    """Say whether locks are sound and still match their recipes. Solves nothing and needs no network.

    Without a name: every recipe of the project that has a lock. Exit code 1 when one is stale, 2 when one is unsound.

    \b
    Examples:
      envbuild check
      envbuild check ml-m1
    """
    project = session.project
    chosen = names or tuple(
        name for name in project.recipe_files() if (project.environment(name) / LOCK_NAME).is_file()
    )
    results = []
    problems: list[EnvbuildError] = []
    for name in chosen:
        problem = _problem(session, name)
        state = "up to date" if problem is None else "NOT up to date" if problem.exit_code == 1 else "NOT sound"
        results.append(
            {"name": name, "ok": problem is None, "state": state, "message": problem.message if problem else None}
        )
        if problem is not None:
            problems.append(problem)
    lines = [f"{entry['name']}: {entry['state']}" for entry in results]
    return Outcome(
        result={"locks": results},
        text="\n".join(lines) or "no locks here; `envbuild lock RECIPE` makes one",
        exit_code=max((problem.exit_code for problem in problems), default=0),
        errors=tuple(problems),
    )


def _problem(session: Session, name: str) -> EnvbuildError | None:
    from builder.lock.audit import require_sound
    from builder.lock.freshness import stale_reasons
    from builder.lock.read import read_lock
    from builder.operations.prepare import Options, prepare

    project = session.project
    file = project.committed_lock(name)
    if file is None:
        project.recipe_file(name)
        return StaleLockError(f"{name} has no lock", hint=f"run `envbuild lock {name}`")
    try:
        lock = read_lock(file)
        require_sound(lock, file)
    except LockfileError as error:
        return error
    # A lock made with --channel declares other channels than the recipe; the rest must still match.
    ready = prepare(project, name, Options(channels=lock.channels), environ=os.environ, home=Path.home())
    reasons = stale_reasons(lock, ready.rendered, file.parent)
    if reasons:
        return StaleLockError("; ".join(reasons), file=file, hint=f"run `envbuild lock {name}` and commit the result")
    return None
