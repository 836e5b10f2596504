"""What the verbs about environments share: the argument that names one, and how its drift is told."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from builder.install.drift import Difference, Drift

F = TypeVar("F", bound="Callable[..., Any]")

_MOST_FILES: Final = 4


def complete_environment(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """The names of all environments that begin so; where it looks like a path, the shell's own folders."""
    from click.shell_completion import CompletionItem

    if "/" in incomplete or incomplete.startswith((".", "~")):
        return [CompletionItem(incomplete, type="dir")]
    from builder.cli.session import Session

    names = {known.name for known in Session(verb="completion").workspace().store.list()}
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def complete_program(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[click.shell_completion.CompletionItem]:
    """The programs of the environment that was typed before; for what follows one, the shell's own files."""
    from click.shell_completion import CompletionItem

    from builder.cli.session import Session
    from builder.errors import EnvbuildError

    programs: list[str] = []
    # Of the words that were typed, `--` is none: it may stand before the program.
    if not [word for word in context.params.get("command_line") or () if word != "--"] and "/" not in incomplete:
        with contextlib.suppress(EnvbuildError, OSError):
            prefix = Session(verb="completion").workspace().store.find(context.params.get("environment") or "")
            programs = sorted(
                path.name
                for path in (prefix / "bin").iterdir()
                if path.name.startswith(incomplete) and path.is_file() and os.access(path, os.X_OK)
            )
    return [CompletionItem(name) for name in programs] or [CompletionItem(incomplete, type="file")]


def environment_argument(*, required: bool = True, metavar: str = "NAME|PREFIX") -> Callable[[F], F]:
    """The name of an environment, or the path of its prefix, as the first argument."""
    return click.argument("environment", metavar=metavar, required=required, shell_complete=complete_environment)


def drift_json(drift: Drift) -> dict[str, Any]:
    """A drift as the `result` of a verb has it."""
    return {
        "packages": drift.packages,
        "files": drift.files,
        "differences": [
            {
                "name": one.name,
                "manager": one.manager,
                "problem": one.problem.value,
                "locked": one.locked,
                "installed": one.installed,
                "missing": list(one.missing),
                "changed": list(one.changed),
            }
            for one in drift.differences
        ],
        "unknown": [{"name": one.name, "version": one.version, "manager": one.manager} for one in drift.unknown],
        "strays": list(drift.strays),
        "damaged_records": [path.name for path in drift.damaged_records],
        "unreadable": [str(item) for item in drift.unreadable],
    }


def drift_lines(drift: Drift, *, details: bool = False) -> Iterator[str]:
    """What differs, a line each; nothing where nothing does. With `details` every file is named."""
    for one in drift.differences:
        yield f"{one.name} {one.locked}: {_problem(one, details=details)}"
    for path in drift.damaged_records:
        yield f"conda-meta/{path.name}: not a package record any more"
    unknown = [f"{one.name} {one.version} ({one.manager})" for one in drift.unknown]
    if unknown:
        yield f"not in the lock: {listing(unknown, most=len(unknown) if details else 6)}"
    if drift.strays:
        most = len(drift.strays) if details else _MOST_FILES
        yield f"{plural(len(drift.strays), 'file')} of no package: {listing(drift.strays, most=most)}"


def _problem(one: Difference, *, details: bool) -> str:
    from builder.install.drift import Problem

    most = len(one.files) if details else _MOST_FILES
    match one.problem:
        case Problem.MISSING:
            return "missing"
        case Problem.DAMAGED:
            return "its record is damaged"
        case Problem.OTHER:
            return f"{one.installed} is installed" if one.installed != one.locked else "another archive is installed"
        case Problem.FILES:
            parts = [
                f"{plural(len(files), 'file')} {what}: {', '.join(listed(files, most=most))}"
                for what, files in (("missing", one.missing), ("changed", one.changed))
                if files
            ]
            return "; ".join(parts)
