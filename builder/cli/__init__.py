"""The command line. Verbs are imported only when they run, so that `envbuild --help` answers at once."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from builder.cli.terminal import HelpContext

#: verb → (module, what it does, in one line for the overview).
VERBS: Final[dict[str, tuple[str, str]]] = {
    "list": ("builder.cli.list", "Show the recipes and which environments exist."),
    "init": ("builder.cli.init", "Begin a recipe of your own."),
    "import": ("builder.cli.import_", "Make a recipe of another tool's file, or of a live environment."),
    "show": ("builder.cli.show", "Explain every version a recipe leads to, with the facts behind it."),
    "render": ("builder.cli.render", "Write environment.yml for all platforms of a recipe."),
    "lock": ("builder.cli.lock", "Solve all platforms and write conda-lock.yml."),
    "update": ("builder.cli.update", "Take newer versions of what you name into a lock, and of nothing else."),
    "merge-lock": ("builder.cli.merge_lock", "Merge locks by solving again: git's merge driver for them."),
    "diff": ("builder.cli.diff", "Show what differs between two states of a lock, or a lock and an environment."),
    "check": ("builder.cli.check", "Say whether a lock is sound and still matches its recipe (no solving)."),
    "prove": ("builder.cli.prove", "Prove that what a lock holds will load, before anyone installs it."),
    "create": ("builder.cli.create", "Build an environment from its lock, and verify it."),
    "status": ("builder.cli.status", "Say whether environments still match their locks."),
    "sync": ("builder.cli.sync", "Bring an environment to its lock: repair exactly what differs."),
    "matrix": (
        "builder.cli.matrix",
        "Print what continuous integration has to build, or what changed since a revision.",
    ),
    "pack": ("builder.cli.pack", "Write a lock with all its packages into one archive, for where there is no network."),
    "unpack": ("builder.cli.unpack", "Build an environment from such an archive, and verify it."),
    "mirror": ("builder.cli.mirror", "Keep a folder with all packages of the project's locks: a channel, and wheels."),
    "run": ("builder.cli.run", "Run a command in an environment."),
    "activate": ("builder.cli.activate", "Print the code that activates an environment in a shell."),
    "verify": ("builder.cli.verify", "Prove that an environment works."),
    "doctor": ("builder.cli.doctor", "Say why Keras does not import in the IDE: who runs which Python."),
    "register": ("builder.cli.register", "Make an environment known to Jupyter, VS Code or a JetBrains IDE."),
    "unregister": ("builder.cli.unregister", "Take back what register wrote."),
    "remove": ("builder.cli.remove", "Delete an environment."),
    "clean": ("builder.cli.clean", "Delete caches and what killed runs have left."),
    "export": ("builder.cli.export", "Print a lock in the format of another tool: conda, pixi, uv, Docker, SBOMs."),
    "compat": ("builder.cli.compat", "What fits what on Apple silicon, and why."),
    "config": ("builder.cli.config", "Show every setting that counts, and where it is from."),
    "completion": ("builder.cli.completion", "Print the completion script of a shell."),
}


class _Group(click.Group):
    """A group whose commands live in modules that are imported on demand."""

    context_class = HelpContext

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        from importlib import import_module

        command = import_module(VERBS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], VERBS, n=1)
            ctx.fail(f"no verb {args[0]!r}." + (f" Did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, help_text) for verb, (_, help_text) in VERBS.items()])


@click.command(
    cls=_Group,
    epilog="Begin with `envbuild create ml-m1`. `envbuild VERB --help` explains a verb with examples.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="envbuild", prog_name="envbuild")
def cli() -> None:
    """Machine-learning conda environments that are right for Apple silicon, locked and proven.

    \b
    recipe -> conda-lock.yml -> environment -> verified
    """


def main() -> NoReturn:
    """Console entry point: the only place that catches errors, prints them and exits."""
    # conda-lock's models are pydantic's; to look for plug-ins to it opens the metadata of all that is installed.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # A run makes many objects and few cycles: looking for these at every 700 new ones costs a tenth of all time.
    gc.set_threshold(200_000)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by whoever started us (`>&-`): what would be said goes nowhere.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open until the end
    from builder.cli.session import answer_signals, run
    from builder.cli.terminal import fit_streams

    answer_signals()
    fit_streams(asked=os.environ.get("PYTHONIOENCODING", ""))
    code = run(cli, sys.argv[1:])
    # All is written and closed by now; taking half a million repodata records apart only takes time.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
