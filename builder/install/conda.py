"""Linking conda packages with py-rattler: exactly the lock's packages, each checked by SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

import rattler
from rattler.exceptions import InstallerError
from rattler.install import InstallerReporter
from rattler.package.build_string import BuildString
from rattler.package_cache import PackageCache, PackageCacheLayer, ValidationMode

from builder.credentials import redact
from builder.errors import BuildError, ChannelUnreachableError, SourceUnreachableError
from builder.files import open_regular
from builder.install.foreign import sign_replaced
from builder.install.packages import extracted_folder, objection
from builder.install.records import complete_records
from builder.install.space import Store, is_no_space, no_space, prefix_store, temporary_store
from builder.lock.channels import client_for, network_reason
from builder.platforms import Subdir
from builder.wording import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from builder.lock.channels import Mirrors
    from builder.lock.model import LockedPackage
    from builder.progress import Progress

#: What a panic of py-rattler's own code arrives as; the first through its asynchronous functions.
_PANICS: Final = ("RustPanic", "PanicException")
#: How rattler begins what went wrong in its package cache.
_CACHE_LAYER: Final = "package cache layer"
#: What py-rattler says when a server, and not this machine, is the trouble (reqwest's and its own wording).
_UNREACHABLE: Final = re.compile(
    r"error sending request|error decoding response body|dns error|connection (refused|reset|closed)|timed out"
    r"|http status (client|server) error|status code",
    re.IGNORECASE,
)


def install_conda(
    packages: Sequence[LockedPackage],
    prefix: Path,
    *,
    subdir: Subdir,
    host: Subdir | None,
    mirrors: Mirrors,
    requested: Sequence[str],
    cache: Path,
    progress: Progress,
    anew: Collection[str] | None = None,
    ignored: Collection[str] = (),
) -> None:
    """Download (or take from `cache`) and link `packages` into `prefix`, and unlink all others that are there.

    Of packages that are there as they are wanted, only those named in `anew` are linked again; None says that the
    prefix is empty. Packages named in `ignored` stay, although they are not wanted.

    For a platform other than the host's nothing is run, and Mach-O files whose prefix was replaced are
    signed again by ourselves, since `codesign` exists on macOS only. Raises BuildError, SourceUnreachableError.
    """
    linking = [package for package in packages if anew is None or package.name in anew]
    for package in linking:
        mirrors.require(package.url)
        _check_local(package, mirrors)
    foreign_mac = subdir.is_osx and not (host is not None and host.is_osx)
    # The protocol's other methods are no-ops that it wants inherited; mypy takes empty bodies for abstract.
    reporter = _Reporter(progress, packages, cache, expected=len(linking))  # type: ignore[abstract]
    try:
        asyncio.run(
            rattler.install(
                [_record(package, mirrors) for package in packages],
                prefix,
                # py-rattler calls /usr/bin/codesign for an osx-arm64 target; off a Mac the layout of Linux,
                # which is the same, keeps it from that.
                platform=rattler.Subdir(Subdir.LINUX_64 if foreign_mac else subdir),
                execute_link_scripts=False,
                show_progress=False,
                client=client_for(mirrors),
                reporter=reporter,
                package_cache=_package_cache(cache),
                reinstall_packages=set(anew) if anew else None,
                ignored_packages=set(ignored) if ignored else None,
            )
        )
    except BaseException as error:
        if reporter.refused:
            raise _refusal(reporter.refused) from None
        if isinstance(error, InstallerError):
            raise _failure(str(error), packages, prefix=prefix, cache=cache) from None
        if type(error).__name__ in _PANICS:
            raise BuildError(
                f"the packages could not be linked; py-rattler stopped with an internal error: {error}",
                hint="run `envbuild create` again; if it stays so, report it with the lock",
            ) from None
        raise
    if reporter.refused:
        raise _refusal(reporter.refused)
    reporter.finish()
    folders = {name: extracted_folder(cache, package) for name, package in reporter.linked.items()}
    complete_records(prefix, packages, folders=folders, requested=requested)
    if foreign_mac:
        sign_replaced(prefix, packages=folders)


def _package_cache(folder: Path) -> PackageCache:
    # Cached packages are linked by hard links, so an environment that was edited has edited the cache: read it all.
    layer = PackageCacheLayer(folder).with_validation_mode(ValidationMode.full())
    return PackageCache.from_layers([layer])


def _check_local(package: LockedPackage, mirrors: Mirrors) -> None:
    """py-rattler checks the hash of what it downloads, but not of a package that already lies on this machine."""
    url = mirrors.package_url(package.url)
    if not url.startswith("file://"):
        return
    path = Path(unquote(urlsplit(url).path))
    try:
        with open_regular(path) as stream:
            digest = hashlib.file_digest(stream, "sha256")
    except OSError as error:
        raise SourceUnreachableError(
            f"{package.name}: {path} cannot be read: {error.strerror}",
            hint="the lock was made on another machine, or its channel was deleted: run `envbuild lock` again"
            if url == package.url
            else "the mirror does not hold this package; complete it, or leave the mirror out",
        ) from None
    if digest.hexdigest() != package.sha256:
        raise BuildError(
            f"{path} is not the package that was locked: sha256 {digest.hexdigest()}, locked {package.sha256}",
            hint="restore the file, or lock again if the change was meant",
        )


def _record(package: LockedPackage, mirrors: Mirrors) -> rattler.RepoDataRecord:
    url = mirrors.package_url(package.url)
    build = package.build
    number = build.rpartition("_")[2]
    record = rattler.PackageRecord(
        package.name,
        package.version,
        BuildString(build),
        int(number) if number.isdigit() else 0,
        package.url_subdir,
        depends=[f"{name} {version}".strip() for name, version in package.dependencies.items()],
        sha256=bytes.fromhex(package.sha256 or ""),
        md5=bytes.fromhex(package.md5) if package.md5 else None,
    )
    channel = package.url.rsplit("/", 2)[0]
    return rattler.RepoDataRecord(record, package.file_name, url, channel)


def _failure(
    reason: str, packages: Sequence[LockedPackage], *, prefix: Path, cache: Path
) -> BuildError | SourceUnreachableError:
    reason = redact(reason.replace("\nCaused by: ", ": "))
    lower = reason.lower()
    if "hash mismatch" in lower:
        return BuildError(
            f"a package is not the one that was locked: {reason}",
            hint="the server or a proxy sent other bytes; try again, and if it stays so do not trust that source",
        )
    if is_no_space(reason):
        cached = Store(path=cache, remedy="free space there, or name another folder with RATTLER_CACHE_DIR")
        stores = [prefix_store(prefix), cached, temporary_store()]
        # Of what is unpacked there the message gives no place, and by now it may have been deleted again.
        return no_space(reason, stores[1:] + stores[:1] if _CACHE_LAYER in reason else stores)
    if "failed to create cache directory" in lower or "cache lock" in lower:
        return BuildError(
            f"the package cache cannot be written: {reason}", hint="name a writable folder with RATTLER_CACHE_DIR"
        )
    if "longer than the placeholder prefix" in lower:
        return BuildError(
            f"the path of the environment is too long for a package with the path compiled in: {reason}",
            hint="choose a shorter one with -p PREFIX",
        )
    if _UNREACHABLE.search(reason):
        hosts = sorted({urlsplit(package.url).netloc.rpartition("@")[2] for package in packages})
        return ChannelUnreachableError(
            f"packages cannot be fetched from {', '.join(hosts)}: {network_reason(reason)}",
            hint="check the network; behind a mirror use --mirror CHANNEL=URL",
        )
    return BuildError(f"the packages could not be installed: {reason}")


def _refusal(refused: Mapping[str, str]) -> BuildError:
    lines = "\n".join(f"  {file}: {reason}" for file, reason in sorted(refused.items()))
    return BuildError(
        f"a package is not fit to be installed:\n{lines}",
        hint="do not trust the channel that it comes from; lock again without it",
    )


class _Reporter(InstallerReporter):
    """py-rattler's callbacks: two bars, bytes downloaded and packages linked, and a look at each package before that.

    Called from its worker threads; what is raised here is ignored.
    """

    def __init__(self, progress: Progress, packages: Sequence[LockedPackage], cache: Path, *, expected: int) -> None:
        self._progress = progress
        self._packages = {package.name: package for package in packages}
        self._cache = cache
        self._expected = expected
        self._done = 0
        self._sizes: list[tuple[int, int]] = []
        self.refused: dict[str, str] = {}
        """File name of a package that was not linked → why."""
        self.linked: dict[str, LockedPackage] = {}
        """The packages that py-rattler set out to link: what it finds to be another is among them, asked for or not."""

    def on_link_start(self, operation: int, package_name: str) -> int:
        package = self.linked[package_name] = self._packages[package_name]
        folder = extracted_folder(self._cache, package)
        reason = objection(folder, package)
        if reason is not None:
            self.refused[package.file_name] = reason
            # A callback has no say in what happens next. What it can do is to leave nothing that could be linked:
            # without its list of files a package fails, and the cache fetches it anew when it is next asked for.
            paths = folder / "info" / "paths.json"
            paths.unlink(missing_ok=True)
            paths.write_text("{", encoding="ascii")
        return operation

    def on_download_start(self, cache_entry: int) -> int:
        self._sizes.append((0, 0))
        return len(self._sizes) - 1

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        self._sizes[download_idx] = (progress, total or progress)
        done, expected = (sum(column) for column in zip(*self._sizes, strict=True))
        self._progress.update(
            "download", f"downloading {len(self._sizes)} packages", completed=done / 1e6, total=expected / 1e6
        )

    def on_link_complete(self, index: int) -> None:
        self._done += 1
        total = max(self._expected, self._done)
        self._progress.update("link", f"linking packages ({self._done}/{total})", completed=self._done, total=total)

    def finish(self) -> None:
        if self._sizes:
            megabytes = sum(done for done, _ in self._sizes) / 1e6
            self._progress.done("download", f"downloaded {len(self._sizes)} conda packages ({megabytes:,.0f} MB)")
        self._progress.done("link", f"linked {plural(self._done, 'conda package')}")
