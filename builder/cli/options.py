"""Options that several verbs share, and what they mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder.plan.terms import Source
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.operations.preparing import PackageOptions

F = TypeVar("F", bound="Callable[..., Any]")


def complete_recipe(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The recipes of the project and those that come with envbuild."""
    from builder.cli.session import Session

    files = Session(verb="completion").workspace().project.recipe_files()
    return [name for name in files if name.startswith(incomplete)]


def complete_locked_package(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The packages in the lock of the recipe that was typed before."""
    from builder.cli.session import Session
    from builder.errors import EnvbuildError
    from builder.lock.read import read_lock

    try:
        file = Session(verb="completion").workspace().project.committed_lock(context.params.get("name") or "")
        names = {package.name for package in read_lock(file).packages} if file is not None else set()
    except EnvbuildError:
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def complete_fact(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The packages that facts are about."""
    from builder.compat.load import load_facts

    return sorted(name for name in load_facts().packages if name.startswith(incomplete))


def complete_diff(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """The recipes, and the shell's own files."""
    from click.shell_completion import CompletionItem

    names = [] if context.params.get("operands") else complete_recipe(context, parameter, incomplete)
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


def complete_file(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """The shell's own files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


#: The recipe's name as the first argument.
recipe_argument = click.argument("name", metavar="RECIPE", shell_complete=complete_recipe)

SUBDIR = click.Choice([subdir.value for subdir in TARGETS])


def _subdirs(_context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]) -> tuple[Subdir, ...]:
    return tuple(map(Subdir, dict.fromkeys(given)))


platform_option = click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=SUBDIR,
    callback=_subdirs,
    help="Only this platform (repeatable).",
)

solver_option = click.option(
    "--solver",
    default="rattler",
    show_default=True,
    metavar="NAME",
    help="rattler (built in), or your own conda, mamba or micromamba (a name or a path).",
)


#: Key of the running command's context: whether it may ask nobody.
OFFLINE = "envbuild.offline"


def _remember_offline(context: click.Context, _parameter: click.Parameter, offline: bool) -> None:
    context.meta[OFFLINE] = offline


mirror_option = click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="CHANNEL=URL",
    help="Fetch a channel from elsewhere; names and URLs stay.",
)


class _Moment(click.ParamType[Any]):
    """A day, which counts to its end (UTC), or a moment with its time zone."""

    name = "date"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
                return datetime.fromisoformat(value).replace(tzinfo=UTC) + timedelta(days=1)
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a date; write 2026-01-31 or 2026-01-31T12:00:00Z", parameter, context)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone; add Z for UTC", parameter, context)
        return moment


output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write this file instead of printing."
)

exclude_newer_option = click.option(
    "--exclude-newer",
    type=_Moment(),
    metavar="DATE",
    help="Leave out packages published after this day (2026-01-31, to its end in UTC) or moment.",
)

offline_option = click.option(
    "--offline",
    is_flag=True,
    expose_value=False,
    callback=_remember_offline,
    help="Ask nobody: metadata comes from the cache.",
)


def package_options(function: F) -> F:
    """`--source`, `--channel`, `--mirror`, `--offline`, `--python`: where packages come from."""
    for option in (
        offline_option,
        click.option("--python", type=click.Path(path_type=Path), help="With --source pypi: package this interpreter."),
        mirror_option,
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


def packages(*, source: str, channels: tuple[str, ...], python: Path | None) -> PackageOptions:
    """The values of `package_options` as operations take them; mirrors belong to the workspace."""
    from builder.operations.preparing import PackageOptions

    return PackageOptions(source=Source(source), channels=channels, python=python)
