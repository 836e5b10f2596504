"""`envbuild export`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from builder.cli import options
from builder.cli.session import Output, verb
from builder.exports.model import Format

if TYPE_CHECKING:
    from pathlib import Path

    from builder.cli.session import Session
    from builder.platforms import Subdir


@verb("export")
@options.recipe_argument
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Format]),
    metavar="FORMAT",
    required=True,
    help="Whose format; see above.",
)
@options.platform_option
@click.option("--group", "groups", multiple=True, help="Also this group (repeatable).")
@options.output_option
def command(
    session: Session,
    *,
    name: str,
    form: str,
    platforms: tuple[Subdir, ...],
    groups: tuple[str, ...],
    output: Path | None,
) -> Output:
    """Print the lock of a recipe in the format of another tool, or write it with -o.

    \b
    explicit *        URLs with hashes: conda, micromamba
    environment *     environment.yml, all of it pinned
    pixi              pixi.toml: what was asked for
    pixi-lock         pixi.lock (version 6)
    pylock            pylock.toml (PEP 751): the PyPI part
    requirements      the PyPI part, with hashes
    dockerfile *      a Dockerfile that needs no other file
    sbom-cyclonedx *  CycloneDX 1.6
    sbom-spdx *       SPDX 2.3

    Those with a star hold one platform: this machine's unless --platform says otherwise. What a format cannot hold
    is named. The same lock gives the same bytes, and credentials never get out.

    \b
    Examples:
      envbuild export ml-m1 --format explicit --platform osx-arm64 -o ml-m1-osx-arm64.txt
      envbuild export ml-m1 --format pixi-lock -o pixi.lock
      envbuild export ml-m1 --format sbom-cyclonedx > bom.json
    """
    from builder.operations.exporting import ExportRequest, export_lock

    exported = export_lock(
        session.workspace(),
        ExportRequest(
            name=name,
            form=Format(form),
            platforms=platforms,
            groups=groups,
            output=output,
        ),
    )
    return Output(
        result={
            "name": name,
            "format": form,
            "platforms": list(exported.platforms),
            "file": str(exported.file) if exported.file is not None else None,
            "text": exported.text if exported.file is None else None,
            "left_out": list(exported.left_out),
        },
        text=exported.text.removesuffix("\n") if exported.file is None else f"wrote {exported.file}",
        verbatim=exported.file is None,
        told=exported.file is not None,
    )
