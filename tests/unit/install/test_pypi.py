"""How uv is asked to install."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import pytest

from builder.errors import BuildError
from builder.install.pypi import install_pypi
from builder.lock.model import LockedPackage
from builder.platforms import Subdir
from builder.progress import NoProgress
from builder.uv import Uv

if TYPE_CHECKING:
    from pathlib import Path

SIX = LockedPackage(
    name="six",
    version="1.17.0",
    manager="pip",
    subdir=Subdir.LINUX_64,
    url="https://files.invalid/six-1.17.0-py2.py3-none-any.whl",
    sha256="0" * 64,
)


class _Terminal(NoProgress):
    """Hands a terminal over, with colours or without."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def handed_over(self) -> AbstractContextManager[bool]:
        return nullcontext(True)

    @property
    def in_colour(self) -> bool:
        return self._colours


@pytest.mark.parametrize("colours", [True, False])
def test_uv_draws_without_colours_where_none_are_wanted(tmp_path: Path, colours: bool) -> None:
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\nexit 2\n')
    uv.chmod(0o755)
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(BuildError, match="uv ended with exit code 2"):
            install_pypi(
                [SIX],
                tmp_path,
                python="3.12.1",
                subdir=Subdir.LINUX_64,
                runnable=True,
                macos=None,
                uv=Uv(environ={}, executable=str(uv)),
                progress=_Terminal(colours=colours),
                held=held,
            )
    finally:
        os.close(held)
    asked = (tmp_path / "asked").read_text().split()
    assert ("--color=never" in asked) is not colours
    assert "--no-progress" not in asked
