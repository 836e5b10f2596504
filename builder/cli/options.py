"""Options that several verbs share, and what they mean."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder.plan.model import Source
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.cli.session import Session
    from builder.lock.channels import Mirrors
    from builder.operations.prepare import Options, Prepared

F = TypeVar("F", bound="Callable[..., Any]")


def _complete_recipe(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from builder.cli.session import Session

    return [name for name in Session(verb="completion").project.recipe_files() if name.startswith(incomplete)]


#: The recipe's name as the first argument.
recipe_argument = click.argument("name", metavar="RECIPE", shell_complete=_complete_recipe)

platform_option = click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Choice([subdir.value for subdir in TARGETS]),
    help="Only this platform (repeatable).",
)


def source_options(function: F) -> F:
    """`--source`, `--channel`, `--mirror`, `--python`: where packages come from."""
    for option in (
        click.option("--python", type=click.Path(path_type=Path), help="With --source pypi: package this interpreter."),
        click.option(
            "--mirror",
            "mirror_pairs",
            multiple=True,
            metavar="CHANNEL=URL",
            help="Fetch a channel from elsewhere; names and URLs stay.",
        ),
        click.option(
            "--channel", "channels", multiple=True, metavar="URL", help="Instead of the recipe's channels (repeatable)."
        ),
        click.option(
            "--source",
            type=click.Choice([source.value for source in Source]),
            default=Source.CONDA_FORGE.value,
            show_default=True,
            help="pypi: this machine's Python as a conda package, all else from PyPI.",
        ),
    ):
        function = option(function)
    return function


solver_option = click.option(
    "--solver",
    default="rattler",
    show_default=True,
    metavar="NAME",
    help="rattler (built in), or your own conda, mamba or micromamba (a name or a path).",
)


def pipeline_options(
    *, source: str, channels: tuple[str, ...], platforms: tuple[str, ...], python: Path | None
) -> Options:
    from builder.operations.prepare import Options

    return Options(
        source=Source(source),
        channels=channels,
        platforms=tuple(Subdir(platform) for platform in platforms),
        python=python,
    )


def prepared(session: Session, name: str, options: Options) -> Prepared:
    """The recipe up to its rendered files; warnings of the choice go to stderr."""
    from builder.operations.prepare import prepare

    result = prepare(session.project, name, options, environ=os.environ, home=Path.home())
    for warning in result.warnings:
        session.warn(warning)
    return result


def mirrors(session: Session, pairs: tuple[str, ...]) -> Mirrors:
    from builder.config import load_config
    from builder.operations.prepare import mirrors as from_pairs

    configured = load_config(session.environ).mirrors
    return from_pairs(pairs, configured, unpack_dir=session.project.state / "mirrors")
