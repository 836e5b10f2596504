"""Child processes that do not outlive us, however we end.

What a killed envbuild leaves running goes on writing into the environment, under the hands of the next one. Linux can
send a signal to a child whose parent dies (PR_SET_PDEATHSIG), but not to the child's own children, and macOS
cannot. So a tiny shell leads the group that the children are in, waits for the end of a pipe whose other end only we
hold, and then kills the whole group. The kernel closes our end, also when we are killed by SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import signal

#: Signals meant for the children must not end their guard: SIGABRT asks a hanging Python for its traceback.
_GUARD: Final = "trap '' ABRT HUP INT QUIT TERM; echo; exec >/dev/null; read _; kill -9 0"


class Leash:
    """A context manager. Start children with `process_group=leash.group`; leaving it kills what is still running.

    Raises OSError on entering where no process can be started.
    """

    def __enter__(self) -> Leash:
        reading, self._ours = os.pipe()
        try:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", _GUARD],
                stdin=reading,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                process_group=0,
            )
        except BaseException:
            os.close(self._ours)
            raise
        finally:
            os.close(reading)
        assert self._guard.stdout is not None
        with self._guard.stdout:
            self._guard.stdout.read(1)  # from now on no signal ends it
        return self

    @property
    def group(self) -> int:
        """The process group for `subprocess.Popen(process_group=…)`."""
        return self._guard.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all children."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.group, number)

    def __exit__(self, *reason: object) -> None:
        os.close(self._ours)
        self._guard.wait()
