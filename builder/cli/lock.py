"""`envbuild lock`"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from builder.cli import options
from builder.cli.session import Outcome, verb

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session
    from builder.lock.model import Lock
    from builder.pipeline import Prepared


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
    conda-lock, micromamba and pixi read the lock as their own.

    \b
    Examples:
      envbuild lock ml-m1
      envbuild lock ml-m1 --mirror conda-forge=https://mirror.example/conda-forge
      envbuild lock ml-m1 --solver micromamba
    """
    ready = options.prepared(
        session, name, options.pipeline_options(source=source, channels=channels, platforms=(), python=python)
    )
    lock, file = lock_and_write(session, ready, solver=solver, mirror_pairs=mirror_pairs)
    counts = {subdir.value: len(lock.on(subdir)) for subdir in lock.platforms}
    listed = ", ".join(f"{count} packages for {subdir}" for subdir, count in counts.items())
    return Outcome(
        result={"name": name, "file": str(file), "packages": counts}, text=f"locked {name}: {listed}\nwrote {file}"
    )


def lock_and_write(
    session: Session, ready: Prepared, *, solver: str, mirror_pairs: tuple[str, ...]
) -> tuple[Lock, Path]:
    """Make the lock of a prepared recipe, audit it, and write it with the rendered files, the lock last."""
    from builder.cli.progress import reporter
    from builder.errors import LockfileError
    from builder.files import write_atomically
    from builder.lock import condalock
    from builder.lock.audit import audit, describe
    from builder.lock.make import make_lock
    from builder.project import LOCK_NAME

    where = options.mirrors(session, mirror_pairs)
    with reporter(session) as progress:
        lock, warnings = asyncio.run(
            make_lock(ready.rendered, solver=options.solver(solver, ready, where), notes={}, progress=progress)
        )
    for warning in warnings:
        session.warn(warning)
    defects = audit(lock)
    if defects:
        raise LockfileError(
            f"the channels led to a lock that cannot be trusted: {describe(defects[0])}",
            hint="their metadata is damaged or incomplete; try another channel or mirror",
        )
    text = condalock.dumps(lock, name=ready.rendered.name)
    for file, content in (*ready.rendered.files.items(), (LOCK_NAME, text)):
        write_atomically(ready.folder / file, content)
    return lock, ready.folder / LOCK_NAME
