"""The lock pipeline: all platforms solved at once, made equal where parity asks for it, PyPI on top."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from builder.errors import LockfileError, UnsatisfiableError
from builder.lock import condalock
from builder.lock.freshness import input_hashes
from builder.lock.groups import assign_groups
from builder.lock.model import Lock, LockedPackage
from builder.lock.moves import Move, Previous, moves
from builder.lock.parity import (
    Solutions,
    compared,
    differences,
    equalise,
    exact_for,
    has_exactly,
    oldest_where_different,
    solve_with,
    subjects,
)
from builder.lock.provided import provided_distributions
from builder.lock.solver import SolveRequest, settled
from builder.lock.specs import refuse_malformed
from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from builder.lock.solver import Solver
    from builder.platforms import Subdir
    from builder.progress import Progress
    from builder.render.model import PlatformSpecs, Rendered
    from builder.uv import Uv


class Judge(Protocol):
    """Judges the locked set of one platform by facts, whoever brought each package in.

    `packages` maps the manager (`conda`, `pip`) and the name to the version. Gives warnings; raises UnsatisfiableError
    for what is known not to work.
    """

    def __call__(self, subdir: Subdir, packages: Mapping[tuple[str, str], str], /) -> Iterable[str]: ...


class Made(Struct, frozen=True, kw_only=True):
    """A lock that was just made, warnings for the user, and what it changes against the one before."""

    lock: Lock
    warnings: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    """Empty where there was no lock before."""


class _Chosen(Struct, frozen=True, kw_only=True):
    """The packages of all platforms, from conda and from PyPI, and how parity came out."""

    conda: Solutions
    pypi: Solutions
    exact: Mapping[str, str]
    """The versions fixed for parity, by project."""
    refused: frozenset[str]
    """The projects that no one version of fits all platforms."""

    def everything(self) -> Solutions:
        return {subdir: [*self.conda[subdir], *self.pypi[subdir]] for subdir in self.conda}


async def make_lock(
    rendered: Rendered,
    *,
    solver: Solver,
    uv: Uv,
    notes: Mapping[str, str],
    progress: Progress | None = None,
    previous: Previous | None = None,
    judge: Judge | None = None,
    exclude_newer: datetime | None = None,
) -> Made:
    """Lock the rendered files for all their platforms.

    With a `previous` lock, only what must move moves. `exclude_newer` (with a time zone) leaves out packages published
    after that moment. Nothing is written. Raises UnsatisfiableError, SourceUnreachableError, LockfileError, UsageError.
    """
    work = _Work(
        rendered=rendered,
        solver=solver,
        uv=uv,
        progress=progress or NoProgress(),
        previous=previous,
        exclude_newer=exclude_newer,
    )
    refuse_malformed(rendered)
    names = subjects(name for specs in rendered.platforms for name in specs.parity)
    chosen = await work.choose(names)
    there = chosen.everything()
    warnings = list(differences(there, compared(rendered.platforms), refused=chosen.refused))
    if previous is not None and not previous.everything and not solver.prefers:
        warnings.append(
            f"{solver.name} solves from scratch: conda packages do not stay at the versions of the previous lock. "
            "The built-in solver keeps them (leave --solver out)"
        )
    if judge is not None:
        for subdir, found in there.items():
            warnings += judge(subdir, {(package.manager, package.name): package.version for package in found})
    packages = tuple(
        sorted(
            (
                package
                for specs in rendered.platforms
                for package in assign_groups(there[specs.subdir], (*specs.conda, *specs.pip))
            ),
            # A solver's own order is another each time.
            key=lambda package: (package.manager, package.name, package.subdir),
        )
    )
    lock = Lock(
        channels=rendered.channels,
        platforms=tuple(specs.subdir for specs in rendered.platforms),
        packages=packages,
        sources=rendered.environment_files,
        content_hash=condalock.content_hashes(rendered),
        inputs=input_hashes(rendered.files),
        notes=notes,
    )
    moved = moves(previous, packages, rendered, exact=frozenset(chosen.exact)) if previous is not None else ()
    return Made(lock=lock, warnings=tuple(dict.fromkeys(warnings)), moves=moved)


def solve_request(
    rendered: Rendered,
    specs: PlatformSpecs,
    *,
    preferred: tuple[LockedPackage, ...] = (),
    exclude_newer: datetime | None = None,
) -> SolveRequest:
    return SolveRequest(
        subdir=specs.subdir,
        channels=rendered.channels,
        specs=tuple(line.text for line in specs.conda),
        virtual_packages=specs.virtual_packages,
        exact={},
        preferred=preferred,
        exclude_newer=exclude_newer,
    )


@dataclass(frozen=True, kw_only=True)
class _Work:
    """One locking: what is asked, and with what it is answered."""

    rendered: Rendered
    solver: Solver
    uv: Uv
    progress: Progress
    previous: Previous | None
    exclude_newer: datetime | None

    async def choose(self, names: Sequence[str]) -> _Chosen:
        """The packages of all platforms, with the projects `names` at one version everywhere where that is possible."""
        requests = {
            specs.subdir: solve_request(
                self.rendered,
                specs,
                preferred=self._preferred(specs.subdir, "conda"),
                exclude_newer=self.exclude_newer,
            )
            for specs in self.rendered.platforms
        }
        solutions = await self._solve_all(requests)
        equal = await equalise(self.solver, requests, solutions, names)
        chosen = _Chosen(
            conda=equal.solutions,
            pypi=await self._resolve_all(equal.solutions, {}),
            exact=equal.exact,
            refused=equal.refused,
        )
        # What comes from conda on one platform may come from PyPI on another; each round settles or gives up one name.
        for _ in range(2 * len(names)):
            apart = oldest_where_different(chosen.everything(), [name for name in names if name not in chosen.refused])
            if not apart:
                break
            name, version = next(iter(apart.items()))
            exact = {**chosen.exact, name: version}
            equalised = await self._at_these(requests, chosen, exact)
            chosen = equalised or replace(chosen, refused=chosen.refused | {name})
        return chosen

    async def _at_these(
        self, requests: Mapping[Subdir, SolveRequest], chosen: _Chosen, exact: Mapping[str, str]
    ) -> _Chosen | None:
        """All platforms with the versions `exact`, or None where one has no solution."""
        conda = await solve_with(self.solver, requests, chosen.conda, exact)
        if conda is None:
            return None
        kept = {
            subdir: packages
            for subdir, packages in chosen.pypi.items()
            if conda[subdir] is chosen.conda[subdir] and has_exactly(packages, exact)
        }
        try:
            pypi = await self._resolve_all(conda, exact, kept=kept, known=chosen.pypi)
        except UnsatisfiableError:
            return None
        return _Chosen(conda=conda, pypi=pypi, exact=exact, refused=chosen.refused)

    def _preferred(self, subdir: Subdir, manager: Literal["conda", "pip"]) -> tuple[LockedPackage, ...]:
        return self.previous.preferred(subdir, manager) if self.previous is not None else ()

    def _locked_from(self, subdir: Subdir) -> dict[str, str]:
        there = self.previous.lock.on(subdir, manager="pip") if self.previous is not None else ()
        return {canonicalize_name(package.name): package.url for package in there}

    async def _solve_all(self, requests: Mapping[Subdir, SolveRequest]) -> Solutions:
        async def one(subdir: Subdir, request: SolveRequest) -> Sequence[LockedPackage]:
            self.progress.update(f"solve {subdir}", f"{subdir}: fetching metadata and solving with {self.solver.name}")
            packages = await self.solver.solve(request)
            self.progress.done(f"solve {subdir}", f"{subdir}: {len(packages)} conda packages")
            return packages

        solving = [asyncio.create_task(one(subdir, request)) for subdir, request in requests.items()]
        # While solvers work outside the interpreter's lock.
        asyncio.get_running_loop().call_soon(
            lambda: condalock.prepare(self.rendered, own_solver=self.solver.name != "rattler")
        )
        results = await settled(solving)
        return dict(zip(requests, results, strict=True))

    async def _resolve_all(
        self,
        conda: Solutions,
        exact: Mapping[str, str],
        *,
        kept: Solutions | None = None,
        known: Solutions | None = None,
    ) -> Solutions:
        """The PyPI packages of all platforms beside conda's; `kept` are those of platforms that stay as they are."""
        kept, known = kept or {}, known or {}
        missing = [specs for specs in self.rendered.platforms if specs.subdir not in kept]
        results = await settled(
            self._resolve(specs, conda[specs.subdir], exact_for(known.get(specs.subdir, ()), exact, manager="pip"))
            for specs in missing
        )
        found = {specs.subdir: result for specs, result in zip(missing, results, strict=True)}
        return {subdir: kept.get(subdir, found.get(subdir, ())) for subdir in conda}

    async def _resolve(
        self, specs: PlatformSpecs, conda: Sequence[LockedPackage], exact: Mapping[str, str]
    ) -> list[LockedPackage]:
        if not specs.pip:
            return []
        task = f"pypi {specs.subdir}"
        self.progress.update(task, f"{specs.subdir}: resolving PyPI packages with uv")
        python = next((package for package in conda if package.name == "python"), None)
        if python is None:
            raise LockfileError(
                f"PyPI packages need a Python, and there is none among the conda packages for {specs.subdir}",
                hint="give the recipe a `python:`",
            )
        # Here, for its time: most locks have nothing from PyPI.
        from builder.lock.pypi import PypiRequest, resolve

        packages = await resolve(
            PypiRequest(
                subdir=specs.subdir,
                python=python.version,
                requirements=tuple(line.text for line in specs.pip),
                provided=provided_distributions(conda),
                exact=exact,
                macos=specs.macos,
                glibc=specs.virtual_packages.get("__glibc"),
                free_threaded=python.free_threaded,
                preferred={
                    canonicalize_name(package.name): package.version for package in self._preferred(specs.subdir, "pip")
                },
                locked_from=self._locked_from(specs.subdir),
                exclude_newer=self.exclude_newer,
            ),
            self.uv,
        )
        self.progress.done(task, f"{specs.subdir}: {len(packages)} PyPI packages")
        return packages
