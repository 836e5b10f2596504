"""The smallest set of requirements that cannot be met together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from builder.errors import UnsatisfiableError
from builder.lock.conflict import MOST, smallest_clash
from builder.lock.model import LockedPackage
from builder.lock.solver import SolveRequest
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Sequence


class Refusing:
    """A solver that refuses what has one of these sets in it."""

    name = "refusing"
    prefers = False

    def __init__(self, *clashes: set[str]) -> None:
        self.clashes = clashes
        self.asked = 0

    async def solve(self, request: SolveRequest) -> Sequence[LockedPackage]:
        self.asked += 1
        assert (request.preferred, request.exact) == ((), {})
        if any(clash <= set(request.specs) for clash in self.clashes):
            raise UnsatisfiableError("no")
        return ()

    async def versions(self, request: SolveRequest, package: str) -> frozenset[str]:
        raise AssertionError((request, package))


def found(solver: Refusing, *specs: str) -> tuple[str, ...]:
    before = LockedPackage(manager="conda", name="a", version="1", subdir=Subdir.LINUX_64, url="https://h/a", sha256="")
    request = SolveRequest(
        subdir=Subdir.LINUX_64,
        channels=(),
        specs=specs,
        virtual_packages={},
        exact={"a": "1"},
        preferred=(before,),
    )
    return asyncio.run(smallest_clash(solver, request))


@pytest.mark.parametrize(
    "clash", [{"a"}, {"p"}, {"a", "p"}, {"c", "h", "m"}, {"a", "b"}, {"o", "p"}, {"b", "d", "f", "k"}]
)
def test_it_is_found_wherever_its_parts_are(clash: set[str]) -> None:
    solver = Refusing(clash)
    assert found(solver, *"abcdefghijklmnop") == tuple(sorted(clash))
    assert solver.asked <= MOST


def test_of_two_one_is_enough() -> None:
    assert set(found(Refusing({"a", "b"}, {"c", "d"}), *"abcd")) in ({"a", "b"}, {"c", "d"})


def test_nothing_where_there_is_a_solution_or_too_much_to_ask() -> None:
    assert found(Refusing(), *"abc") == ()
    assert found(Refusing({"a"})) == ()
    every = [f"s{number}" for number in range(200)]
    solver = Refusing(set(every))
    assert found(solver, *every) == ()
    assert solver.asked == MOST
