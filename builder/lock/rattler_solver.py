"""Solving with py-rattler: no conda needed, any target platform, all platforms at once."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar

import rattler
from rattler.exceptions import (
    FetchRepoDataError,
    GatewayError,
    InvalidChannelError,
    InvalidMatchSpecError,
    SolverError,
)
from rattler.package.build_string import BuildString

from builder.credentials import redact
from builder.errors import ChannelUnreachableError, LockfileError, SourceUnreachableError, UsageError
from builder.lock.channels import Mirrors, canonical_url, client_for, network_reason
from builder.lock.model import LockedPackage
from builder.lock.solver import SolveRequest, UnsolvableError
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path


T = TypeVar("T")

#: A version and a build string that a match spec takes literally.
_PLAIN: Final = re.compile(r"[A-Za-z0-9]+(?:[_.!+][A-Za-z0-9]+)* [A-Za-z0-9_.]+")

#: What the gateway says of metadata that came and cannot be read.
_DAMAGED: Final = re.compile(
    r"failed to (?:parse|extract|deserialize|decode)|invalid type|EOF while parsing", re.IGNORECASE
)
#: What the gateway says instead of a cause to all but the one who asked first.
_OF_ANOTHER: Final = "coalesced request failed"
#: How often a question is asked that failed on account of another one.
_TRIES: Final = 4


class RattlerSolver:
    """One gateway for all platforms, so that `noarch` is fetched and parsed once."""

    name = "rattler"
    prefers = True

    def __init__(self, *, mirrors: Mirrors | None = None, cache: Path | None = None, offline: bool = False) -> None:
        """`cache` is where metadata is kept; default: rattler's own place, shared with its other tools.

        `offline`: it comes from there alone, however old it is.
        """
        self._mirrors = mirrors or Mirrors()
        self._client = client_for(self._mirrors)
        self._offline = offline
        self._config = rattler.SourceConfig(cache_action="force-cache-only") if offline else None
        self._gateway = rattler.Gateway(cache_dir=cache, client=self._client, default_config=self._config)
        self._prefetching: threading.Thread | None = None

    def prefetch(self, channels: Sequence[str], subdirs: Sequence[Subdir]) -> None:
        """Begin to fetch and index the metadata that a solve will need, in the background.

        Worth it while versions are still being chosen. Trouble is met again, and then reported, by the solve.
        """

        async def query() -> None:
            platforms = [rattler.Subdir(subdir) for subdir in (*subdirs, "noarch")]
            await self._gateway.query(self._sources(channels), platforms, ["python"], recursive=False)

        def fetch() -> None:
            # Whatever goes wrong: the solve meets it too, and says so.
            with contextlib.suppress(Exception):
                asyncio.run(query())

        self._prefetching = threading.Thread(target=fetch, name="prefetch metadata", daemon=True)
        self._prefetching.start()

    async def solve(self, request: SolveRequest) -> list[LockedPackage]:
        try:
            preferred = await self._records(request)
            records = await self._reached(
                request,
                lambda: rattler.solve(
                    sources=self._sources(request.channels),
                    specs=request.specs,
                    gateway=self._gateway,
                    platforms=[request.subdir.value, "noarch"],
                    virtual_packages=[_virtual(name, text) for name, text in request.virtual_packages.items()],
                    constraints=[f"{name} =={version}" for name, version in request.exact.items()],
                    locked_packages=preferred,
                    exclude_newer=request.exclude_newer,
                ),
            )
        except SolverError as error:
            raise UnsolvableError(
                f"no set of packages for {request.subdir} satisfies the recipe:\n{_plain(str(error))}", request=request
            ) from None
        except InvalidMatchSpecError as error:
            raise UsageError(f"a match spec is malformed: {_plain(str(error))}") from None
        return [self._locked(record, request) for record in records]

    async def _records(self, request: SolveRequest) -> list[rattler.RepoDataRecord]:
        """The channels' records of the packages to stay at; of those that are gone from there, none."""
        wanted = {(self._mirrors.fetch_url(package.without_names), package.sha256) for package in request.preferred}
        if not wanted:
            return []
        # By name alone there would be thousands of other builds to look at here.
        return [
            record
            for record in await self.records(request, sorted({_spec(package) for package in request.preferred}))
            if record.sha256 is not None and (record.url, record.sha256.hex()) in wanted
        ]

    async def versions(self, request: SolveRequest, package: str) -> frozenset[str]:
        return frozenset(str(record.version) for record in await self.records(request, [package]))

    async def records(self, request: SolveRequest, specs: Sequence[str]) -> list[rattler.RepoDataRecord]:
        """Every record of these names or match specs on the request's channels, for its platform or `noarch`."""
        found = await self._reached(
            request,
            lambda: self._gateway.query(
                self._sources(request.channels), [request.subdir.value, "noarch"], specs, recursive=False
            ),
        )
        return [record for records in found for record in records]

    async def names(self, channels: Sequence[str]) -> tuple[str, ...]:
        """The names of all packages of the channels, for any platform."""
        request = SolveRequest(subdir=Subdir.NOARCH, channels=tuple(channels), specs=(), virtual_packages={}, exact={})
        platforms = [rattler.Subdir(subdir.value) for subdir in (*TARGETS, Subdir.NOARCH)]
        found = await self._reached(request, lambda: self._gateway.names(self._sources(channels), platforms))
        return tuple(sorted({name.normalized for name in found}))

    async def _reached(self, request: SolveRequest, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, with failures to reach or to read a channel said in the user's terms."""
        if self._prefetching is not None:
            # The gateway makes one of two questions about the same metadata, and then may fail the one of another
            # event loop.
            await asyncio.to_thread(self._prefetching.join)
        for left in reversed(range(_TRIES)):
            try:
                return await work()
            except (GatewayError, FetchRepoDataError) as error:
                # Another platform asked for the same at that moment, and its question failed or was given up, which
                # may be no fault of this one's metadata. Asked alone, it gets an answer or the cause.
                if left and _OF_ANOTHER in str(error):
                    continue
                raise _unreached(str(error), request) from None
        raise AssertionError("the last try returns or raises")

    def _sources(self, channels: Sequence[str]) -> list[rattler.Channel]:
        if not self._offline:
            for channel in channels:
                self._mirrors.require(canonical_url(channel))
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


def _unreached(told: str, request: SolveRequest) -> SourceUnreachableError:
    reason, channels = redact(_plain(told)), redact(", ".join(request.channels))
    if _DAMAGED.search(reason):
        return SourceUnreachableError(
            f"the metadata of {channels} for {request.subdir} is damaged: {reason}",
            hint="fetch the mirror again, or use another one (--mirror CHANNEL=URL)",
        )
    return ChannelUnreachableError(
        f"packages of {channels} for {request.subdir} cannot be fetched: {network_reason(reason)}",
        hint="check the network and the channel's name; behind a mirror use --mirror CHANNEL=URL",
    )


def version_ranges(depends: Iterable[str]) -> dict[str, str]:
    """`["python_abi 3.12.* *_cp312", "numpy >=2,<3"]` as name → version range, as conda-lock writes them.

    Build strings are left out, as conda-lock leaves them out; two specs for one name are joined.
    """
    ranges: dict[str, str] = {}
    for depend in depends:
        name, version = _parted(depend)
        known = ranges.get(name)
        ranges[name] = f"{known},{version}" if known and version else known or version
    return ranges


@cache
def _parted(depend: str) -> tuple[str, str]:
    """Name and version range. Remembered: the records of a package depend on the same few things."""
    if "[" in depend:
        spec = rattler.MatchSpec(depend)
        name, version = str(spec.name.normalized), str(spec.version or "")
    else:
        parts = depend.split()
        name, version = parts[0], parts[1] if len(parts) > 1 else ""
    return name, "" if version == "*" else version


def _spec(package: LockedPackage) -> str:
    """What matches the package itself; its name alone where a lock says what no match spec has room for."""
    exact = _PLAIN.fullmatch(f"{package.version} {package.build}")
    return package.name if exact is None else f"{package.name} =={exact[0]}"


def _virtual(name: str, text: str) -> rattler.GenericVirtualPackage:
    version, _, build = text.partition(" ")
    return rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), BuildString(build or "0"))


def _plain(reason: str) -> str:
    """The library's message without its own error prefixes, which say nothing to a user; causes in one line."""
    return reason.removeprefix("Cannot solve the request because of: ").replace("\nCaused by: ", ": ").strip()
