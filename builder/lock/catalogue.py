"""What exists, for the planner: asked of a channel's own metadata, or of a lock that is there already."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from builder.plan.catalogue import LOCKED, Build

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from builder.lock.model import Lock, LockedPackage
    from builder.lock.rattler_solver import RattlerSolver
    from builder.platforms import Subdir

#: How near a name must be to one that exists to be offered for it.
_NEAR: float = 0.75


class ChannelCatalogue:
    """The builds that channels have, through the gateway of the solver, which is about to need the same metadata.

    With several channels a package is taken from the first that has it (strict priority, as the solver takes it).
    Raises SourceUnreachableError, UsageError from every question.
    """

    def __init__(
        self, solver: RattlerSolver, channels: Sequence[str], *, exclude_newer: datetime | None = None
    ) -> None:
        self._solver = solver
        self._channels = tuple(channels)
        self._exclude_newer = exclude_newer
        self._found: dict[tuple[str, Subdir], tuple[Build, ...]] = {}
        self._names: tuple[str, ...] | None = None

    @property
    def described(self) -> str:
        return " and ".join(self._channels)

    def ask(self, names: Iterable[str], subdirs: Iterable[Subdir]) -> None:
        """Have these packages' metadata at hand: asked for together, they are fetched side by side."""
        # Here, and not above: the catalogue of a lock needs none of it.
        import asyncio

        wanted, platforms = list(dict.fromkeys(names)), list(subdirs)

        async def every() -> list[dict[str, list[Build]]]:
            return await asyncio.gather(*(self._query(wanted, subdir) for subdir in platforms))

        for subdir, found in zip(platforms, asyncio.run(every()), strict=True):
            self._found |= {(name, subdir): tuple(found.get(name, ())) for name in wanted}

    def builds(self, name: str, subdir: Subdir) -> Sequence[Build]:
        if (name, subdir) not in self._found:
            self.ask([name], [subdir])
        return self._found[name, subdir]

    def similar(self, name: str) -> tuple[str, ...]:
        import asyncio
        import difflib

        if self._names is None:
            self._names = asyncio.run(self._solver.names(self._channels))
        # A prefix that is too much (`python-xgboost`) is as likely as a letter too few.
        near = difflib.get_close_matches(name, self._names, n=3, cutoff=_NEAR)
        inside = [other for other in self._names if len(other) > 3 and name.endswith(f"-{other}")]
        return tuple(dict.fromkeys((*near, *inside)))

    async def _query(self, names: Sequence[str], subdir: Subdir) -> dict[str, list[Build]]:
        from builder.lock.rattler_solver import version_ranges
        from builder.lock.solver import SolveRequest

        request = SolveRequest(
            subdir=subdir, channels=self._channels, specs=(), virtual_packages={}, exact={},
        )  # fmt: skip
        found: dict[str, list[Build]] = {}
        channel_of: dict[str, str | None] = {}
        for record in await self._solver.records(request, names):
            # As py-rattler takes it: when a channel has come to have it, or else when it was built.
            limit = self._exclude_newer
            if limit is not None and (made := record.indexed_timestamp or record.timestamp) and made > limit:
                continue
            name = record.name.normalized
            if channel_of.setdefault(name, record.channel) == record.channel:
                build = Build(
                    version=str(record.version), build=str(record.build), depends=version_ranges(record.depends)
                )
                found.setdefault(name, []).append(build)
        return found


class LockedCatalogue:
    """What a lock holds, as all that exists: the plan of its recipe is then the one that the lock was made from.

    So that whether a lock is out of date can be told without asking any channel.
    """

    described = LOCKED

    def __init__(self, lock: Lock) -> None:
        self._lock = lock

    @cached_property
    def _packages(self) -> dict[tuple[str, Subdir], LockedPackage]:
        return {
            (package.name, package.subdir): package for package in self._lock.packages if package.manager == "conda"
        }

    def ask(self, names: Iterable[str], subdirs: Iterable[Subdir]) -> None:
        """Everything is at hand."""

    def builds(self, name: str, subdir: Subdir) -> Sequence[Build]:
        package = self._packages.get((name, subdir))
        if package is None:
            return ()
        return (Build(version=package.version, build=package.build, depends=dict(package.dependencies)),)

    def similar(self, name: str) -> tuple[str, ...]:
        return ()
