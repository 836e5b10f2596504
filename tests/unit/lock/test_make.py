"""The lock pipeline's own behaviour, beside what its parts are tested for."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from builder.errors import TemplateError
from builder.lock import condalock
from builder.lock.make import make_lock
from builder.lock.model import LockedPackage
from builder.plan.model import Source
from builder.platforms import Subdir
from builder.render.model import PlatformSpecs, Rendered, SpecLine
from builder.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.lock.solver import SolveRequest


class OnePackage:
    """A solver that finds `tool 1.0`."""

    name = "rattler"

    async def solve(self, request: SolveRequest) -> list[LockedPackage]:
        await asyncio.sleep(0.05)
        return [
            LockedPackage(
                manager="conda",
                name="tool",
                version="1.0",
                subdir=request.subdir,
                url="https://conda.anaconda.org/c/noarch/tool-1.0-0.conda",
                sha256="0" * 64,
                md5="0" * 32,
            )
        ]

    async def versions(self, request: SolveRequest, package: str) -> frozenset[str]:
        return frozenset()


def test_a_template_that_fails_while_solvers_work_is_one_error_and_no_traceback(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is rendered ahead of its use, beside the solvers; a failure there must not be logged by the loop."""

    def write(_rendered: Rendered) -> Mapping[str, str]:
        raise TemplateError("the template is broken")

    # conda-lock is left out: imported in part, it would stay so for every other test of this process.
    monkeypatch.setattr(condalock, "preload", lambda **_options: None)
    monkeypatch.setattr(condalock, "content_hashes", lambda rendered: rendered.files)
    tool = SpecLine(manager="conda", name="tool", text="tool", group="main")
    rendered = Rendered(
        name="x",
        source=Source.CONDA_FORGE,
        channels=("c",),
        groups=("main",),
        platforms=(PlatformSpecs(subdir=Subdir.LINUX_64, conda=(tool,), pip=(), virtual_packages={}),),
        write=write,
    )
    with caplog.at_level(logging.ERROR), pytest.raises(TemplateError, match="broken"):
        asyncio.run(make_lock(rendered, solver=OnePackage(), uv=Uv(environ={}), notes={}))
    assert caplog.records == []
