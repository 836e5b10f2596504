"""`envbuild create`"""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.locking import find_or_make_lock
from builder.cli.session import Outcome, verb
from builder.errors import ChecksFailedError, UsageError
from builder.plan.model import Source
from builder.platforms import TARGETS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from builder.cli.session import Session
    from builder.finding import Report
    from builder.install.create import CreateRequest, Result
    from builder.operations.prepare import Prepared
    from builder.platforms import Subdir


@verb("create")
@options.recipe_argument
@click.option("-n", "--name", "env_name", help="Name of the environment (default: the recipe's).")
@click.option("-p", "--prefix", type=click.Path(path_type=Path), help="Build it here instead of under its name.")
@click.option(
    "--platform",
    type=click.Choice([subdir.value for subdir in TARGETS]),
    help="Lay out another platform's environment; nothing of it is run.",
)
@click.option("--group", "groups", multiple=True, help="Also this group of the recipe (repeatable).")
@options.source_options
@options.solver_option
@click.option("--force", is_flag=True, help="Build it again although it matches its lock (damaged files).")
@click.option("--verify/--no-verify", "prove", default=True, help="Prove that it works afterwards (default: yes).")
def command(
    session: Session,
    name: str,
    env_name: str | None,
    prefix: Path | None,
    platform: str | None,
    groups: tuple[str, ...],
    source: str,
    channels: tuple[str, ...],
    mirror_pairs: tuple[str, ...],
    python: Path | None,
    solver: str,
    force: bool,
    prove: bool,
) -> Outcome:
    """Build an environment from its lock, exactly and as a whole, and verify it.

    Where there is no lock it is made first. If anything fails, an environment that was there before is put
    back; one that already matches its lock is left alone. With --source pypi this machine's own Python and
    PyPI are all that is needed.

    \b
    Examples:
      envbuild create ml-m1
      envbuild create ml-m1 --source pypi
      envbuild create ml-m1 -p ./env --platform osx-arm64
    """
    from builder.install.create import CreateRequest, Result, is_built, is_current
    from builder.install.transaction import finished, require_replaceable
    from builder.lock.read import lock_digest
    from builder.operations.expectations import expectations
    from builder.platforms import host_subdir

    host = host_subdir()
    target = _target(platform, host)
    recipe = session.project.recipe(name)
    wanted = options.pipeline_options(source=source, channels=channels, platforms=(), python=python)
    if wanted.source is Source.PYPI and target is not host:
        raise UsageError("--source pypi packages this machine's own Python; leave --platform out")
    place = _prefix(session, env_name or name, prefix)
    require_replaceable(place)
    lock_file, ready = find_or_make_lock(session, recipe, wanted, solver=solver, mirror_pairs=mirror_pairs)
    request = CreateRequest(
        name=env_name or name,
        recipe=name,
        prefix=place,
        subdir=target,
        host=host,
        lock_sha256=lock_digest(lock_file),
        groups=("main", *sorted(set(groups) - {"main"})),
        force=force,
    )
    ready = ready or options.prepared(session, name, wanted)
    plan = ready.plans.get(target)
    request = replace(
        request,
        expectations=expectations(recipe, plan),
        requested=tuple(f"{spec.name} {spec.spec}".strip() for spec in plan.specs if spec.manager == "conda")
        if plan
        else (),
    )
    # Before anything slow is imported or read: the usual second run has nothing to do.
    if (is_current if prove else is_built)(request, finished(request.prefix)):
        return _outcome(session, request, Result.PRESENT, lock_file=lock_file, report=None)
    if lock_file == session.project.committed_lock(name):
        _warn_if_stale(session, lock_file, ready)
    return _create(session, lock_file=lock_file, request=request, mirror_pairs=mirror_pairs, prove=prove)


def _warn_if_stale(session: Session, lock_file: Path, ready: Prepared) -> None:
    """A committed lock is what the team agreed on, so it is used; that its recipe has moved on is said."""
    from builder.lock.freshness import stale_reasons
    from builder.lock.read import read_lock

    reasons = stale_reasons(read_lock(lock_file), ready.rendered, lock_file.parent)
    if reasons:
        name = ready.recipe.name
        session.warn(
            f"the lock is not that of the recipe as it is now ({'; '.join(reasons)}); `envbuild lock {name}` makes it"
        )


