"""Steps that Ctrl-C must not cut in two."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def uninterrupted() -> Iterator[list[int]]:
    """Have SIGINT, SIGTERM and SIGHUP wait for what takes a moment only, and must be done whole.

    Gives those that came meanwhile; they are not raised afterwards. In another thread than the main one, which alone
    is interrupted, nothing is done.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in handlers:
        signal.signal(number, lambda signalled, _: came.append(signalled))
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
