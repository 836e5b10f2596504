"""The lock pipeline: all platforms solved at once, made equal where parity asks for it, PyPI on top."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from builder.errors import UnsatisfiableError
from builder.lock import condalock
from builder.lock.groups import assign_groups
from builder.lock.model import InputHash, Lock, LockedPackage
from builder.lock.parity import Solutions, equalise, oldest_where_different
from builder.lock.pypi import PypiRequest, provided_distributions, resolve
from builder.lock.solver import SolveRequest, settled
from builder.names import conda_to_pypi
from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from builder.lock.solver import Solver
    from builder.platforms import Subdir
    from builder.progress import Progress
    from builder.render.model import PlatformSpecs, Rendered


async def make_lock(
    rendered: Rendered, *, solver: Solver, notes: Mapping[str, str], progress: Progress | None = None
) -> tuple[Lock, tuple[str, ...]]:
    """Lock the rendered files for all their platforms. Gives the lock and warnings for the user.

    Nothing is written. Raises UnsatisfiableError, SourceUnreachableError, LockfileError.
    """
    progress = progress or NoProgress()
    requests = {specs.subdir: solve_request(rendered, specs) for specs in rendered.platforms}
    solutions = await _solve_all(solver, requests, progress, meanwhile=lambda: _prepare(rendered, solver))
    parity = tuple(dict.fromkeys(name for specs in rendered.platforms for name in specs.parity))
    solutions, warnings = await equalise(solver, requests, solutions, parity)
    pypi, unmatched = await _resolve_all(rendered, solutions, parity, progress)
    packages: list[LockedPackage] = []
    for specs in rendered.platforms:
        there = [*solutions[specs.subdir], *pypi[specs.subdir]]
        packages += assign_groups(there, (*specs.conda, *specs.pip))
    lock = Lock(
        channels=rendered.channels,
        platforms=tuple(specs.subdir for specs in rendered.platforms),
        packages=tuple(packages),
        sources=rendered.environment_files,
        content_hash=condalock.content_hashes(rendered),
        inputs=input_hashes(rendered.files),
        notes=notes,
    )
    return lock, warnings + unmatched


def input_hashes(files: Mapping[str, str]) -> dict[str, InputHash]:
    """The hashes of each rendered file: what tells later, without solving, whether a lock is stale."""
    return {
        file: InputHash(
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            md5=hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        )
        for file, text in sorted(files.items())
    }


def solve_request(rendered: Rendered, specs: PlatformSpecs) -> SolveRequest:
    return SolveRequest(
        subdir=specs.subdir,
        channels=rendered.channels,
        specs=tuple(line.text for line in specs.conda),
        virtual_packages=specs.virtual_packages,
        exact={},
    )


def _prepare(rendered: Rendered, solver: Solver) -> None:
    """What can be done while solvers work outside the interpreter's lock: import conda-lock."""
    condalock.preload(lean=solver.name == "rattler" and condalock.is_lean(rendered))


async def _solve_all(
    solver: Solver, requests: Mapping[Subdir, SolveRequest], progress: Progress, *, meanwhile: Callable[[], None]
) -> Solutions:
    async def one(subdir: Subdir, request: SolveRequest) -> Sequence[LockedPackage]:
        progress.update(f"solve {subdir}", f"{subdir}: fetching metadata and solving with {solver.name}")
        packages = await solver.solve(request)
        progress.done(f"solve {subdir}", f"{subdir}: {len(packages)} conda packages")
        return packages

    solving = [asyncio.create_task(one(subdir, request)) for subdir, request in requests.items()]
    asyncio.get_running_loop().call_soon(meanwhile)
    results = await settled(solving)
    return dict(zip(requests, results, strict=True))


async def _resolve_all(
    rendered: Rendered, conda: Solutions, parity: Sequence[str], progress: Progress
) -> tuple[Solutions, tuple[str, ...]]:
    """The PyPI packages of all platforms, the parity packages among them at one version where that resolves."""

    async def every(exact: Mapping[str, str]) -> Solutions:
        results = await settled(
            _resolve_pypi(specs, conda[specs.subdir], exact, progress) for specs in rendered.platforms
        )
        return {specs.subdir: result for specs, result in zip(rendered.platforms, results, strict=True)}

    free = await every({})
    exact = oldest_where_different(free, parity)
    if not exact:
        return free, ()
    try:
        return await every(exact), ()
    except UnsatisfiableError:
        names = ", ".join(sorted(exact))
        return free, (f"{names}: PyPI has no version that fits all platforms, so they differ between them",)


async def _resolve_pypi(
    specs: PlatformSpecs, conda: Sequence[LockedPackage], exact: Mapping[str, str], progress: Progress
) -> list[LockedPackage]:
    if not specs.pip:
        return []
    task = f"pypi {specs.subdir}"
    progress.update(task, f"{specs.subdir}: resolving PyPI packages with uv")
    python = next(package.version for package in conda if package.name == "python")
    packages = await resolve(
        PypiRequest(
            subdir=specs.subdir,
            python=python,
            requirements=tuple(line.text for line in specs.pip),
            provided=provided_distributions(conda, conda_to_pypi()),
            exact=exact,
            macos=specs.macos,
            glibc=specs.virtual_packages.get("__glibc"),
        )
    )
    progress.done(task, f"{specs.subdir}: {len(packages)} PyPI packages")
    return packages
