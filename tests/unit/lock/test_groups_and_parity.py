"""Which group needs a package, and the same versions on every platform."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from builder.errors import SourceUnreachableError, UnsatisfiableError
from builder.lock.groups import assign_groups
from builder.lock.model import LockedPackage
from builder.lock.parity import differences, equalise
from builder.lock.solver import SolveRequest, settled
from builder.platforms import Subdir
from builder.render.model import SpecLine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def _package(name: str, *needs: str, version: str = "1", subdir: Subdir = Subdir.LINUX_64) -> LockedPackage:
    return LockedPackage(
        manager="conda",
        name=name,
        version=version,
        subdir=subdir,
        url=f"https://example.org/c/noarch/{name}-{version}-0.conda",
        sha256="a" * 64,
        dependencies=dict.fromkeys(needs, ""),
    )


def _line(name: str, group: str = "main") -> SpecLine:
    return SpecLine(manager="conda", name=name, text=name, group=group)


def _groups(packages: Sequence[LockedPackage], *lines: SpecLine) -> dict[str, tuple[str, ...]]:
    return {package.name: package.groups for package in assign_groups(packages, lines)}


def test_group_of_what_leads_to_it() -> None:
    packages = [_package("a", "shared"), _package("b", "shared", "own"), _package("shared"), _package("own")]
    assert _groups(packages, _line("a"), _line("b", "dev")) == {
        "a": ("main",),
        "shared": ("main",),
        "b": ("dev",),
        "own": ("dev",),
    }


def test_needed_by_two_groups() -> None:
    packages = [_package("a", "x"), _package("b", "x"), _package("x")]
    assert _groups(packages, _line("a", "dev"), _line("b", "docs"))["x"] == ("dev", "docs")


def test_circles_and_strangers() -> None:
    """Packages may need each other; what the solver added by itself belongs to everybody."""
    packages = [_package("a", "b"), _package("b", "a"), _package("pip")]
    assert _groups(packages, _line("a", "dev")) == {"a": ("dev",), "b": ("dev",), "pip": ("main",)}


def test_spelling_of_names() -> None:
    assert _groups([_package("Ruamel_Yaml")], _line("ruamel.yaml", "dev")) == {"Ruamel_Yaml": ("dev",)}


class _Solver:
    """Solves from a table: platform → versions offered, the newest first."""

    name = "table"
    prefers = False

    def __init__(self, offered: Mapping[Subdir, Sequence[str]], *, lists: bool = True) -> None:
        self.offered = offered
        self.lists = lists
        self.asked: list[tuple[Subdir, dict[str, str]]] = []

    async def solve(self, request: SolveRequest) -> list[LockedPackage]:
        self.asked.append((request.subdir, dict(request.exact)))
        wanted = request.exact.get("keras")
        versions = [version for version in self.offered[request.subdir] if wanted in (None, version)]
        if not versions:
            raise UnsatisfiableError("no")
        return [_package("keras", version=versions[0], subdir=request.subdir)]

    async def versions(self, request: SolveRequest, package: str) -> frozenset[str]:
        return frozenset(self.offered[request.subdir]) if self.lists else frozenset()


MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64


def _equal(solver: _Solver) -> tuple[dict[Subdir, str], tuple[str, ...]]:
    async def run() -> tuple[dict[Subdir, str], tuple[str, ...]]:
        requests = {
            subdir: SolveRequest(subdir=subdir, channels=(), specs=("keras",), virtual_packages={}, exact={})
            for subdir in solver.offered
        }
        solutions = {subdir: await solver.solve(request) for subdir, request in requests.items()}
        solver.asked.clear()
        names = ("keras", "not-there")
        found = await equalise(solver, requests, dict(solutions), names)
        versions = {subdir: packages[0].version for subdir, packages in found.solutions.items()}
        return versions, differences(found.solutions, names, refused=found.refused)

    return asyncio.run(run())


def test_already_equal_is_not_solved_again() -> None:
    solver = _Solver({MAC: ["3.6.0"], LINUX: ["3.6.0"]})
    assert _equal(solver) == ({MAC: "3.6.0", LINUX: "3.6.0"}, ())
    assert solver.asked == []


def test_newest_that_all_have() -> None:
    """3.10 is newer than 3.9, whatever text comparison says; only the platform that is ahead is solved again."""
    solver = _Solver({MAC: ["3.9.0", "3.8.0"], LINUX: ["3.10.0", "3.9.0", "3.8.0"]})
    assert _equal(solver) == ({MAC: "3.9.0", LINUX: "3.9.0"}, ())
    assert solver.asked == [(LINUX, {"keras": "3.9.0"})]


def test_older_one_that_neither_chose() -> None:
    solver = _Solver({MAC: ["3.9.0", "3.7.0"], LINUX: ["3.8.0", "3.7.0"]})
    assert _equal(solver) == ({MAC: "3.7.0", LINUX: "3.7.0"}, ())


@pytest.mark.parametrize("lists", [True, False])
def test_no_common_version_is_said(lists: bool) -> None:
    versions, warnings = _equal(_Solver({MAC: ["3.9.0"], LINUX: ["3.8.0"]}, lists=lists))
    assert versions == {MAC: "3.9.0", LINUX: "3.8.0"}
    assert warnings == (
        "keras differs between platforms (3.9.0 on osx-arm64, 3.8.0 on linux-64): no version works on all of them",
    )


def test_solver_that_cannot_list_versions() -> None:
    solver = _Solver({MAC: ["3.8.0"], LINUX: ["3.9.0", "3.8.0"]}, lists=False)
    assert _equal(solver) == ({MAC: "3.8.0", LINUX: "3.8.0"}, ())


def test_lost_network_is_not_taken_for_no_solution() -> None:
    solver = _Solver({MAC: ["3.8.0"], LINUX: ["3.9.0", "3.8.0"]})
    solve = solver.solve

    async def failing(request: SolveRequest) -> list[LockedPackage]:
        if request.exact:
            raise SourceUnreachableError("gone")
        return await solve(request)

    solver.solve = failing  # type: ignore[method-assign]
    with pytest.raises(SourceUnreachableError):
        _equal(solver)


def test_a_failure_is_raised_only_after_the_other_platforms_have_ended() -> None:
    """Work left behind reports to a closed event loop: a traceback in the middle of the error."""
    ended: list[str] = []

    async def slow() -> str:
        await asyncio.sleep(0.01)
        ended.append("slow")
        return "slow"

    async def failing() -> str:
        raise UnsatisfiableError("no set of packages")

    async def run() -> None:
        await settled([failing(), slow()])

    with pytest.raises(UnsatisfiableError):
        asyncio.run(run())
    assert ended == ["slow"]
