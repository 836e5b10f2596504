"""The solver protocol: one platform's match specs in, one exact set of conda packages out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec import Struct

from builder.errors import UnsatisfiableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Mapping, Sequence
    from datetime import datetime

    from builder.lock.model import LockedPackage
    from builder.platforms import Subdir

T = TypeVar("T")


class SolveRequest(Struct, frozen=True, kw_only=True):
    """What to solve. `channels` are canonical names or URLs in order of priority.

    `virtual_packages` maps a name to `version` or `version build`; they are the target's, and nothing of the
    machine that solves is taken into account. `exact` maps a package name to the only version allowed, should it be
    part of the solution (how parity between platforms is reached). `preferred` is what to stay at, package by package,
    where nothing asks for another; `exclude_newer` leaves out what was published after that moment (with time zone).
    """

    subdir: Subdir
    channels: tuple[str, ...]
    specs: tuple[str, ...]
    virtual_packages: Mapping[str, str]
    exact: Mapping[str, str]
    preferred: tuple[LockedPackage, ...] = ()
    exclude_newer: datetime | None = None


class UnsolvableError(UnsatisfiableError):
    """A request that has no solution, with the solver's reason."""

    def __init__(self, message: str, *, request: SolveRequest) -> None:
        super().__init__(message, hint="loosen the pin named above, or see `envbuild show` for where it comes from")
        self.request = request


class Solver(Protocol):
    """Raises UnsatisfiableError (with the reason), or SourceUnreachableError."""

    name: str
    prefers: bool
    """Whether it stays at a request's `preferred` packages where nothing asks for others."""

    async def solve(self, request: SolveRequest) -> Sequence[LockedPackage]: ...

    async def versions(self, request: SolveRequest, package: str) -> frozenset[str]:
        """All versions of `package` on the request's channels and platform; empty if the solver cannot tell."""
        ...


async def settled(work: Iterable[Awaitable[T]]) -> list[T]:
    """What all the work gives, in order; its first failure only once all of it has ended.

    A solve still under way when the event loop closes reports to nobody, and says so with a traceback.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
