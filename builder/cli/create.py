"""`envbuild create`"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli import options
from builder.cli.session import Output, verb

if TYPE_CHECKING:
    from rich.console import RenderableType

    from builder.cli.session import Session
    from builder.operations.created import CreateResult


def _programs(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """`jupyter,vscode` as names. Raises BadParameter for a program that is none."""
    names = tuple(dict.fromkeys(name.strip() for name in (value or "").split(",") if name.strip()))
    known = ("jupyter", "vscode", "jetbrains")
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is none of {', '.join(known)}")
    return names


@verb("create", left="nothing was built")
@options.recipe_argument
@click.option("-n", "--name", "env_name", help="Name of the environment (default: the recipe's).")
@click.option("-p", "--prefix", type=click.Path(path_type=Path), help="Build it here instead of under its name.")
@click.option("--platform", type=options.SUBDIR, help="Lay out another platform's environment; nothing of it is run.")
@click.option("--group", "groups", multiple=True, help="Also this group of the recipe (repeatable).")
@options.package_options
@options.solver_option
@click.option("--force", is_flag=True, help="Build it again although it matches its lock (damaged files).")
@click.option("--locked", is_flag=True, help="Refuse a lock that is out of date or missing (for CI).")
@click.option(
    "--register", "programs", callback=_programs, metavar="LIST", help="Make it known to jupyter,vscode,jetbrains."
)
@click.option("--verify/--no-verify", "prove", default=True, help="Prove that it works afterwards (default: yes).")
def command(
    session: Session,
    *,
    name: str,
    env_name: str | None,
    prefix: Path | None,
    platform: str | None,
    groups: tuple[str, ...],
    source: str,
    channels: tuple[str, ...],
    mirrors: tuple[str, ...],
    python: Path | None,
    solver: str,
    force: bool,
    locked: bool,
    programs: tuple[str, ...],
    prove: bool,
) -> Output:
    """Build an environment from its lock, exactly and as a whole, and verify it.

    Where there is no lock it is made first. If anything fails, an environment that was there before is put
    back; one that already matches its lock is left alone, and of one that does not only what differs is replaced. A
    lock that is out of date is used as it is, and that is said; --locked refuses it. With --source pypi this machine's
    own Python and PyPI are all that is needed.

    \b
    Examples:
      envbuild create ml-m1
      envbuild create ml-m1 --source pypi
      envbuild create ml-m1 --locked
      envbuild create ml-m1 --register jupyter,vscode --project ~/mnist
      envbuild create ml-m1 -p ./env --platform osx-arm64
    """
    from builder.operations.creating import CreateRequest, create
    from builder.platforms import Subdir

    request = CreateRequest(
        recipe=name,
        name=env_name,
        prefix=prefix,
        platform=Subdir(platform) if platform else None,
        groups=groups,
        options=options.packages(source=source, channels=channels, python=python),
        solver=solver,
        force=force,
        prove=prove,
        locked=locked,
        register=programs,
        folder=session.project_dir if "vscode" in programs else None,
    )
    created = create(session.workspace(mirrors=mirrors), request)
    return Output(
        result=created_json(created),
        text=created_text(created, quiet=session.quiet),
        told=created.problem is None,
        errors=(created.problem,) if created.problem else (),
    )


def created_json(created: CreateResult) -> dict[str, Any]:
    """A new environment, as `--json` tells it."""
    return {
        "name": created.name,
        "prefix": str(created.prefix),
        "python": str(created.python),
        "platform": created.platform.value,
        "lock": str(created.lock),
        "changed": created.changed,
        "proof": created.proof,
        "registered": list(created.registered),
        "verification": created.report.to_json() if created.report else None,
    }


def created_text(created: CreateResult, *, quiet: bool) -> str | RenderableType:
    """The same for people."""
    from builder.install.create import Result

    lines = []
    if created.ending is Result.PRESENT:
        lines.append(f"{created.name} is up to date with its lock; nothing to do")
    elif created.ending is Result.PROVEN:
        lines.append(f"{created.name} was up to date with its lock, and has passed its verification now")
    elif created.ending is Result.BUILT:
        lines.append(f"created {created.name}")
    elif created.ending is Result.UPDATED:
        lines.append(f"updated {created.name}; only what differed from its lock was replaced")
    if created.proof is not None:
        lines.append(f"its lock is {created.proof}")
    if created.ending is not Result.RESTORED:
        lines.append(f"interpreter for your IDE: {created.python}")
        if created.runs_here:
            lines.append(f"in a shell with conda:    conda activate {shlex.quote(created.activated_by)}")
    lines += created.registered
    if created.report is None:
        return "\n".join(lines)
    from builder.report.text import brief, followed

    return brief(created.report) if quiet else followed(created.report, lines)
