"""The same texts on every terminal: narrow, dumb, without colours, without `✓` in its encoding; and progress on it."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from builder.cli import VERBS, cli
from builder.cli.environments import complete_environment
from builder.cli.session import Output, Session, run, verb
from builder.cli.terminal import HelpContext
from builder.errors import UsageError

ROOT = Path(__file__).parents[3]


def _environ(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "TERM": "xterm"} | more


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_every_encoding_is_written(encoding: str) -> None:
    """`✓` has been a traceback on Windows-1252, and mojibake where only ASCII was asked for."""
    shown = subprocess.run(
        [sys.executable, "-E", "-c", "from builder.cli import main; main()", "compat", "metal"],  # as the launcher does
        capture_output=True,
        check=False,
        env=_environ(PYTHONIOENCODING=encoding),
        cwd=ROOT,
    )
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout.decode(encoding)
    assert ("✓" in text) is (encoding == "utf-8")
    assert "works" in text
    assert "\\u" not in text


@pytest.mark.parametrize(
    ("text", "written"),
    [("日本 ✓ → é", b"\\u65e5\\u672c + -> \\xe9"), ("\udcff", b"\\udcff"), ("~\N{NO-BREAK SPACE}2.18", b"~ 2.18")],
)
def test_what_an_encoding_lacks_is_told_otherwise(monkeypatch: pytest.MonkeyPatch, text: str, written: bytes) -> None:
    from builder.cli.terminal import fit_streams

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    fit_streams()
    sys.stdout.write(text)
    sys.stdout.flush()
    assert raw.getvalue() == written


@pytest.mark.parametrize("arguments", [[], *([name] for name in VERBS)])
def test_help_is_ascii(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """click writes help by itself, in UTF-8 to a terminal that takes ASCII."""
    assert run(cli, [*arguments, "--help"]) == 0
    assert capsys.readouterr().out.isascii()


def on_terminal(code: str, *, columns: int = 60, **environ: str) -> str:
    """What a terminal of that width is sent by `code`, which has a `session`."""
    import pty
    import struct
    import termios
    from fcntl import ioctl

    mine, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    head = "import sys, time\nfrom builder.cli.session import Session\nsession = Session(verb='try')\n"
    child = subprocess.Popen(
        [sys.executable, "-c", head + code], stdin=theirs, stdout=theirs, stderr=theirs, env=_environ(**environ)
    )
    os.close(theirs)
    sent = b""
    ends = time.monotonic() + 60
    while time.monotonic() < ends and select.select([mine], [], [], 60)[0]:
        try:
            part = os.read(mine, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not part:
            break
        sent += part
    child.wait()
    os.close(mine)
    return sent.decode()


_STEPS = """
progress = session.progress
progress.update("link", "linking 3 packages", completed=1, total=3)
time.sleep(0.3)
progress.done("link", "linked 3 packages")
progress.update("uv", "installing 127 packages with uv")
time.sleep(0.3)
with progress.handed_over() as draws:
    sys.stderr.write(f"<uv {draws}>"); sys.stderr.flush()
    progress.warn("said meanwhile")
    time.sleep(0.3)
    sys.stderr.write("</uv>"); sys.stderr.flush()
progress.done("uv", "installed 127 packages")
session.close()
"""


def test_another_program_draws_undisturbed_and_each_step_is_said_once() -> None:
    sent = on_terminal(_STEPS)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sent)
    assert "<uv True></uv>" in plain  # nothing in between
    assert plain.index("</uv>") < plain.index("warning: said meanwhile")
    for once in ("✓ linked 3 packages", "✓ installed 127 packages"):
        assert plain.count(once) == 1
    assert "linking 3 packages ━" in plain
    # What went on when uv began was taken away, so that no spinner stays behind.
    assert re.search(r"installing 127 packages with uv[^\n]*\r\x1b\[2K", sent.split("<uv")[0])


def test_a_dumb_terminal_gets_lines_and_nothing_else() -> None:
    """Screen readers and editors' shells say TERM=dumb: no cursor that moves, no boxes."""
    sent = on_terminal(_STEPS, TERM="dumb")
    assert sent.replace("\r\n", "\n") == (
        "linked 3 packages\n<uv False></uv>warning: said meanwhile\ninstalled 127 packages\n"
    ).replace("<uv False></uv>warning: said meanwhile\n", "<uv False>warning: said meanwhile\n</uv>")


