"""Solving with py-rattler: no conda needed, any target platform, all platforms at once."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

import rattler
from rattler.exceptions import (
    FetchRepoDataError,
    GatewayError,
    InvalidChannelError,
    InvalidMatchSpecError,
    SolverError,
)
from rattler.package.build_string import BuildString

from builder.errors import LockfileError, SourceUnreachableError, UnsatisfiableError, UsageError
from builder.lock.channels import Mirrors, canonical_url
from builder.lock.model import LockedPackage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from builder.lock.solver import SolveRequest
    from builder.platforms import Subdir


T = TypeVar("T")


class RattlerSolver:
    """One gateway for all platforms, so that `noarch` is fetched and parsed once."""

    name = "rattler"

    def __init__(self, *, mirrors: Mirrors | None = None) -> None:
        self._mirrors = mirrors or Mirrors()
        self._gateway = rattler.Gateway(client=rattler.Client.default_client())
        self._prefetching: threading.Thread | None = None
        self._prefetch_failure = ""

    def prefetch(self, channels: Sequence[str], subdirs: Sequence[Subdir]) -> None:
        """Begin to fetch and index the metadata that a solve will need, in the background.

        Worth it while versions are still being chosen. Trouble is met again, and then reported, by the solve.
        """

        async def query() -> None:
            platforms = [rattler.Subdir(subdir) for subdir in (*subdirs, "noarch")]
            await self._gateway.query(self._sources(channels), platforms, ["python"], recursive=False)

        def fetch() -> None:
            try:
                asyncio.run(query())
            except Exception as error:  # noqa: BLE001 - whatever it is, the solve meets it too and says so
                self._prefetch_failure = str(error)

        self._prefetching = threading.Thread(target=fetch, name="prefetch metadata", daemon=True)
        self._prefetching.start()

    async def solve(self, request: SolveRequest) -> list[LockedPackage]:
        try:
            records = await self._reached(
                request,
                rattler.solve(
                    sources=self._sources(request.channels),
                    specs=request.specs,
                    gateway=self._gateway,
                    platforms=[request.subdir.value, "noarch"],
                    virtual_packages=[_virtual(name, text) for name, text in request.virtual_packages.items()],
                    constraints=[f"{name} =={version}" for name, version in request.exact.items()],
                ),
            )
        except SolverError as error:
            raise UnsatisfiableError(
                f"no set of packages for {request.subdir} satisfies the recipe:\n{_plain(str(error))}",
                hint="loosen the pin named above, or see `envbuild show` for where it comes from",
            ) from None
        except InvalidMatchSpecError as error:
            raise UsageError(f"a match spec of the recipe is malformed: {error}") from None
        return [self._locked(record, request) for record in records]

    async def versions(self, request: SolveRequest, package: str) -> frozenset[str]:
        found = await self._reached(
            request,
            self._gateway.query(
                self._sources(request.channels), [request.subdir.value, "noarch"], [package], recursive=False
            ),
        )
        return frozenset(str(record.version) for records in found for record in records)

    async def _reached(self, request: SolveRequest, work: Awaitable[T]) -> T:
        """`work`, with failures to reach a channel said in the user's terms."""
        try:
            return await work
        except (GatewayError, FetchRepoDataError) as error:
            reason = await asyncio.to_thread(self._reason, str(error))
            raise SourceUnreachableError(
                f"packages of {', '.join(request.channels)} for {request.subdir} cannot be fetched: {_plain(reason)}",
                hint="check the network and the channel's name; behind a mirror use --mirror CHANNEL=URL; "
                "a machine that reaches only PyPI can use `envbuild create RECIPE --source pypi`",
            ) from None

    def _reason(self, told: str) -> str:
        """Why a request failed: the gateway tells the cause only to whoever asked first, which the prefetch may be."""
        if "coalesced request failed" in told and self._prefetching is not None:
            self._prefetching.join()
            return self._prefetch_failure or told
        return told

    def _sources(self, channels: Sequence[str]) -> list[rattler.Channel]:
        try:
            return [rattler.Channel(self._mirrors.fetch_url(canonical_url(channel))) for channel in channels]
        except InvalidChannelError as error:
            raise UsageError(f"a channel of the recipe is malformed: {error}") from None

    def _locked(self, record: rattler.RepoDataRecord, request: SolveRequest) -> LockedPackage:
        if record.sha256 is None or record.md5 is None:
            raise LockfileError(
                f"{record.url} has no {'SHA-256' if record.sha256 is None else 'MD5'} in its channel's metadata; "
                "it cannot be locked",
                hint="use a channel that publishes both hashes (conda-forge does)",
            )
        return LockedPackage(
            manager="conda",
            name=record.name.normalized,
            version=str(record.version),
            subdir=request.subdir,
            url=self._mirrors.canonical(record.url),
            sha256=record.sha256.hex(),
            md5=record.md5.hex(),
            dependencies=version_ranges(record.depends),
        )


def version_ranges(depends: Iterable[str]) -> dict[str, str]:
    """`["python_abi 3.12.* *_cp312", "numpy >=2,<3"]` as name → version range, as conda-lock writes them.

    Build strings are left out, as conda-lock leaves them out; two specs for one name are joined.
    """
    ranges: dict[str, str] = {}
    for depend in depends:
        if "[" in depend:
            spec = rattler.MatchSpec(depend)
            name, version = str(spec.name.normalized), str(spec.version or "")
        else:
            parts = depend.split()
            name, version = parts[0], parts[1] if len(parts) > 1 else ""
        version = "" if version == "*" else version
        ranges[name] = ",".join(part for part in (ranges.get(name, ""), version) if part)
    return ranges


def _virtual(name: str, text: str) -> rattler.GenericVirtualPackage:
    version, _, build = text.partition(" ")
    return rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), BuildString(build or "0"))


def _plain(reason: str) -> str:
    """The library's message without its own error prefixes, which say nothing to a user; causes in one line."""
    return reason.removeprefix("Cannot solve the request because of: ").replace("\nCaused by: ", ": ").strip()
