"""Keep a folder with all packages that a project's locks name: a channel for conda, mamba and pixi, wheels for uv."""

from __future__ import annotations

import contextlib
import fcntl
import html
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from packaging.utils import canonicalize_name

from builder.channel.locked import repodata
from builder.credentials import without_credentials
from builder.errors import BuildError, ChecksFailedError, UsageError
from builder.files import write_atomically
from builder.install.archives import Archives, Wanted
from builder.lock.audit import require_sound
from builder.lock.channels import canonical_url
from builder.lock.read import read_lock
from builder.operations.fetching import mirrors_of
from builder.platforms import TARGETS, Subdir
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.lock.model import LockedPackage
    from builder.workspace import Workspace

_TASK: Final = "mirror"
_WHEELS: Final = "wheels"
#: An index of the wheels, as pip and uv read it (PEP 503).
_SIMPLE: Final = "simple"
_LOCK: Final = ".envbuild-mirror"
_ARCHIVES: Final = (".conda", ".tar.bz2", ".whl")


@dataclass(frozen=True, kw_only=True)
class MirrorRequest:
    """The folder, and whose locks (none: all of the project) it is to have the packages of."""

    folder: Path
    recipes: tuple[str, ...] = ()
    prune: bool = False
    """Delete the packages that none of these locks names any more."""


@dataclass(frozen=True, kw_only=True)
class MirrorResult:
    """The folder, with the channels in it by the names that locks call them."""

    folder: Path
    channels: Mapping[str, Path]
    wheels: Path | None
    """The folder of wheels, where there are any; an index of them is beside it, in `simple`."""
    packages: int
    fetched: int
    pruned: tuple[str, ...]


