"""Which of a platform's requirements cannot be met together: the few that matter of what a solver refuses.

A solver's own account names every build that it looked at. The smallest set of requirements that has no solution is
found by asking it again with fewer: QuickXplain (Junker, 2004), some dozen solves of metadata that is at hand already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from builder.errors import UnsatisfiableError

if TYPE_CHECKING:
    from builder.lock.solver import Solver, SolveRequest

#: How often the solver is asked. Each takes a second or two of real metadata.
MOST: Final = 40


class _Enough(Exception):  # noqa: N818 - never leaves this module
    """Asked too often."""


async def smallest_clash(solver: Solver, request: SolveRequest) -> tuple[str, ...]:
    """A smallest set of the request's specs that cannot be met together, in their order; nothing where that takes long.

    What an earlier lock had plays no part in it. Raises SourceUnreachableError.
    """
    free = replace(request, preferred=(), exact={})
    asked = 0

    async def fails(specs: tuple[str, ...]) -> bool:
        nonlocal asked
        asked += 1
        if asked > MOST:
            raise _Enough
        return not await solvable(solver, replace(free, specs=specs))

    async def explain(fixed: tuple[str, ...], added: bool, rest: tuple[str, ...]) -> tuple[str, ...]:
        """What of `rest` is needed beside `fixed` for it to fail; `added`: whether `fixed` is another than before."""
        if added and await fails(fixed):
            return ()
        if len(rest) == 1:
            return rest
        left, right = rest[: len(rest) // 2], rest[len(rest) // 2 :]
        of_right = await explain((*fixed, *left), True, right)
        return (*await explain((*fixed, *of_right), bool(of_right), left), *of_right)

    try:
        if not request.specs or not await fails(request.specs):
            return ()
        found = await explain((), False, request.specs)
    except _Enough:
        return ()
    return tuple(spec for spec in request.specs if spec in found)


async def solvable(solver: Solver, request: SolveRequest) -> bool:
    """Whether there is a solution at all."""
    return await refused(solver, request) is None


async def refused(solver: Solver, request: SolveRequest) -> UnsatisfiableError | None:
    """Why there is no solution; None where there is one."""
    try:
        await solver.solve(request)
    except UnsatisfiableError as error:
        return error
    return None
