"""Run probes inside the environment under test: `python -I run.py FD TOKEN PROBE ARGUMENTS [PROBE ARGUMENTS]…`.

This file and the probes beside it run under the *environment's* Python (3.9 or newer) and import nothing of
envbuild. Results go to the file descriptor FD, one JSON object a line behind TOKEN, as they are found: what a
library prints, or that it ends the process, can neither fake a result nor destroy an earlier one.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import runpy
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator


class Recorder:
    """Writes the marks of a probe: a step begins, a step ends (with facts, an exception or an exit), all is done."""

    def __init__(self, descriptor: int, token: str) -> None:
        self._descriptor = descriptor
        self._token = token
        self._follows = False
        self.all_well = True
        """No step has failed so far."""

    def begin(self, number: int) -> None:
        """The probe of this number (counted from 0) begins: whatever a later one imports is beside the first one's."""
        self._follows = number > 0
        self.write({"probe": number})

    def announce_extension(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: say which compiled module is about to be loaded, as the loader may not survive it."""
        if event == "import" and len(arguments) > 1 and arguments[1] is not None:
            self.write({"loading": os.fsdecode(arguments[1])})

    def announce_exit(self) -> None:
        """Have `os._exit` say from where it is called: it leaves neither an exception nor a traceback."""
        leave, process = os._exit, os.getpid()

        def announced(status: int) -> NoReturn:
            if os.getpid() == process:  # forked workers end this way as a matter of course
                self.write({"exit": "".join(traceback.format_stack())[-10_000:]})
            leave(status)

        os._exit = announced

    def write(self, mark: dict[str, Any]) -> None:
        data = (self._token + json.dumps(mark, default=str) + "\n").encode()
        while data:
            data = data[os.write(self._descriptor, data) :]

    @staticmethod
    def loaded_images() -> list[str]:
        """The files of all native libraries in this process, in the order they were loaded or mapped."""
        if os.uname().sysname == "Darwin":
            system = ctypes.CDLL(None)
            system._dyld_get_image_name.restype = ctypes.c_char_p
            return [os.fsdecode(system._dyld_get_image_name(index)) for index in range(system._dyld_image_count())]
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            fields = (line.rstrip("\n").split(maxsplit=5) for line in maps)
            return list(dict.fromkeys(field[5] for field in fields if len(field) == 6 and field[5].startswith("/")))

    @contextlib.contextmanager
    def step(self, check: str, subject: str = "") -> Iterator[dict[str, Any]]:
        """One check on one subject. The yielded dict is what the step found out.

        An exception ends the step, not the probe: later steps that do not need this one still run.
        """
        facts: dict[str, Any] = {}
        if self._follows and check == "import.alone":
            check = "import.together"
        place = {"check": check, "subject": subject}
        self.write({"begin": place})
        begun = time.perf_counter()
        try:
            yield facts
            how: dict[str, Any] = {"how": "done"}
        except SystemExit as error:
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            how = {"how": "exited", "error": text[-20_000:], "message": str(error.code or 0)}
        except Exception as error:  # noqa: BLE001 - whatever a library raises is a result here
            text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            how = {"how": "raised", "error": text[-20_000:], "type": type(error).__name__, "message": str(error)[:4000]}
        self.all_well = self.all_well and how["how"] == "done"
        self.write({"end": place, "facts": facts, "seconds": time.perf_counter() - begun, **how})


def main() -> None:
    descriptor, token, probes = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    os.set_inheritable(descriptor, False)
    recorder = Recorder(descriptor, token)
    recorder.announce_exit()
    sys.addaudithook(recorder.announce_extension)
    for number, (probe, arguments) in enumerate(zip(probes[::2], probes[1::2])):
        if not recorder.all_well:
            break  # what failed may have left a library half imported: the others get processes of their own
        recorder.begin(number)
        sys.argv = [probe]
        runpy.run_path(probe)["main"](recorder, json.loads(arguments))
    recorder.write({"done": True})


if __name__ == "__main__":
    main()