def _target(platform: str | None, host: Subdir | None) -> Subdir:
    from builder.platforms import Subdir

    if platform is not None:
        return Subdir(platform)
    if host is None:
        raise UsageError("this machine's platform is none that envbuild builds for", hint="name one with --platform")
    return host


def _prefix(session: Session, name: str, given: Path | None) -> Path:
    from builder.config import load_config
    from builder.environment.store import store

    if given is not None:
        return Path(os.path.abspath(given.expanduser()))  # noqa: PTH100 - `a/..` is no name for an environment
    envs_dir = load_config(session.environ).envs_dir
    return store(home=Path.home(), environ=session.environ, cwd=Path.cwd(), envs_dir=envs_dir).prefix_for(name)


def _create(
    session: Session,
    *,
    lock_file: Path,
    request: CreateRequest,
    mirror_pairs: tuple[str, ...],
    prove: bool,
) -> Outcome:
    from builder.cli.progress import reporter
    from builder.install.conda import default_cache
    from builder.install.create import Proof, Surroundings, create
    from builder.lock.audit import require_sound
    from builder.lock.read import read_lock

    lock = read_lock(lock_file)
    require_sound(lock, lock_file)
    reports: list[Report] = []

    def proof(prefix: Path) -> Proof:
        reports.append(_verified(session, prefix))
        return Proof(level="default", passed=reports[-1].ok)

    with reporter(session) as progress:
        around = Surroundings(
            cache=default_cache(session.environ),
            environ=session.environ,
            mirrors=options.mirrors(session, mirror_pairs),
            progress=progress,
        )
        result = create(
            lock,
            request,
            around,
            waiting=lambda: session.note(f"another envbuild is building {request.prefix}; waiting for it"),
            proof=proof if prove else None,
        )
    return _outcome(session, request, result, lock_file=lock_file, report=reports[0] if reports else None)


def _verified(session: Session, prefix: Path) -> Report:
    from builder.cli.verify import status_line
    from builder.operations.verify import verify

    if not session.live and not session.json:
        session.note("verifying it")
    with status_line(session) as tell:
        return verify(prefix, progress=tell)


def _outcome(
    session: Session, request: CreateRequest, result: Result, *, lock_file: Path, report: Report | None
) -> Outcome:
    from builder.environment.store import store
    from builder.install.create import Result

    if result is not Result.RESTORED and request.subdir is request.host:
        known = store(home=Path.home(), environ=session.environ, cwd=Path.cwd())
        if warning := known.register(request.prefix):
            session.warn(warning)
    python = request.prefix / "bin" / "python"
    error = _not_proven(request, result) if result in (Result.FAILING, Result.UNPROVEN, Result.RESTORED) else None
    return Outcome(
        result={
            "name": request.name,
            "prefix": str(request.prefix),
            "python": str(python),
            "platform": request.subdir.value,
            "lock": str(lock_file),
            "changed": result in (Result.BUILT, Result.UNPROVEN),
            "verification": report.to_json() if report else None,
        },
        text=_text(request, result, report),
        exit_code=1 if error else 0,
        errors=(error,) if error else (),
    )


def _not_proven(request: CreateRequest, result: Result) -> ChecksFailedError:
    from builder.install.create import Result

    if result is Result.RESTORED:
        return ChecksFailedError(
            f"verification failed; the previous environment is back at {request.prefix}",
            hint="each failed check above names its remedy; --no-verify builds it all the same",
        )
    return ChecksFailedError(
        f"verification failed; the environment is kept at {request.prefix} so that it can be looked at",
        hint="each failed check above names its remedy",
    )


def _text(request: CreateRequest, result: Result, report: Report | None) -> str | RenderableType:
    from builder.install.create import Result

    lines = []
    if result in (Result.PRESENT, Result.PROVEN):
        lines.append(f"{request.name} is up to date with its lock; nothing to do")
    elif result is Result.BUILT:
        lines.append(f"created {request.name}")
    if result is not Result.RESTORED:
        lines.append(f"interpreter for your IDE: {request.prefix / 'bin' / 'python'}")
        if request.subdir is request.host:
            by_name = request.prefix.parent.name == "envs"
            which = request.prefix.name if by_name else shlex.quote(str(request.prefix))
            lines.append(f"in a shell with conda:    conda activate {which}")
    if report is None:
        return "\n".join(lines)
    from rich.console import Group
    from rich.text import Text

    from builder.report.text import render

    return Group(render(report), Text(), *(Text(line) for line in lines))
