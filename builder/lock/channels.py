"""Channels under their canonical URL, and mirrors from which they are really fetched.

A mirror changes where bytes come from and nothing else: rendered files and locks keep the channel's own
name and URLs, so a lock made behind a mirror is the same as one made without.
"""

from __future__ import annotations

import atexit
import base64
import hashlib
import os
import re
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from builder.credentials import redact, without_credentials
from builder.errors import SourceUnreachableError, UsageError
from builder.files import atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    import rattler

_CHUNK: Final = 1 << 20
#: Seconds in which py-rattler's threads let go of Python after they have handed over what was asked.
_LETTING_GO: Final = 0.1
#: How py-rattler's network says what it was doing, and the layers that an error came through.
_SENDING: Final = r"error sending request for url \(([^()\s]+)\)"
_LAYERS: Final = (
    r"(?:Request failed after \d+ retries|failed to interact with the package cache layer\.?|client error \(\w+\)"
    r"|dns error|error resolving DNS|failed to lookup address information|tcp connect error): "
)


@dataclass(frozen=True)
class Mirrors:
    """Canonical channel URL → where to fetch it instead. URLs end without a slash and hold no credentials."""

    urls: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    """The same for packages, where they are not beside the metadata (which had to be unpacked elsewhere)."""
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Mirror URL → the same with the user's credentials, which only `client_for` uses: they are sent, and neither
    written nor part of a cache's key."""
    problems: Mapping[str, SourceUnreachableError] = field(default_factory=dict)
    """Channel → why nothing can be fetched from it (`builder.lock.private`)."""

    @classmethod
    def parse(cls, pairs: Mapping[str, str], *, unpack_dir: Path) -> Mirrors:
        """From `CHANNEL → URL or folder`. Raises UsageError for a place that is no channel.

        A folder that holds `repodata.json.zst` alone (as published channels and their snapshots do) is
        given an unpacked twin under `unpack_dir`, since a `file://` channel is read uncompressed.
        """
        urls: dict[str, str] = {}
        packages: dict[str, str] = {}
        secret: dict[str, str] = {}
        for channel, place in pairs.items():
            folder = _local_folder(place)
            if folder is None and "://" not in place:
                named = "" if "@" in place else f" {place!r}"  # what is before an @ may be a password
                raise UsageError(f"the mirror{named} of {channel} is neither a URL nor an existing folder")
            where = place if folder is None else _readable(folder, channel, unpack_dir).as_uri()
            clean = without_credentials(where).rstrip("/") if folder is None else where.rstrip("/")
            if clean != where.rstrip("/"):
                secret[clean] = where.rstrip("/")
            urls[canonical_url(channel)] = clean
            if folder is not None:
                packages[canonical_url(channel)] = folder.as_uri()
        return cls(urls, packages, secret)

    def fetch_url(self, url: str) -> str:
        """Where to fetch the channel or metadata that the canonical `url` names."""
        return _moved(url, self.urls)

    def package_url(self, url: str) -> str:
        """Where to fetch the package that the canonical `url` names."""
        return _moved(url, {**self.urls, **self.packages})

    def require(self, url: str) -> None:
        """To be called before anything is fetched. Raises SourceUnreachableError where credentials are missing."""
        for channel, problem in self.problems.items():
            if url == channel or url.startswith(f"{channel}/"):
                raise problem

    def canonical(self, url: str) -> str:
        """The canonical URL of something fetched from `url`."""
        for canonical, mirror in self.urls.items():
            if url == mirror or url.startswith(f"{mirror}/"):
                return canonical + url[len(mirror) :]
        return url


def network_reason(told: str) -> str:
    """What kept something from being fetched, without the layers that py-rattler names on the way to it."""
    return re.sub(_LAYERS, "", re.sub(_SENDING, r"\1", told))


