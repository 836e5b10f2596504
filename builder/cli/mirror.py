"""`envbuild mirror`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.wording import plural

if TYPE_CHECKING:
    from builder.cli.session import Session


@verb("mirror", left="what was fetched is kept, and the next run goes on from there")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("recipes", metavar="[RECIPE]...", nargs=-1, shell_complete=options.complete_recipe)
@click.option("--prune", is_flag=True, help="Delete packages that none of these locks names any more.")
@options.mirror_option
def command(
    session: Session, *, folder: Path, recipes: tuple[str, ...], prune: bool, mirrors: tuple[str, ...]
) -> Output:
    """Keep a folder with all packages that the project's locks name: conda channels, and an index of wheels.

    Only what is missing is fetched, and every file is compared with its hash. The folder can be shared or served;
    `--mirror CHANNEL=DIR/CHANNEL` (of every other verb, or `mirrors:` in config.yaml) then builds and locks from it,
    and conda, mamba, pixi and uv take it as it is.

    \b
    Examples:
      envbuild mirror /srv/packages
      envbuild mirror /srv/packages ml-m1 --prune
      envbuild create ml-m1 --mirror conda-forge=/srv/packages/conda-forge
    """
    from builder.operations.mirroring import MirrorRequest, mirror

    done = mirror(session.workspace(mirrors=mirrors), MirrorRequest(folder=folder, recipes=recipes, prune=prune))
    lines = [f"{done.folder} holds {plural(done.packages, 'package')}, {done.fetched} of them fetched now"]
    lines += [f"deleted {path}" for path in done.pruned]
    lines += [f"use it with --mirror {channel}={place}" for channel, place in done.channels.items()]
    if done.wheels is not None:
        lines.append(f"and for uv with UV_DEFAULT_INDEX={(done.folder / 'simple').as_uri()}")
    return Output(
        result={
            "folder": str(done.folder),
            "channels": {channel: str(place) for channel, place in done.channels.items()},
            "wheels": str(done.wheels) if done.wheels else None,
            "packages": done.packages,
            "fetched": done.fetched,
            "pruned": list(done.pruned),
        },
        text="\n".join(lines),
        told=True,
    )
