"""Channels under their canonical URL, and mirrors from which they are really fetched.

A mirror changes where bytes come from and nothing else: rendered files and locks keep the channel's own
name and URLs, so a lock made behind a mirror is the same as one made without.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from builder.errors import SourceUnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class Mirrors:
    """Canonical channel URL → where to fetch it instead. URLs end without a slash."""

    urls: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    """The same for packages, where they are not beside the metadata (which had to be unpacked elsewhere)."""

    @classmethod
    def parse(cls, pairs: Mapping[str, str], *, unpack_dir: Path) -> Mirrors:
        """From `CHANNEL → URL or folder`. Raises UsageError for a place that is no channel.

        A folder that holds `repodata.json.zst` alone (as published channels and their snapshots do) is
        given an unpacked twin under `unpack_dir`, since a `file://` channel is read uncompressed.
        """
        urls: dict[str, str] = {}
        packages: dict[str, str] = {}
        for channel, place in pairs.items():
            folder = _local_folder(place)
            if folder is None and "://" not in place:
                raise UsageError(f"the mirror {place!r} of {channel} is neither a URL nor an existing folder")
            where = place if folder is None else _readable(folder, channel, unpack_dir).as_uri()
            urls[canonical_url(channel)] = where.rstrip("/")
            if folder is not None:
                packages[canonical_url(channel)] = folder.as_uri()
        return cls(urls, packages)

    def fetch_url(self, url: str) -> str:
        """Where to fetch the channel or metadata that the canonical `url` names."""
        return _moved(url, self.urls)

    def package_url(self, url: str) -> str:
        """Where to fetch the package that the canonical `url` names."""
        return _moved(url, {**self.urls, **self.packages})

    def canonical(self, url: str) -> str:
        """The canonical URL of something fetched from `url`."""
        for canonical, mirror in self.urls.items():
            if url == mirror or url.startswith(f"{mirror}/"):
                return canonical + url[len(mirror) :]
        return url


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
        raise SourceUnreachableError(f"the mirror {place} is not there", hint="check the path after file://")
    return None


def _readable(folder: Path, channel: str, unpack_dir: Path) -> Path:
    packed = [path for path in folder.glob("*/repodata.json.zst") if not path.with_suffix("").exists()]
    if not packed and not any(folder.glob("*/repodata.json")):
        raise UsageError(f"the mirror {folder} of {channel} holds no SUBDIR/repodata.json")
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


def _check_end(unpacked: Path, source: Path) -> None:
    """zstd's copying ends without complaint where the input was cut off; metadata ends with its closing brace."""
    with unpacked.open("rb") as stream:
        stream.seek(max(0, unpacked.stat().st_size - 16))
        if not stream.read().rstrip().endswith(b"}"):
            raise SourceUnreachableError(f"{source} is cut off", hint="fetch the mirror again")


def _unpack(source: Path, target: Path) -> None:
    """Write `source` (packed or not) to `target`, by way of a temporary name so that no half file is ever read."""
    import shutil

    import zstandard

    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as packed, temporary.open("wb") as plain:
            if source.suffix == ".zst":
                zstandard.ZstdDecompressor().copy_stream(packed, plain)
            else:
                shutil.copyfileobj(packed, plain)
        _check_end(temporary, source)
        temporary.replace(target)
    except (OSError, zstandard.ZstdError) as error:
        raise SourceUnreachableError(
            f"{source} cannot be unpacked to {target.parent}: {error}",
            hint="free space there, or name another folder for envbuild's data with XDG_DATA_HOME",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
