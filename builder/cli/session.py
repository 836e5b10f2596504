"""What every verb shares: common options, and output on the right stream."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

from builder.cli.terminal import Harmless, HelpContext, harmless
from builder.errors import EnvbuildError, InterruptedByUserError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console, RenderableType

    from builder.cli.progress import SessionProgress
    from builder.workspace import Workspace

T = TypeVar("T")

JSON_FORMAT: Final = 1
#: What `TERM` says of a terminal whose cursor cannot be moved.
_DUMB: Final = ("dumb", "unknown")
#: The cells that ` [y/N]: y` takes.
_ANSWER: Final = 10
#: What `Session.leave` was given.
_LEFT: Final[list[object]] = []


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a verb gives back: the JSON `result`, what to show instead on a terminal, and the exit code.

    `text` is printed to stdout without `--json`: lines, which a terminal breaks between words, or a rich renderable.
    `verbatim` text is for another program and never broken. `told` says that `text` only tells what was done, which
    `--quiet` leaves out. `exit_code` is by default the highest of the `errors`, and 0 without any.
    """

    result: dict[str, Any]
    text: str | RenderableType | None = None
    verbatim: bool = False
    told: bool = False
    exit_code: int | None = None
    errors: tuple[EnvbuildError, ...] = ()

    @property
    def code(self) -> int:
        """The exit code."""
        if self.exit_code is not None:
            return self.exit_code
        return max((error.exit_code for error in self.errors), default=0)


@dataclass(kw_only=True)
class Session:
    """One run of a verb: the common options and the two consoles. Results go to stdout, the rest to stderr."""

    verb: str
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: bool | None = None
    """None: decided by the terminal, `NO_COLOR` and `CI`."""
    project_dir: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @cached_property
    def err(self) -> Console:
        """The console for progress and messages (stderr)."""
        return _console(stderr=True, color=self.color)

    @cached_property
    def out(self) -> Console:
        """The console for results (stdout)."""
        return _console(stderr=False, color=self.color)

    @property
    def live(self) -> bool:
        """Whether moving progress may be drawn: a terminal that can move its cursor, not quiet, not CI."""
        can = self.environ.get("TERM") not in _DUMB
        return can and sys.stderr.isatty() and not self.quiet and not self.environ.get("CI")

    def note(self, message: str) -> None:
        """A line for the user on stderr, unless `--quiet`."""
        if not self.quiet:
            self._tell(message)

    def warn(self, message: str) -> None:
        """A line on stderr that `--quiet` does not hide."""
        self._tell(message, label="warning: ")

    def detail(self, message: str) -> None:
        """A line on stderr with `--verbose` only."""
        if self.verbose:
            self._tell(message)

    def _tell(self, message: str, *, label: str = "") -> None:
        self.progress.say(lambda: _print_message(message, label=label, style="yellow", console=lambda: self.err))

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is deleted. Raises UsageError where nobody can be asked, and for a no
        InterruptedByUserError.
        """
        if yes:
            return
        self.close()
        if self.json or not sys.stdin.isatty():
            raise UsageError(f"not confirmed: {question}", hint="add --yes where nobody can be asked")
        if not click.confirm(self.fitted(question), err=True):
            raise InterruptedByUserError("not confirmed; nothing was changed")

    def fitted(self, question: str) -> str:
        """A question for click's prompts, which break no lines: with room for what click adds, and for the answer."""
        from builder.hanging import breaks

        lines = []
        for line in harmless(question).split("\n"):
            places = [0, *breaks(line, width=self.err.width - _ANSWER, rest=2), len(line)]
            lines += [("  " if begin else "") + line[begin:end].rstrip() for begin, end in pairwise(places)]
        return "\n".join(lines)

    @cached_property
    def progress(self) -> SessionProgress:
        from builder.cli.progress import SessionProgress

        return SessionProgress(self)

    def workspace(self, *, mirrors: tuple[str, ...] = ()) -> Workspace:
        """The workspace of this run; `mirrors` are `CHANNEL=URL` of the command line. Raises UsageError."""
        from builder.cli.options import OFFLINE
        from builder.workspace import Workspace

        context = click.get_current_context(silent=True)
        offline = context is not None and bool(context.meta.get(OFFLINE))
        return Workspace.here(project=self.project_dir, mirrors=mirrors, offline=offline, progress=self.progress)

    def leave(self, value: T) -> T:
        """`value`, left to the end of the process: to take a channel's metadata apart takes longer than to end."""
        _LEFT.append(value)
        return value

    def interrupted(self, left: str) -> InterruptedByUserError:
        """What Ctrl-C is answered with: what was going on, and what is `left` of it."""
        doing = None
        if "progress" in self.__dict__:
            doing = self.progress.doing
            if not self.progress.is_drawn and sys.stderr.isatty():
                echo(sys.stderr, "")  # below the ^C that the terminal has shown
        return InterruptedByUserError("interrupted" + (f' during "{doing}"' if doing else "") + f"; {left}")

    def close(self) -> None:
        """End what is being drawn on the terminal."""
        if "progress" in self.__dict__:
            self.progress.close()


