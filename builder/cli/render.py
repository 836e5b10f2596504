"""`envbuild render`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import WHOLE_FILES, Output, verb
from builder.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session


@verb("render", left=WHOLE_FILES)
@click.argument("names", metavar="RECIPE...", nargs=-1, required=True, shell_complete=options.complete_recipe)
@click.option("--platform", type=options.SUBDIR, help="Print a plain file for one platform.")
@click.option("--group", "groups", multiple=True, help="With --platform: also this group (repeatable).")
@options.package_options
def command(
    session: Session,
    *,
    names: tuple[str, ...],
    platform: str | None,
    groups: tuple[str, ...],
    source: str,
    channels: tuple[str, ...],
    mirrors: tuple[str, ...],
    python: Path | None,
) -> Output:
    """Write environments/RECIPE/environment.yml for all platforms of each recipe, given by name or by file.

    With --platform, print one plain environment.yml that `conda env create -f` takes, and write nothing.

    \b
    Examples:
      envbuild render ml-m1
      envbuild render recipes/*.yaml
      envbuild render ml-m1 --platform osx-arm64 > environment.yml
    """
    from builder.operations.rendering import RenderPlainRequest, RenderRequest, render, render_plain
    from builder.platforms import Subdir

    workspace = session.workspace(mirrors=mirrors)
    packages = options.packages(source=source, channels=channels, python=python)
    names = tuple(dict.fromkeys(workspace.project.named(name) for name in names))
    if platform is not None:
        if len(names) > 1:
            raise UsageError("--platform prints the file of one recipe", hint="name one")
        (name,) = names
        request = RenderPlainRequest(recipe=name, platform=Subdir(platform), groups=groups, options=packages)
        (text,) = render_plain(workspace, request).texts.values()
        return Output(result={"name": name, "platform": platform, "text": text}, text=text.rstrip("\n"), verbatim=True)
    if groups:
        raise UsageError(
            "--group goes with --platform; without it the files of all groups are written", hint="leave --group out"
        )
    written = [
        str(file) for name in names for file in render(workspace, RenderRequest(recipe=name, options=packages)).written
    ]
    return Output(
        result={"name": names[0] if len(names) == 1 else None, "names": list(names), "files": written},
        text="\n".join(f"wrote {file}" for file in written),
        told=True,
    )
