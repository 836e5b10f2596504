"""Fixtures of the command line's tests."""

from __future__ import annotations

import signal

import pytest


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> object:
    """`run` installs its own handlers."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
