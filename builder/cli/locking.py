"""Making and finding locks for the verbs that need one."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from builder import __version__
from builder.cli import options
from builder.errors import LockfileError
from builder.plan.model import Source
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.lock.channels import Mirrors
    from builder.lock.model import Lock
    from builder.lock.solver import Solver
    from builder.operations.prepare import Options, Prepared
    from builder.recipe.model import Recipe

#: Key in conda-lock's free metadata of locks that are not committed: what they were made from.
_MADE_FROM = "envbuild_made_from"


def find_or_make_lock(
    session: Session, recipe: Recipe, wanted: Options, *, solver: str, mirror_pairs: tuple[str, ...]
) -> tuple[Path, Prepared | None]:
    """The lock file to create from, made now where there is none; with the prepared recipe if that was needed.

    A committed lock is used as it is, with a warning when its recipe has moved on. Locks for other sources
    or channels, and for shipped recipes outside any project, live in envbuild's state folder and are made
    again when what they were made from has changed.
    """
    project = session.project
    usual = wanted.source is Source.CONDA_FORGE and not wanted.channels
    committed = project.committed_lock(recipe.name) if usual else None
    if committed is not None:
        return committed, None
    if usual and project.found:
        made = lock_recipe(session, recipe, wanted, solver=solver, mirror_pairs=mirror_pairs)
        return made.file, made.ready
    made_from = _digest(recipe, wanted)
    label = wanted.source.value if usual or wanted.source is Source.PYPI else f"channels-{made_from[:12]}"
    folder = project.local_environment(recipe.name, source=label)
    if _is_usable(folder / LOCK_NAME, made_from):
        return folder / LOCK_NAME, None
    made = lock_recipe(
        session,
        recipe,
        wanted,
        solver=solver,
        mirror_pairs=mirror_pairs,
        folder=folder,
        notes={_MADE_FROM: made_from},
    )
    return made.file, made.ready


def _digest(recipe: Recipe, wanted: Options) -> str:
    text = f"{__version__}\0{recipe.model_dump_json()}\0{wanted}"
    return hashlib.sha256(text.encode()).hexdigest()


def _is_usable(file: Path, made_from: str) -> bool:
    """Whether a lock in the state folder is still the one wanted, and its local packages are still there."""
    from builder.lock.read import read_lock

    if not file.is_file():
        return False
    try:
        lock = read_lock(file)
    except LockfileError:
        # It is ours to make again.
        return False
    local = [package.url for package in lock.packages if package.url.startswith("file://")]
    return lock.notes.get(_MADE_FROM) == made_from and all(Path(unquote(urlsplit(url).path)).is_file() for url in local)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A lock that was just made, where it was written, and the prepared recipe it was made from."""

    lock: Lock
    file: Path
    ready: Prepared


def lock_recipe(
    session: Session,
    recipe: Recipe,
    wanted: Options,
    *,
    solver: str,
    mirror_pairs: tuple[str, ...],
    folder: Path | None = None,
    notes: dict[str, str] | None = None,
) -> Made:
    """Choose versions, solve, audit, and write the lock with the rendered files, the lock last.

    `folder` is where to; by default the project's `environments/NAME`.
    """
    where = options.mirrors(session, mirror_pairs)
    built_in = _built_in(recipe, wanted, where) if solver == "rattler" else None
    ready = options.prepared(session, recipe.name, wanted)

    from builder.cli.progress import reporter
    from builder.files import write_atomically
    from builder.lock import condalock
    from builder.lock.audit import audit, describe
    from builder.lock.make import make_lock
    from builder.uv import Uv

    engine = built_in or _own_solver(solver, ready, where)
    uv = Uv(environ=session.environ, project=session.project.root)
    with reporter(session) as progress:
        made = asyncio.run(make_lock(ready.rendered, solver=engine, uv=uv, notes=notes or {}, progress=progress))
    lock = made.lock
    for warning in made.warnings:
        session.warn(warning)
    defects = audit(lock)
    if defects:
        raise LockfileError(
            f"the channels led to a lock that cannot be trusted: {describe(defects[0])}",
            hint="their metadata is damaged or incomplete; try another channel or mirror",
        )
    text = condalock.dumps(lock, name=ready.rendered.name)
    target = folder or ready.folder
    for file, content in (*ready.rendered.files.items(), (LOCK_NAME, text)):
        write_atomically(target / file, content)
    return Made(lock=lock, file=target / LOCK_NAME, ready=ready)


def _built_in(recipe: Recipe, wanted: Options, where: Mirrors) -> Solver:
    """py-rattler, already fetching the metadata where it is known which channels the versions come from."""
    from builder.lock.rattler_solver import RattlerSolver

    solver = RattlerSolver(mirrors=where)
    if wanted.source is Source.CONDA_FORGE:
        solver.prefetch(wanted.channels or recipe.channels, recipe.subdirs)
    return solver


def _own_solver(executable: str, ready: Prepared, where: Mirrors) -> Solver:
    from builder.lock.channels import canonical_url
    from builder.lock.condalock import CondaLockSolver

    urls = [where.fetch_url(canonical_url(channel)) for channel in ready.rendered.channels]
    return CondaLockSolver(executable, rendered=ready.rendered, fetch_channels=urls)
