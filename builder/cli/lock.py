"""`envbuild lock`"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.cli import options
from builder.cli.locking import lock_recipe
from builder.cli.session import Outcome, verb

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session


@verb("lock")
@options.recipe_argument
@options.source_options
@options.solver_option
def command(
    session: Session,
    name: str,
    source: str,
    channels: tuple[str, ...],
    mirror_pairs: tuple[str, ...],
    python: Path | None,
    solver: str,
) -> Outcome:
    """Solve all platforms of a recipe at once and write environments/RECIPE/conda-lock.yml.

    The rendered environment.yml and virtual-packages.yml are written beside it; commit all three. Stock
    conda-lock and micromamba read the lock as their own.

    \b
    Examples:
      envbuild lock ml-m1
      envbuild lock ml-m1 --mirror conda-forge=https://mirror.example/conda-forge
      envbuild lock ml-m1 --solver micromamba
    """
    wanted = options.pipeline_options(source=source, channels=channels, platforms=(), python=python)
    made = lock_recipe(session, session.project.recipe(name), wanted, solver=solver, mirror_pairs=mirror_pairs)
    lock, file = made.lock, made.file
    counts = {subdir.value: len(lock.on(subdir)) for subdir in lock.platforms}
    listed = ", ".join(f"{count} packages for {subdir}" for subdir, count in counts.items())
    return Outcome(
        result={"name": name, "file": str(file), "packages": counts}, text=f"locked {name}: {listed}\nwrote {file}"
    )