def mirror(workspace: Workspace, request: MirrorRequest) -> MirrorResult:
    """Fetch what the folder lacks, and write its channels' metadata anew.

    Packages of other locks stay, unless `prune`. Raises ChecksFailedError where there are no locks, LockfileError,
    UsageError, SourceUnreachableError, BuildError; then what was fetched stays, and the metadata is as it was.
    """
    folder = workspace.path(request.folder)
    locks = {file: read_lock(file) for file in _locks(workspace, request.recipes)}
    for file, lock in locks.items():
        require_sound(lock, file)
    named = sorted({canonical_url(channel) for lock in locks.values() for channel in lock.channels})
    channels = _folders(sorted(set(map(without_credentials, named))))
    packages = [package for lock in locks.values() for package in lock.packages]
    places: dict[PurePosixPath, LockedPackage] = {}
    for package in packages:
        path = _path(package, channels)
        if places.setdefault(path, package).sha256 != package.sha256:
            raise UsageError(f"{path.name} is in the locks with different content: {package.url}, {places[path].url}")
    mirrors = mirrors_of(workspace, named, recipes=[file.parent.name for file in locks])
    archives = Archives(mirrors=mirrors, uv=workspace.uv, progress=workspace.progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(workspace, folder):
            fetched = archives.fetch(Wanted(package=package, file=folder / path) for path, package in places.items())
            workspace.progress.update(_TASK, "indexing the channels")
            unwanted = sorted(_archives(folder) - places.keys()) if request.prune else []
            for channel in channels.values():
                _index(folder / channel, without=[folder / path for path in unwanted], packages=packages)
            for path in unwanted:
                (folder / path).unlink()
            _write_index(folder, [package for package in packages if package.manager == "pip"])
    except OSError as error:
        raise BuildError(f"{folder} cannot be written: {error.strerror or error}", hint="make it writable") from None
    workspace.progress.done(_TASK, "indexed the channels")
    return MirrorResult(
        folder=folder,
        channels={url: folder / name for url, name in channels.items()},
        wheels=folder / _WHEELS if any(package.manager == "pip" for package in packages) else None,
        packages=len(places),
        fetched=fetched,
        pruned=tuple(map(str, unwanted)),
    )


def _locks(workspace: Workspace, recipes: tuple[str, ...]) -> list[Path]:
    project = workspace.project
    if not recipes:
        found = sorted((project.root / "environments").glob(f"*/{LOCK_NAME}"))
        if not found:
            raise ChecksFailedError(
                f"there are no locks in {project.root / 'environments'}",
                hint=f"{project.towards_locks}; or name a recipe",
            )
        return found
    files = []
    for name in dict.fromkeys(recipes):
        project.recipe_file(name)
        file = project.committed_lock(name)
        if file is None:
            raise ChecksFailedError(f"{name} has no lock", hint=f"run `envbuild lock {name}`")
        files.append(file)
    return files


def _folders(channels: list[str]) -> dict[str, str]:
    """A folder's name for each channel: the last part of its URL, or more of it where two would share that."""
    names: dict[str, str] = {}
    for channel in channels:
        parts = urlsplit(channel)
        path = [part for part in parts.path.split("/") if part not in ("", ".", "..")]
        candidates = [path[-1] if path else "channel", "-".join([*parts.netloc.split(":"), *path])]
        free = [name for name in candidates if name and name not in (*names.values(), _WHEELS, _SIMPLE)]
        names[channel] = free[0] if free else f"channel-{len(names)}"
    return names


def _path(package: LockedPackage, channels: Mapping[str, str]) -> PurePosixPath:
    if package.manager == "pip":
        return PurePosixPath(_WHEELS, package.file_name)
    # Of the channels that it may be on, the one that says most of its URL. The audit has made sure that there is one.
    place = without_credentials(package.url)
    url = max((url for url in channels if place.startswith(f"{url}/")), key=len)
    return PurePosixPath(channels[url], package.url_subdir, package.file_name)


def _archives(folder: Path) -> set[PurePosixPath]:
    """The packages in a mirror, wherever a run of ours puts them, and nothing else that somebody keeps there."""
    subdirs = {subdir.value for subdir in (*TARGETS, Subdir.NOARCH)}
    found = (PurePosixPath(file.relative_to(folder)) for file in folder.glob("*/**/*") if file.name.endswith(_ARCHIVES))
    return {
        path
        for path in found
        if (len(path.parts) == 3 and path.parts[1] in subdirs) or (len(path.parts) == 2 and path.parts[0] == _WHEELS)
    }


def _index(channel: Path, *, without: list[Path], packages: list[LockedPackage]) -> None:
    archives = {
        subdir.value: [
            file
            for file in sorted((channel / subdir).glob("*"))
            if file.name.endswith(_ARCHIVES) and not file.name.startswith(".") and file not in without
        ]
        for subdir in (*TARGETS, Subdir.NOARCH)
        if (channel / subdir).is_dir()
    }
    for subdir, text in repodata(archives, [package for package in packages if package.manager == "conda"]).items():
        write_atomically(channel / subdir / "repodata.json", text)


def _write_index(folder: Path, locked: list[LockedPackage]) -> None:
    """A page for each project with all its wheels that are there, with the hash of those that are locked."""
    hashes = {package.file_name: package.sha256 for package in locked}
    pages: dict[str, list[str]] = {}
    for wheel in sorted((folder / _WHEELS).glob("*.whl")):
        project = canonicalize_name(wheel.name.partition("-")[0])
        digest = f"#sha256={hashes[wheel.name]}" if wheel.name in hashes else ""
        link = f'<a href="../../{_WHEELS}/{quote(wheel.name)}{digest}">{html.escape(wheel.name)}</a><br>\n'
        pages.setdefault(project, []).append(link)
    for page in (folder / _SIMPLE).glob("*/index.html"):
        if page.parent.name not in pages:
            page.unlink()
            page.parent.rmdir()
    for name, links in pages.items():
        write_atomically(folder / _SIMPLE / name / "index.html", f"<!DOCTYPE html>\n{''.join(links)}")


@contextlib.contextmanager
def _alone(workspace: Workspace, folder: Path) -> Iterator[None]:
    """Nobody else of ours changes the mirror meanwhile; waits for who does."""
    held = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            workspace.progress.note(f"another envbuild is at work in {folder}; waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