def client_for(mirrors: Mirrors) -> rattler.Client:
    """py-rattler's usual client, which also sends the mirrors' credentials, to these mirrors alone."""
    import rattler
    from rattler.networking import middleware

    _outlive_threads()
    basic: list[tuple[str, str, str]] = []
    tokens: dict[str, list[str]] = {}
    for clean, url in mirrors.secret.items():
        parts = urlsplit(url)
        user, _, host = parts.netloc.rpartition("@")
        if user:
            encoded = base64.b64encode(unquote(user).encode()).decode()
            basic.append((parts.hostname or "", parts.path, f"Basic {encoded}"))
        if parts.path != urlsplit(clean).path:
            tokens[clean] = [urlunsplit((parts.scheme, host, parts.path, "", ""))]

    def headers(host: str, path: str) -> dict[str, str] | None:
        for where, prefix, value in basic:
            if host == where and path.startswith(f"{prefix}/"):
                return {"Authorization": value}
        return None

    return rattler.Client(
        [
            *([middleware.MirrorMiddleware(tokens)] if tokens else []),
            middleware.RetryMiddleware(3),
            middleware.AuthenticationMiddleware(),
            *([middleware.AddHeadersMiddleware(headers)] if basic else []),
            middleware.OciMiddleware(),
            middleware.GCSMiddleware(),
            middleware.S3Middleware(),
        ]
    )


@cache
def _outlive_threads() -> None:
    """Have Python wait before it takes itself apart.

    A thread of py-rattler's that has to let go of it at that very moment ends the process by a signal
    (PyO3/pyo3-async-runtimes#40), after all work is done. envbuild's own command ends without taking anything apart.
    """
    atexit.register(time.sleep, _LETTING_GO)


def _moved(url: str, mirrors: Mapping[str, str]) -> str:
    for canonical, mirror in mirrors.items():
        if url == canonical or url.startswith(f"{canonical}/"):
            return mirror + url[len(canonical) :]
    return url


def canonical_url(channel: str) -> str:
    """A channel's base URL without a trailing slash: `conda-forge` lives on anaconda.org, as conda has it."""
    if "://" in channel:
        return channel.rstrip("/")
    return f"https://conda.anaconda.org/{channel.strip('/')}"


def _local_folder(place: str) -> Path | None:
    path = Path(unquote(urlsplit(place).path)) if place.startswith("file://") else Path(place)
    if "://" in place and not place.startswith("file://"):
        return None
    if path.is_dir():
        return path.resolve()
    if place.startswith("file://"):
        raise SourceUnreachableError(f"the mirror {redact(place)} is not there", hint="check the path after file://")
    return None


def _readable(folder: Path, channel: str, unpack_dir: Path) -> Path:
    packed = [path for path in folder.glob("*/repodata.json.zst") if not path.with_suffix("").exists()]
    if not packed and not any(folder.glob("*/repodata.json")):
        raise UsageError(f"the mirror {folder} of {channel} has no SUBDIR/repodata.json")
    if not packed:
        return folder
    digest = hashlib.sha256()
    for path in sorted(packed):
        digest.update(path.parent.name.encode())
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    twin = unpack_dir / digest.hexdigest()[:24]
    for path in sorted(folder.glob("*/repodata.json*")):
        target = twin / path.parent.name / "repodata.json"
        if not target.exists():
            _unpack(path, target)
    return twin


def _check_end(unpacked: IO[bytes], source: Path) -> None:
    """zstd's copying ends without complaint where the input was cut off; metadata ends with its closing brace."""
    unpacked.seek(max(0, unpacked.seek(0, os.SEEK_END) - 16))
    if not unpacked.read().rstrip().endswith(b"}"):
        raise SourceUnreachableError(f"{source} is cut off", hint="fetch the mirror again")


def _unpack(source: Path, target: Path) -> None:
    """Write `source` (packed or not) to `target`, whole or not at all."""
    import shutil

    import zstandard

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as packed, atomically(target) as plain:
            if source.suffix == ".zst":
                zstandard.ZstdDecompressor().copy_stream(packed, plain)
            else:
                shutil.copyfileobj(packed, plain)
            _check_end(plain, source)
    except (OSError, zstandard.ZstdError) as error:
        raise SourceUnreachableError(
            f"{source} cannot be unpacked to {target.parent}: {error}",
            hint="free space there, or name another folder for envbuild's data with XDG_DATA_HOME",
        ) from None