class _Verb(click.Command):
    context_class = HelpContext

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        """Our options; behind the first argument of a verb whose options come first they are another program's."""
        if not ctx.allow_interspersed_args and any(
            isinstance(one, click.Argument) and ctx.params.get(one.name or "") for one in self.params
        ):
            return []
        return super().shell_complete(ctx, incomplete)


#: What an interrupted verb has left, as the end of a sentence; of its options, where they decide it.
Left = str | Callable[[Mapping[str, Any]], str]


#: What is left by verbs that write single files.
WHOLE_FILES: Final = "each file is as it was, or written whole"


def verb(
    name: str, *, options_first: bool = False, left: Left = "nothing was changed", **attributes: Any
) -> Callable[[Callable[..., Output]], click.Command]:
    """Decorator: a function `(session, **options) -> Output` becomes the click command `name`.

    With `options_first`, what comes after the first argument is no option of ours. `left` is what Ctrl-C leaves.
    The docstring is the help text; put examples after a line holding `\\b`.
    """

    def decorate(function: Callable[..., Output]) -> click.Command:
        @click.option(
            "--project", "project_dir", type=click.Path(path_type=Path), help="Folder with recipes/ and environments/."
        )
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
        @click.option("-q", "--quiet", is_flag=True, help="Say nothing but answers, warnings and errors.")
        @click.option("-v", "--verbose", is_flag=True, help="More detail, and tracebacks of defects.")
        @click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR).")
        @functools.wraps(function)
        def command(
            *, project_dir: Path | None, as_json: bool, quiet: bool, verbose: bool, no_color: bool, **options: Any
        ) -> Output:
            session = Session(
                verb=name,
                json=as_json,
                quiet=quiet,
                verbose=verbose,
                color=color_wanted(no_color=no_color),
                project_dir=project_dir,
            )
            click.get_current_context().obj = session
            try:
                output = function(session, **options)
            except (KeyboardInterrupt, click.Abort):
                raise session.interrupted(left if isinstance(left, str) else left(options)) from None
            finally:
                session.close()
            _show(session, output)
            return output

        settings = {"help_option_names": ["-h", "--help"], "allow_interspersed_args": not options_first}
        return click.command(name, cls=_Verb, context_settings=settings, **attributes)(command)

    return decorate


def color_wanted(*, no_color: bool) -> bool | None:
    """False where colours are unwanted; None leaves it to the stream."""
    return False if no_color or os.environ.get("NO_COLOR") else None


