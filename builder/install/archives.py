"""The archives of locked packages as files: conda packages and wheels, each fetched once and compared with its hash."""

from __future__ import annotations

import asyncio
import glob
import hashlib
import os
import shutil
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from builder.credentials import redact, without_credentials
from builder.errors import BuildError, SourceUnreachableError
from builder.files import open_regular
from builder.install.space import Store, is_no_space, no_space
from builder.lock.channels import client_for
from builder.lock.solver import settled
from builder.logins import find_logins
from builder.uv import UvFailure
from builder.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from builder.lock.channels import Mirrors
    from builder.lock.model import LockedPackage
    from builder.progress import Progress
    from builder.uv import Uv

#: How many are fetched at once.
_AT_ONCE: Final = 8
_TASK: Final = "archives"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A package's archive, and the file that it is to be in."""

    package: LockedPackage
    file: Path


@dataclass(frozen=True, kw_only=True)
class Archives:
    """Where archives are fetched from, and where progress goes."""

    mirrors: Mirrors
    uv: Uv
    progress: Progress

    def fetch(self, wanted: Iterable[Wanted]) -> int:
        """Have every archive in its file, with the locked SHA-256; gives how many were not there yet.

        What is there and right stays; every file is written whole or not at all, so that a run that was stopped is
        continued by the next. Raises SourceUnreachableError, BuildError for what is not the locked package.
        """
        every = list({one.file: one for one in wanted}.values())
        missing = [one for one in every if _digest_of(one.file) != one.package.sha256]
        if missing:
            asyncio.run(_Run(self, missing).fetch())
            self.progress.done(_TASK, f"fetched {plural(len(missing), 'package')} of {len(every)}")
        return len(missing)


