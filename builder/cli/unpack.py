"""`envbuild unpack`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("unpack", left="nothing was built, and what had been unpacked is deleted")
@click.argument("archive", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-n", "--name", "env_name", help="Name of the environment (default: the recipe's).")
@click.option("-p", "--prefix", type=click.Path(path_type=Path), help="Build it here instead of under its name.")
@click.option("--platform", type=options.SUBDIR, help="Lay out another platform's environment; nothing of it is run.")
@click.option("--group", "groups", multiple=True, help="Also this group of the recipe (repeatable).")
@click.option("--into", type=click.Path(path_type=Path), metavar="DIR", help="Only lay out the channel and the wheels.")
@click.option("--sha256", metavar="DIGEST", help="Refuse another archive than the one that `pack` gave this digest of.")
@click.option("--force", is_flag=True, help="Build it again although it is there (damaged files).")
@click.option("--verify/--no-verify", "prove", default=True, help="Prove that it works afterwards (default: yes).")
def command(
    session: Session,
    *,
    archive: Path,
    env_name: str | None,
    prefix: Path | None,
    platform: str | None,
    groups: tuple[str, ...],
    into: Path | None,
    sha256: str | None,
    force: bool,
    prove: bool,
) -> Output:
    """Build the environment that an archive of `envbuild pack` holds, and verify it. Nobody is asked for anything.

    The archive is compared as a whole with its checksums and with its lock before anything is built; one that is cut
    short, altered or no such archive is refused, and leaves nothing. With --into its content is laid out in a new
    folder instead: a conda channel, wheels, and a project with the lock.

    \b
    Examples:
      envbuild unpack ml-m1.tar
      envbuild unpack ml-m1.tar -n ml-offline --no-verify
      envbuild unpack ml-m1.tar --into ml-m1-packages
    """
    from builder.cli.create import created_json, created_text
    from builder.operations.unpacking import UnpackRequest, unpack
    from builder.platforms import Subdir

    if into is not None and (env_name or prefix or platform or groups or force or not prove):
        raise UsageError("--into builds nothing; leave it out, or the options that are about an environment")
    done = unpack(
        session.workspace(),
        UnpackRequest(
            file=archive,
            into=into,
            sha256=sha256,
            name=env_name,
            prefix=prefix,
            platform=Subdir(platform) if platform else None,
            groups=groups,
            force=force,
            prove=prove,
        ),
    )
    subdirs = [subdir.value for subdir in done.platforms]
    if done.created is None:
        return Output(
            result={"name": done.name, "platforms": subdirs, "folder": str(done.folder)},
            text=f"laid out {done.name} for {', '.join(subdirs)} in {done.folder}; README.txt there says how to use it",
            told=True,
        )
    problem = done.created.problem
    return Output(
        result={"platforms": subdirs, **created_json(done.created)},
        text=created_text(done.created, quiet=session.quiet),
        told=problem is None,
        errors=(problem,) if problem else (),
    )
