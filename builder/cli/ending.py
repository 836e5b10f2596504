"""How a run ends that did not end well: every exception as a message, or as JSON, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING, Final

import click

from builder.cli.session import color_wanted, echo, envelope, print_error
from builder.errors import BuildError, EnvbuildError, InterruptedByUserError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A defect of envbuild itself (EX_SOFTWARE of sysexits.h); none of the documented endings.
EXIT_INTERNAL: Final = 70
#: What the operating system says of a disk or a folder, and not of a mistake in here.
_REFUSALS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})


def ended(error: BaseException, arguments: Sequence[str]) -> int:
    """Tell the user of what ended the run of these arguments; gives the exit code."""
    match error:
        case EnvbuildError():
            return _fail(arguments, error)
        case click.exceptions.NoArgsIsHelpError():
            echo(sys.stdout, error.format_message())
            return 2
        case click.ClickException():
            context = getattr(error, "ctx", None)
            hint = f"see `{context.command_path} --help`" if context else None
            return _fail(arguments, UsageError(error.format_message(), hint=hint))
        case KeyboardInterrupt() | click.Abort():
            return _fail(arguments, InterruptedByUserError("interrupted"))
        case BrokenPipeError():
            # The reader of a pipe has gone (`| head`); nobody is left to tell. Keep the exit from raising again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        case OSError(errno=number) if number in _REFUSALS:
            # The system's refusal, wherever it was met: stdout on a full disk, a folder that is not ours.
            about = f"{error.filename}: " if error.filename else ""
            return _fail(
                arguments, BuildError(f"{about}{error.strerror}", hint="free space there, or make it writable")
            )
    return _defect(arguments, error)


def _is_verbose(arguments: Sequence[str]) -> bool:
    return "-v" in arguments or "--verbose" in arguments


def _defect(arguments: Sequence[str], error: BaseException) -> int:
    if _is_verbose(arguments):
        import traceback

        traceback.print_exception(error)
    problem = EnvbuildError(
        f"{type(error).__name__}: {error}",
        hint="this is a defect of envbuild: run again with -v and report the traceback",
    )
    _fail(arguments, problem)
    return EXIT_INTERNAL


def _fail(arguments: Sequence[str], error: EnvbuildError) -> int:
    # Where even that cannot be written, the exit code is all there is to say it with.
    with contextlib.suppress(OSError):
        if "--json" in arguments:
            verb = next((argument for argument in arguments if not argument.startswith("-")), "")
            echo(sys.stdout, envelope(verb, error.exit_code, {}, [error]))
        else:
            color = color_wanted(no_color="--no-color" in arguments)
            print_error(error, color=color, details=_is_verbose(arguments))
    return error.exit_code