def _show(session: Session, output: Output) -> None:
    if session.json:
        echo(sys.stdout, envelope(session.verb, output.code, output.result, output.errors))
        return
    if output.text is None or (output.told and session.quiet):
        pass
    elif sys.stdout.isatty() and not output.verbatim:
        from builder.hanging import hanging

        shown = hanging(output.text.split("\n")) if isinstance(output.text, str) else output.text
        # What is wider than the terminal (a path) is left to it: it joins again what it broke, when that is copied.
        session.out.print(Harmless(shown), crop=False)
    elif isinstance(output.text, str):
        echo(sys.stdout, output.text)
    else:
        # rich fills the cells of a table up with spaces, which a pipe has no use for.
        with session.out.capture() as drawn:
            session.out.print(Harmless(output.text))
        echo(sys.stdout, "\n".join(line.rstrip() for line in drawn.get().splitlines()))
    for error in output.errors:
        print_error(error, color=session.color)


def envelope(verb_name: str, exit_code: int, result: dict[str, Any], errors: Sequence[EnvbuildError]) -> str:
    return json.dumps(
        {
            "envbuild": JSON_FORMAT,
            "command": verb_name,
            "status": {0: "ok", 1: "failed"}.get(exit_code, "error"),
            "result": result,
            "errors": [{"code": error.code, "message": error.message, "hint": error.hint} for error in errors],
        },
        indent=1,
    )


def _console(*, stderr: bool, color: bool | None) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr,
        color_system=None if color is False else "auto",
        highlight=False,
        width=_width(stream),
        height=25 if os.environ.get("TERM") in _DUMB else None,  # else rich does not take the width
        emoji=False,
        # Texts come from recipes, locks and reports as well: what looks like markup in them is none.
        markup=False,
    )


def _width(stream: IO[str]) -> int | None:
    """How wide to draw; None leaves it to rich, which takes every dumb terminal to have 80 columns.

    Off a terminal nothing is wrapped: a pipe has no width, and `grep` wants whole lines.
    """
    if not stream.isatty():
        return 10_000
    with contextlib.suppress(OSError, ValueError):
        if os.environ.get("TERM") in _DUMB:
            return os.get_terminal_size(stream.fileno()).columns or None
    return None


def echo(stream: IO[str], text: str) -> None:
    # click would write UTF-8 to a stream that says it takes ASCII only.
    click.echo(harmless(text), file=stream)


def print_error(error: EnvbuildError, *, color: bool | None, details: bool = False) -> None:
    """An error on stderr, and what to do; with `details` the whole account of another program before it."""

    def console() -> Console:
        return _console(stderr=True, color=color)

    if details and error.details:
        _print_message(error.details, label="", style="", console=console)
    _print_message(error.message, label="error: ", style="bold red", console=console)
    if error.hint:
        _print_message(error.hint, label="  fix: ", style="green", console=console)


def _print_message(message: str, *, label: str, style: str, console: Callable[[], Console]) -> None:
    """A message on stderr; a terminal breaks it between words."""
    if not sys.stderr.isatty():
        echo(sys.stderr, label + message)
        return
    from rich.text import Text

    from builder.hanging import Hanging

    text = Text.assemble((label, style), message)
    console().print(Harmless(Hanging(text)), crop=False)


def _interrupt(_signal: int, _frame: object) -> None:
    # SIGTERM and SIGHUP end like Ctrl-C: through the same rollback. What is drawn says so before that has an end.
    context = click.get_current_context(silent=True)
    if context is not None and isinstance(context.obj, Session):
        context.obj.progress.interrupt()
    raise KeyboardInterrupt


def answer_signals() -> None:
    """Have SIGINT, SIGTERM and SIGHUP interrupt what is running, unless whoever started us ignores them (`nohup`)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)


def run(command: click.Command, arguments: Sequence[str]) -> int:
    """Run the command line; every way it can end is turned into output and an exit code here."""
    try:
        output = command.main(list(arguments), prog_name="envbuild", standalone_mode=False)
        return output.code if isinstance(output, Output) else int(output or 0)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a traceback is a bug, so the last resort says so
        from builder.cli.ending import ended

        return ended(error, arguments)
