"""`envbuild import`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.wording import plural

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.platforms import Subdir


@verb("import")
@click.argument("source", metavar="FILE|PREFIX", shell_complete=options.complete_file)
@click.option("--name", help="The recipe's name; else that of the file, project or environment.")
@options.platform_option
@click.option("--dry-run", is_flag=True, help="Print the recipe and write nothing.")
def command(session: Session, *, source: str, name: str | None, platforms: tuple[Subdir, ...], dry_run: bool) -> Output:
    """Make a recipe of what another tool has, and say what of it no recipe can hold.

    Reads environment.yml, requirements.txt, pyproject.toml (PEP 621, groups, Poetry, PDM, uv, pixi), pixi.toml,
    conda-lock.yml, pylock.toml, conda's explicit lists, and live environments of conda and venv. Nothing is solved,
    and a recipe that is there is never overwritten.

    \b
    Examples:
      envbuild import environment.yml
      envbuild import pyproject.toml --name our-models --dry-run
      envbuild import ~/miniforge3/envs/old --platform osx-arm64
    """
    from builder.operations.importing import ImportRequest, import_recipe

    request = ImportRequest(source=source, name=name, platforms=platforms, dry_run=dry_run)
    done = import_recipe(session.workspace(), request)
    told = [f"taken for granted: {one}" for one in done.assumed]
    if done.left:
        told += ["", "not carried over:", *(f"  {one.place}: {one.what}: {one.reason}" for one in done.left)]
    if dry_run:
        # The recipe alone is the result, so that it can be sent to a file.
        for line in told:
            session.note(line)
        lines = [done.text.rstrip("\n")]
    else:
        count = plural(done.dependencies, "dependency", "dependencies")
        lines = [f"wrote {done.file} ({count})", *told, "", f"next: `envbuild lock {done.name}`"]
    return Output(
        result={
            "name": done.name,
            "file": str(done.file),
            "written": done.written,
            "text": done.text,
            "dependencies": done.dependencies,
            "assumed": list(done.assumed),
            "not_carried_over": [{"what": one.what, "reason": one.reason, "place": one.place} for one in done.left],
        },
        text="\n".join(lines),
        verbatim=dry_run,
    )
