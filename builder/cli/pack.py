"""`envbuild pack`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.wording import bytes_told, plural

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.platforms import Subdir


@verb("pack", left="no archive was written; what was fetched is kept, and the next run goes on from there")
@options.recipe_argument
@options.platform_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The archive to write (default: RECIPE.tar).",
)
@options.mirror_option
def command(
    session: Session, *, name: str, platforms: tuple[Subdir, ...], output: Path | None, mirrors: tuple[str, ...]
) -> Output:
    """Write a lock with its proof, its recipe and all its packages into one archive, for machines without a network.

    `envbuild unpack` builds from it and asks nobody. What is in it is an ordinary conda channel and ordinary wheels,
    which conda, mamba, pixi and uv take as well. The same lock gives the same bytes. A run that was stopped goes on
    where it was: what it has fetched is kept (`envbuild clean` deletes that).

    \b
    Examples:
      envbuild pack ml-m1
      envbuild pack ml-m1 --platform osx-arm64 -o /media/stick/ml-m1.tar
    """
    from builder.operations.packing import PackRequest, pack

    request = PackRequest(recipe=name, output=output or Path(f"{name}.tar"), platforms=platforms)
    done = pack(session.workspace(mirrors=mirrors), request)
    subdirs = [subdir.value for subdir in done.platforms]
    holds = f"{plural(done.packages, 'package')}, {bytes_told(done.size)}"
    return Output(
        result={
            "name": done.name,
            "file": str(done.file),
            "platforms": subdirs,
            "bytes": done.size,
            "sha256": done.sha256,
            "packages": done.packages,
            "fetched": done.fetched,
        },
        text=f"packed {done.name} for {', '.join(subdirs)}: {holds}\nsha256 {done.sha256}\nwrote {done.file}",
        told=True,
    )