class _Run:
    """One fetching of what is missing."""

    def __init__(self, archives: Archives, missing: list[Wanted]) -> None:
        self._mirrors, self._uv, self._progress = archives.mirrors, archives.uv, archives.progress
        self._missing = missing
        logins = find_logins(self._uv, (one.package.url for one in missing if one.package.manager == "pip"))
        self._client = client_for(replace(self._mirrors, secret={**self._mirrors.secret, **logins}))
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._done = 0
        self._failed = False
        self._asking = asyncio.Lock()
        self._by_index: dict[str | None, str] | None = None
        """Where the index that is configured here has the locked wheels, by SHA-256; None before it was asked."""

    async def fetch(self) -> None:
        self._tell("fetching packages")
        await settled(self._one(wanted) for wanted in self._missing)

    def _tell(self, description: str) -> None:
        self._progress.update(_TASK, description, completed=self._done, total=len(self._missing))

    async def _one(self, wanted: Wanted) -> None:
        async with self._places:
            # What has begun is ended, and will not have to be fetched again; nothing more is begun.
            if self._failed:
                return
            try:
                await self._settle(wanted)
            except BaseException:
                self._failed = True
                raise
        self._done += 1
        self._tell(f"fetching packages ({self._done}/{len(self._missing)}): {wanted.package.file_name}")

    async def _settle(self, wanted: Wanted) -> None:
        """One archive fetched into a file beside its own, compared with its hash, and moved there."""
        package, file = wanted.package, wanted.file
        part = file.with_name(f".{file.name}.part-{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            _sweep(file)
            await (self._conda(package, part) if package.manager == "conda" else self._wheel(package, part))
            digest = await asyncio.to_thread(_digest_of, part)
            if digest != package.sha256:
                raise BuildError(
                    f"{package.file_name} is not the package that was locked: sha256 {digest}, locked {package.sha256}",
                    hint="a server or proxy sent other bytes, or the file was changed; do not trust that source",
                )
            part.replace(file)
        except OSError as error:
            reason = error.strerror or str(error)
            if is_no_space(reason):
                raise no_space(reason, [Store(path=file.parent, remedy="free space there")]) from None
            raise BuildError(f"{file} cannot be written: {reason}", hint="make the folder writable") from None
        finally:
            part.unlink(missing_ok=True)

    async def _conda(self, package: LockedPackage, part: Path) -> None:
        self._mirrors.require(package.url)
        reason = await self._download(self._mirrors.package_url(package.url), part, package)
        if reason is not None:
            host = urlsplit(self._mirrors.package_url(package.url)).netloc.rpartition("@")[2]
            raise SourceUnreachableError(
                f"{package.name} cannot be fetched{f' from {host}' if host else ''}: {reason}",
                hint="check the network; behind a mirror use --mirror CHANNEL=URL",
            )

    async def _wheel(self, package: LockedPackage, part: Path) -> None:
        """From where it was locked, or from the index that is configured here, which may be another one."""
        # Another tool's lock may name variables in it for the index's login, which uv knows, or is told by the user.
        locked = without_credentials(package.url)
        url = locked if self._by_index is None else self._by_index.get(package.sha256, locked)
        reason = await self._download(url, part, package)
        if reason is None:
            return
        async with self._asking:
            if self._by_index is None:
                self._by_index = await self._ask_index()
        other = self._by_index.get(package.sha256, url)
        if other != url:
            reason = await self._download(other, part, package)
        if reason is not None:
            raise SourceUnreachableError(
                f"{package.name} cannot be fetched: {reason}",
                hint="check the network, or the index that uv is configured for (UV_INDEX, uv.toml)",
            )

    async def _download(self, url: str, part: Path, package: LockedPackage) -> str | None:
        """Fetch a file; gives why it cannot be fetched. Raises OSError where it cannot be written."""
        if url.startswith("file://"):
            await asyncio.to_thread(_copy, url, part, package)
            return None
        from rattler.package_streaming import download_to_path

        try:
            await download_to_path(self._client, url, part)
        except Exception as error:  # noqa: BLE001 - py-rattler raises whatever its client does
            return redact(str(error))
        return None

    async def _ask_index(self) -> dict[str | None, str]:
        """Where the configured index has the missing wheels; all together, one version of each at a time."""
        rounds: list[dict[str, str]] = []
        for package in {(one.package.name, one.package.version): one.package for one in self._missing}.values():
            if package.manager == "pip":
                free = next((versions for versions in rounds if package.name not in versions), None)
                if free is None:
                    rounds.append(free := {})
                free[package.name] = package.version
        found: dict[str | None, str] = {}
        for versions in rounds:
            found |= await self._locate(versions)
        return found

    async def _locate(self, versions: Mapping[str, str]) -> dict[str | None, str]:
        with self._uv.scratch() as (folder, cwd):
            wanted, output = folder / "wanted.in", folder / "pylock.toml"
            wanted.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
            arguments = (
                "pip", "compile", str(wanted), f"--output-file={output}", "--universal", "--no-deps", "--no-header",
                "--quiet", "--only-binary=:all:", "--format=pylock.toml",
            )  # fmt: skip
            try:
                await self._uv.run(arguments, cwd=cwd)
                return _urls(tomllib.loads(output.read_text(encoding="utf-8")), folder)
            except (UvFailure, OSError, ValueError):
                return {}


def _sweep(file: Path) -> None:
    """Delete what killed runs have begun to fetch for a file; what a run is at is named by its process."""
    for part in file.parent.glob(f".{glob.escape(file.name)}.part-*"):
        process = part.name.rpartition("-")[2]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            part.unlink(missing_ok=True)
        except (ValueError, OverflowError, PermissionError):
            continue


def _urls(pylock: Mapping[str, Any], folder: Path) -> dict[str | None, str]:
    """The URL of each wheel of a PEP 751 lock by its SHA-256; files are relative to the lock's folder."""
    return {
        wheel["hashes"]["sha256"]: wheel["url"] if "url" in wheel else (folder / wheel["path"]).resolve().as_uri()
        for package in pylock.get("packages", ())
        for wheel in package.get("wheels", ())
        if "sha256" in wheel.get("hashes", {}) and ("url" in wheel or "path" in wheel)
    }


def _copy(url: str, part: Path, package: LockedPackage) -> None:
    path = Path(unquote(urlsplit(url).path))
    try:
        source = open_regular(path)
    except OSError as error:
        raise SourceUnreachableError(
            f"{package.name}: {path} cannot be read: {error.strerror}",
            hint="the lock was made on another machine, or its channel was deleted: run `envbuild lock` again",
        ) from None
    with source, part.open("wb") as target:
        shutil.copyfileobj(source, target)


def _digest_of(file: Path) -> str | None:
    """SHA-256 (hex) of a file; None where it is not there or cannot be read."""
    try:
        with open_regular(file) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
