"""The lock pipeline: all platforms solved at once, made equal where parity asks for it, PyPI on top."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from builder.lock import condalock
from builder.lock.groups import assign_groups
from builder.lock.model import InputHash, Lock, LockedPackage
from builder.lock.names import conda_to_pypi
from builder.lock.parity import Solutions, equalise
from builder.lock.pypi import PypiRequest, provided_distributions, resolve
from builder.lock.solver import SolveRequest
from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    solutions = await _solve_all(solver, requests, progress)
    parity = tuple(dict.fromkeys(name for specs in rendered.platforms for name in specs.parity))
    solutions, warnings = await equalise(solver, requests, solutions, parity)
    packages: list[LockedPackage] = []
    for specs, pip in zip(
        rendered.platforms,
        await asyncio.gather(
            *(_resolve_pypi(specs, solutions[specs.subdir], progress) for specs in rendered.platforms)
        ),
        strict=True,
    ):
        packages += assign_groups([*solutions[specs.subdir], *pip], (*specs.conda, *specs.pip))
    lock = Lock(
        channels=rendered.channels,
        platforms=tuple(specs.subdir for specs in rendered.platforms),
        packages=tuple(packages),
        sources=rendered.environment_files,
        content_hash=condalock.content_hashes(rendered),
        inputs=input_hashes(rendered.files),
        notes=notes,
    )
    return lock, warnings


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


async def _solve_all(solver: Solver, requests: Mapping[Subdir, SolveRequest], progress: Progress) -> Solutions:
    async def one(subdir: Subdir, request: SolveRequest) -> Sequence[LockedPackage]:
        progress.update(f"solve {subdir}", f"{subdir}: fetching metadata and solving with {solver.name}")
        packages = await solver.solve(request)
        progress.done(f"solve {subdir}", f"{subdir}: {len(packages)} conda packages")
        return packages

    solving = [asyncio.create_task(one(subdir, request)) for subdir, request in requests.items()]
    # After the solvers have begun: they work outside the interpreter's lock, which the import needs all the time.
    asyncio.get_running_loop().call_soon(condalock.preload)
    results = await asyncio.gather(*solving)
    return dict(zip(requests, results, strict=True))


async def _resolve_pypi(
    specs: PlatformSpecs, conda: Sequence[LockedPackage], progress: Progress
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
            macos=specs.macos,
            glibc=specs.virtual_packages.get("__glibc"),
        )
    )
    progress.done(task, f"{specs.subdir}: {len(packages)} PyPI packages")
    return packages
