"""`envbuild lock`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session
    from builder.lock.moves import Move
    from builder.operations.locking_all import LockAllResult


@verb(
    "lock",
    left=lambda options: (
        "the locks that were finished are written, the others are as they were"
        if options["everything"]
        else "nothing was written, and a lock that was there stays"
    ),
)
@click.argument("name", metavar="[RECIPE]", required=False, shell_complete=options.complete_recipe)
@click.option("--all", "everything", is_flag=True, help="Every recipe of the project.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="With --all: so many processes.")
@options.package_options
@options.solver_option
@click.option("--resolve", is_flag=True, help="Merge a lock in conflict, staying at what both sides have.")
@click.option("--prove", is_flag=True, help="Keep the old lock unless the new one is proven, as `prove` does.")
def command(
    session: Session,
    *,
    name: str | None,
    everything: bool,
    jobs: int | None,
    source: str,
    channels: tuple[str, ...],
    mirrors: tuple[str, ...],
    python: Path | None,
    solver: str,
    resolve: bool,
    prove: bool,
) -> Output:
    """Solve all platforms of a recipe at once and write environments/RECIPE/conda-lock.yml.

    The rendered environment.yml and virtual-packages.yml are written beside it; commit all three. Stock
    conda-lock and micromamba read the lock as their own.

    \b
    Examples:
      envbuild lock ml-m1
      envbuild lock ml-m1 --mirror conda-forge=https://mirror.example/cf
      envbuild lock ml-m1 --prove
      envbuild lock ml-m1 --resolve
      envbuild lock --all --jobs 4
      envbuild lock ml-m1 --solver micromamba
    """
    packages = options.packages(source=source, channels=channels, python=python)
    workspace = session.workspace(mirrors=mirrors)
    if everything == (name is not None):
        raise UsageError(
            "name a recipe, or lock all of the project with --all" + (", not both" if name else ""),
            hint="`envbuild list` shows the recipes",
        )
    if name is None:
        if resolve:
            raise UsageError("--resolve merges one lock at a time", hint="name the recipe instead of --all")
        from builder.operations.locking_all import LockAllRequest, lock_all

        return _all(lock_all(workspace, LockAllRequest(options=packages, solver=solver, prove=prove, jobs=jobs or 0)))
    if jobs is not None:
        raise UsageError("--jobs is for many recipes; add --all, or leave it out")
    from builder.cli.moves import moves_json
    from builder.operations.fetching import Solvers
    from builder.operations.locking import LockRequest, lock

    request = LockRequest(recipe=name, options=packages, solver=solver, prove=prove)
    if resolve:
        from builder.operations.merging import resolve as lock_both

        made = lock_both(workspace, request)
    else:
        made = lock(workspace, request, solvers=session.leave(Solvers(workspace)))
    counts = {subdir.value: len(made.lock.on(subdir)) for subdir in made.lock.platforms}
    listed = ", ".join(f"{count} packages for {subdir}" for subdir, count in counts.items())
    ended = [f"locked {name}: {listed}", f"wrote {made.file}"]
    if not made.written:
        ended = [
            f"{name} is locked, and its recipe has not changed: {listed}",
            f"{made.file} is as it was; `envbuild update {name} --all` takes newer versions",
        ]
    return Output(
        result={
            "name": name,
            "file": str(made.file),
            "packages": counts,
            "written": made.written,
            "moves": moves_json(made.moves),
        },
        text="\n".join([*_told(made.moves), *ended]),
        told=True,
    )


def _all(done: LockAllResult) -> Output:
    """One line for each recipe, and below it what moved."""
    from builder.cli.moves import moves_json

    lines: list[str] = []
    for entry in done.locks:
        state = "locked" if entry.new else "up to date" if not entry.written else f"{len(entry.moves)} moved"
        lines.append(f"{entry.name}: {state if entry.problem is None else 'NOT locked'}")
        lines += [f"  {line}" for line in _told(entry.moves)]
    return Output(
        result={
            "locks": [
                {
                    "name": entry.name,
                    "ok": entry.problem is None,
                    "file": str(entry.file) if entry.file else None,
                    "packages": dict(entry.packages),
                    "written": entry.written,
                    "moves": moves_json(entry.moves),
                    "message": entry.problem.message if entry.problem else None,
                }
                for entry in done.locks
            ]
        },
        text="\n".join(lines),
        told=not done.problems,
        errors=done.problems,
    )


def _told(moves: tuple[Move, ...]) -> list[str]:
    if not moves:
        return []
    from builder.lock.moves import told

    return list(told(moves))
