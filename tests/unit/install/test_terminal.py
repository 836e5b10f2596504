"""What uv draws on a terminal of its own, and what of it reaches ours."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from builder.install.terminal import run

if TYPE_CHECKING:
    import pytest

_UV = r"""
import sys, time
assert sys.stderr.isatty()
def say(text):
    sys.stderr.write(text); sys.stderr.flush(); time.sleep(0.02)
say("\x1b[2mUsing Python 3.12.1 environment at: /a/rather/long/path\x1b[0m\n")
say("Resol"); say("ved 2 packages\n")
say("\x1b[2K[1/2] num"); say("py\r\x1b[2K[2/2] keras")
say("\r\x1b[2K\x1b[2mInstalled 2 packages\n")
say(" \x1b[32m+\x1b[39m \x1b[1mnum"); say("py\x1b[0m==2.3.5\n "); say("+ keras==3.15.1"); say("\n")
say(" \x1b[3"); say("2m+\x1b[39m cut==1\n")
say("warning: "); say("seen\n")
say(" + end")
sys.exit(3)
"""


def test_bars_are_passed_on_and_what_stays_behind_is_not(capfd: pytest.CaptureFixture[str]) -> None:
    """127 lines of `+ package` would push all that came before them off the screen; the error text keeps them."""
    held = os.open(os.devnull, os.O_RDONLY)
    try:
        code, messages = run([sys.executable, "-c", _UV], cwd=".", env=dict(os.environ), draw=True, held=held)
    finally:
        os.close(held)
    assert code == 3
    assert "+ numpy==2.3.5" in messages
    shown = capfd.readouterr().err.replace("\r\n", "\n")
    drawn = re.sub(r"\x1b\[\d*m", "", shown)
    assert drawn == "\x1b[2K[1/2] numpy\r\x1b[2K[2/2] keras\r\x1b[2Kwarning: seen\n + end"