def test_a_dumb_terminal_has_its_own_width() -> None:
    sent = on_terminal("session.note('word ' * 30)", columns=40, TERM="dumb")
    assert max(map(len, sent.split("\r\n"))) <= 40


def test_what_goes_on_is_one_line_however_narrow() -> None:
    long = "reading " + "a-very-long-name-" * 10
    sent = on_terminal(
        f"session.progress.update('t', {long!r}, completed=1, total=2)\ntime.sleep(0.3)\nsession.close()"
    )
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", sent)
    lines = [line.strip("\r\n") for line in drawn.split("\n") if "reading" in line]
    assert lines
    assert all(len("⠋ ") + len(line) <= 60 for line in lines)
    assert all(long[:40] in line for line in lines), "a bar took the room of what is done"


def test_json_has_progress_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    @verb("try")
    def command(session: Session) -> Output:
        """A verb."""
        session.progress.update("a", "doing")
        session.progress.done("a", "did")
        return Output(result={}, text="text")

    assert run(command, ["--json"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("{")
    assert shown.err == "did\n"


def test_what_takes_long_is_said_again(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from builder.cli import progress

    monkeypatch.setattr(progress, "_HEARTBEAT", 0.05)
    session = Session(verb="try")
    session.progress.update("a", "solving")
    ends = time.monotonic() + 5
    told = ""
    while "solving" not in told and time.monotonic() < ends:
        time.sleep(0.05)
        told += capsys.readouterr().err
    session.close()
    assert "… solving (0 s)\n" in told


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but answers, warnings and errors."""

    def command(output: Output) -> None:
        @verb("try")
        def tried(session: Session) -> Output:
            """A verb."""
            session.note("a note")
            session.progress.update("a", "doing")
            session.progress.done("a", "did")
            session.warn("careful")
            return output

        run(tried, ["--quiet"])

    command(Output(result={}, text="told", told=True))
    assert tuple(capsys.readouterr()) == ("", "warning: careful\n")
    command(Output(result={}, text="answer", exit_code=1, errors=(UsageError("wrong"),)))
    assert tuple(capsys.readouterr()) == ("answer\n", "warning: careful\nerror: wrong\n")


@pytest.mark.parametrize("name", VERBS)
def test_completion_offers_environments_where_environments_are_meant(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for parameter in command.params:
        if parameter.name == "environment":
            assert parameter._custom_shell_complete is complete_environment, parameter


@pytest.mark.parametrize("width", [78, 58])
@pytest.mark.parametrize("name", [None, *VERBS])
def test_help_fits(name: str | None, width: int) -> None:
    """Examples go on after a backslash, and no line ends in the middle of a command or a name."""
    command = cli if name is None else cli.get_command(click.Context(cli), name)
    assert command is not None
    shown = command.get_help(HelpContext(command, info_name=name, terminal_width=width)).splitlines()
    # An option stays with its value, as wide as they are.
    assert [line for line in shown if len(line) > width and not line.strip().startswith("--mirror ")] == []
    # An odd number of backticks in a line is a command that was broken; at the end it continues one, for PowerShell.
    assert [line for line in shown if line.removesuffix(" `").count("`") % 2] == []
    assert not any(line.endswith("conda-") for line in shown)


def test_examples_that_are_too_long() -> None:
    @click.command(cls=click.Command)
    def command() -> None:
        """Try.

        \b
        Examples:
          envbuild lock ml-m1
          envbuild matrix --format gitlab --setup "pip install ." > child-pipeline.yml
          envbuild activate a-rather-long-name --shell powershell | Out-String | iex
        """

    shown = command.get_help(HelpContext(command, info_name="try", terminal_width=58))
    assert (
        """
  Examples:
    envbuild lock ml-m1
    envbuild matrix --format gitlab \\
        --setup "pip install ." > child-pipeline.yml
    envbuild activate a-rather-long-name \\
        --shell powershell | Out-String | iex
""".replace("long-name \\", "long-name `")
        in shown
    )
