"""Running a program that draws on the terminal, while keeping what it says."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from typing import TYPE_CHECKING, Final

from builder.leash import Leash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: One that has begun, at the end of what was read so far.
_BEGUN: Final = re.compile(rb"\x1b(?:\[[0-9;?]*)?$")
#: A line of uv's list of installed packages (` + numpy==2.3.5`), and what may become one.
_LISTED: Final = re.compile(r" \+ \S+==")
_MAYBE_LISTED: Final = re.compile(r"(?: (?:\+(?: \S*)?)?)?")
#: How the lines begin that uv leaves behind of each step, which are told by envbuild.
_STEPS: Final = ("Using ", "Resolved ", "Prepared ", "Uninstalled ", "Installed ", "Audited ")
_CHUNK: Final = 4096


def run(command: Sequence[str], *, cwd: str, env: Mapping[str, str], draw: bool, held: int) -> tuple[int, str]:
    """Run `command`; gives its exit code and its messages (stderr), without the drawing.

    With `draw` its stderr is a terminal of its own whose output goes to ours as it comes, so that its bars
    move (what it leaves behind of them is left out); else it is a pipe. stdout is thrown away. `held` is a
    descriptor it inherits. Killed on any exception, and when we are killed ourselves.
    """
    if draw:
        ours, theirs = pty.openpty()
        with contextlib.suppress(OSError):
            # As wide as the real one, or bars would wrap.
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, fcntl.ioctl(sys.stderr.fileno(), termios.TIOCGWINSZ, b"\0" * 8))
    else:
        ours, theirs = os.pipe()
    # Whatever interrupts us, it must not write on.
    with Leash() as leash:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=theirs,
                pass_fds=(held,),
                process_group=leash.group,
            )
        finally:
            os.close(theirs)
        try:
            said = _drain(ours, draw=draw)
            code = process.wait()
        except BaseException:
            leash.send(signal.SIGKILL)
            process.wait()
            raise
        finally:
            os.close(ours)
    return code, _ESCAPES.sub("", said.decode(errors="replace")).replace("\r", "").strip()


def _drain(source: int, *, draw: bool) -> bytes:
    kept = bytearray()
    held = b""
    while True:
        try:
            chunk = os.read(source, _CHUNK)
        except OSError:
            # Linux says EIO instead of end-of-file once the other side of a terminal is closed.
            chunk = b""
        if not chunk:
            sys.stderr.buffer.write(held)
            return bytes(kept)
        kept += chunk
        if draw:
            held = _draw(held + chunk)


def _draw(chunk: bytes) -> bytes:
    """Pass on what uv draws while it is at work, without what it leaves on the screen of it.

    That is a line for each step, and the list of what it installed, which would push all else off the screen. Gives
    back the beginning of a line that may be one of these.
    """
    *lines, rest = chunk.split(b"\n")
    shown = b"".join(map(_passed_on, lines))
    last = _text(_BEGUN.sub(b"", rest))
    if not (_MAYBE_LISTED.fullmatch(last) or any(step.startswith(last) or last.startswith(step) for step in _STEPS)):
        shown, rest = shown + rest, b""
    sys.stderr.buffer.write(shown)
    sys.stderr.buffer.flush()
    return rest


def _passed_on(line: bytes) -> bytes:
    """The line; of one that is not to stay, what was drawn and wiped out before it."""
    if not (_LISTED.match(text := _text(line)) or text.startswith(_STEPS)):
        return line + b"\n"
    before, wiped, own = line.removesuffix(b"\r").rpartition(b"\r")
    return before + wiped + "".join(_ESCAPES.findall(own.decode(errors="replace"))).encode()


def _text(line: bytes) -> str:
    """What is to be read of a line: what stands after the last return to its beginning."""
    return _ESCAPES.sub("", line.removesuffix(b"\r").rpartition(b"\r")[2].decode(errors="replace"))
