"""`envbuild render`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Outcome, verb
from builder.errors import UsageError
from builder.platforms import TARGETS

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session


@verb("render")
@options.recipe_argument
@click.option(
    "--platform",
    type=click.Choice([subdir.value for subdir in TARGETS]),
    help="Print a plain file for one platform.",
)
@click.option("--group", "groups", multiple=True, help="With --platform: also this group (repeatable).")
@options.source_options
def command(
    session: Session,
    name: str,
    platform: str | None,
    groups: tuple[str, ...],
    source: str,
    channels: tuple[str, ...],
    mirror_pairs: tuple[str, ...],  # noqa: ARG001 - accepted everywhere, needed where something is fetched
    python: Path | None,
) -> Outcome:
    """Write environments/RECIPE/environment.yml for all platforms of a recipe.

    With --platform, print one plain environment.yml that `conda env create -f` takes, and write nothing.

    \b
    Examples:
      envbuild render ml-m1
      envbuild render ml-m1 --platform osx-arm64 > environment.yml
    """
    from builder.files import write_atomically
    from builder.plan.model import MAIN_GROUP
    from builder.platforms import Subdir
    from builder.render.environment import render_plain

    if groups and platform is None:
        raise UsageError(
            "--group goes with --platform; without it the files of all groups are written", hint="leave --group out"
        )
    chosen = (platform,) if platform else ()
    ready = options.prepared(
        session, name, options.pipeline_options(source=source, channels=channels, platforms=chosen, python=python)
    )
    if platform is not None:
        if unknown := sorted(set(groups) - set(ready.recipe.groups)):
            known = ", ".join(sorted(ready.recipe.groups)) or "none"
            raise UsageError(f"{name} has no group {', '.join(unknown)}", hint=f"its groups are: {known}")
        text = render_plain(ready.plans[Subdir(platform)], groups=(MAIN_GROUP, *groups))
        return Outcome(result={"name": name, "platform": platform, "text": text}, text=text.rstrip("\n"))
    for file, text in ready.rendered.files.items():
        write_atomically(ready.folder / file, text)
    written = [str(ready.folder / file) for file in ready.rendered.files]
    return Outcome(result={"name": name, "files": written}, text="\n".join(f"wrote {file}" for file in written))
