"""Ctrl-C is answered at once, with what was going on and what is left of it."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import click
import pytest

from builder.cli.session import Left, Output, Session, run, verb

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.progress import Progress

#: A verb that is slow to end: it is heard of only when what it waits for has ended.
_SLOW = """
import time
from builder.cli.session import Output, answer_signals, run, verb

@verb("try", left="nothing was written")
def command(session):
    session.progress.update("try", "linking (3/7)")
    print("begun", flush=True)
    try:
        time.sleep(30)
    finally:
        time.sleep(0.3)

answer_signals()
raise SystemExit(run(command, []))
"""


def _verb(do: Callable[[Progress], Any], left: Left) -> click.Command:
    @verb("try", left=left)
    @click.option("--fix", is_flag=True)
    def command(session: Session, *, fix: bool) -> Output:
        """A verb."""
        do(session.progress)
        return Output(result={"fix": fix})

    return command


def _is_working(progress: Progress) -> None:
    progress.update("one", "solving osx-arm64")
    progress.update("two", "solving linux-64")
    progress.update("one", "linking osx-arm64")
    progress.done("two", "solved linux-64")
    raise KeyboardInterrupt


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--json"]], ids=str)
def test_what_was_going_on_and_what_is_left(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert run(_verb(_is_working, "nothing was written"), options) == 130
    shown = capsys.readouterr()
    said = json.loads(shown.out)["errors"][0]["message"] if options == ["--json"] else shown.err
    assert 'interrupted during "linking osx-arm64"; nothing was written' in said


@pytest.mark.parametrize(("options", "left"), [([], "as it was"), (["--fix"], "half mended")], ids=str)
def test_options_decide_what_is_left(capsys: pytest.CaptureFixture[str], options: list[str], left: str) -> None:
    def interrupted(_: Progress) -> None:
        raise KeyboardInterrupt

    tried = _verb(interrupted, lambda given: "half mended" if given["fix"] else "as it was")
    assert run(tried, options) == 130
    assert capsys.readouterr().err == f"error: interrupted; {left}\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_answer_is_not_on_the_line_of_the_terminals_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is drawn, the cursor stands behind the `^C` that the terminal has shown."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")
    assert run(_verb(_is_working, "nothing was written"), ["--no-color", "--quiet"]) == 130
    assert terminal.getvalue().startswith("\nerror: interrupted")


def test_the_terminal_says_it_before_the_end() -> None:
    """What ends slowly is seen to end."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", _SLOW],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm", "CI": ""},
    ) as process:
        os.close(theirs)
        _read(ours, until="begun")
        process.send_signal(2)
        said = _read(ours, until="interrupted: ending what is running")
        last = _read(ours, until="nothing was written", text=said)  # both may have come at once
        assert process.wait(10) == 130
    os.close(ours)
    assert 'interrupted during "linking (3/7)"; nothing was written' in re.sub(r"\x1b\[[0-9;?]*\w|\r", "", last)


def _read(terminal: int, *, until: str, text: str = "") -> str:
    deadline = time.monotonic() + 20
    while until not in text:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{until!r} was not said: {text!r}"
        text += os.read(terminal, 4096).decode()
    return text
