"""`envbuild lock`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session
    from builder.lock.moves import Move


@verb("lock")
@options.recipe_argument
@options.package_options
@options.solver_option
@click.option("--resolve", is_flag=True, help="Merge a lock in conflict, staying at what both sides have.")
@click.option("--prove", is_flag=True, help="Keep the old lock unless the new one is proven, as `prove` does.")
def command(
    session: Session,
    *,
    name: str,
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
      envbuild lock ml-m1 --mirror conda-forge=https://mirror.example/conda-forge
      envbuild lock ml-m1 --prove
      envbuild lock ml-m1 --resolve
      envbuild lock ml-m1 --solver micromamba
    """
    from builder.cli.moves import moves_json
    from builder.operations.locking import LockRequest, lock

    packages = options.packages(source=source, channels=channels, python=python)
    request = LockRequest(recipe=name, options=packages, solver=solver, prove=prove)
    workspace = session.workspace(mirrors=mirrors)
    if resolve:
        from builder.operations.merging import resolve as lock_both

        made = lock_both(workspace, request)
    else:
        made = lock(workspace, request)
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


def _told(moves: tuple[Move, ...]) -> list[str]:
    if not moves:
        return []
    from builder.lock.moves import told

    return list(told(moves))
