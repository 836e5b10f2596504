"""Children end with us: when we leave, and when we are killed without a chance to say anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from builder.leash import Leash

REPOSITORY = Path(__file__).parents[2]
#: Starts a grandchild as well, and prints both process ids.
_CHILD = """
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(grandchild.pid, flush=True)
time.sleep(60)
"""


def _gone(process: int) -> bool:
    """Whether a process that is not our child has ended (a zombie has), within five seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat")
            if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_leaving_kills_grandchildren_too() -> None:
    with Leash() as leash:
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD], stdout=subprocess.PIPE, text=True, process_group=leash.group
        )
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
    assert child.wait(5) == -signal.SIGKILL
    assert _gone(grandchild)
    child.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_parent_killed(number: signal.Signals) -> None:
    program = f"""
import subprocess, sys
from builder.leash import Leash
with Leash() as leash:
    child = subprocess.Popen([sys.executable, "-c", {_CHILD!r}], process_group=leash.group)
    print(child.pid, flush=True)
    child.wait()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(REPOSITORY)}
    )
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(number)
    parent.wait(5)
    parent.stdout.close()
    assert all(map(_gone, children))


def test_signals_reach_the_children_and_not_the_guard() -> None:
    """A traceback is asked for by SIGABRT; what the child leaves behind is still killed afterwards."""
    with Leash() as leash:
        child = subprocess.Popen(["/bin/sleep", "60"], process_group=leash.group)
        leash.send(signal.SIGABRT)
        assert child.wait(5) == -signal.SIGABRT
        other = subprocess.Popen(["/bin/sleep", "60"], process_group=leash.group)
    assert other.wait(5) == -signal.SIGKILL
