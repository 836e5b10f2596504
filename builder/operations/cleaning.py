"""Clean: what envbuild and its tools keep and can fetch or make again, and what killed runs have left."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from builder.environment.place import Place, hold, is_locked
from builder.environment.sizes import Size, size_of
from builder.environment.stamp import read_stamp
from builder.errors import BuildError
from builder.project import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from builder.workspace import Workspace

_TASK: Final = "clean"
_TRASH: Final = re.compile(r"\.(?P<name>.+)\.envbuild-trash-\d+-\d+")
_CLEANED: Final = re.compile(r"^\..+\.envbuild-cleaned-\d+$")


class What(StrEnum):
    """The kinds of what can be deleted."""

    PACKAGES = "conda packages"
    WHEELS = "uv's cache"
    ARCHIVES = "pack's archives"
    """What `pack` has fetched, which makes the next one quick."""
    TRASH = "trash"
    """Environments that were on their way to deletion when a run was killed."""
    CHANNELS = "host channels"
    """Pythons packaged for `--source pypi` that no lock and no environment names."""


@dataclass(frozen=True, kw_only=True)
class Cleanable:
    """Something to delete."""

    what: What
    path: Path
    size: Size


@dataclass(frozen=True, kw_only=True)
class CleanRequest:
    only: tuple[What, ...] = ()
    """Only these kinds; default: all."""


@dataclass(frozen=True, kw_only=True)
class CleanPlan:
    """What would be deleted, and what is left alone for the reason given."""

    items: tuple[Cleanable, ...]
    kept: tuple[str, ...] = ()

    @property
    def freed(self) -> int:
        """Bytes that the disk gets back."""
        return sum(item.size.freed for item in self.items)


def cleanable(workspace: Workspace, request: CleanRequest) -> CleanPlan:
    """What can be deleted without anything being lost, with sizes. Nothing is deleted here."""
    wanted = request.only or tuple(What)
    found: list[tuple[What, Path]] = []
    kept: list[str] = []
    busy = [place.prefix for place in _places(workspace) if is_locked(place)]
    archives = workspace.project.state / "archives"
    for what, folder in (
        (What.PACKAGES, workspace.package_cache),
        (What.WHEELS, workspace.uv.cache),
        (What.ARCHIVES, archives),
    ):
        if what not in wanted or not folder.is_dir():
            continue
        if folder.is_symlink():
            kept.append(f"{folder} is a link; what it leads to is left alone")
        elif busy:
            kept.append(f"{folder}: another envbuild is at work on {busy[0]}")
        elif any(folder.iterdir()):
            found.append((what, folder))
    found += [(What.PACKAGES, path) for path in _half_deleted(workspace.package_cache) if What.PACKAGES in wanted]
    if What.TRASH in wanted:
        found += [(What.TRASH, path) for path in _trash(workspace)]
    if What.CHANNELS in wanted:
        found += [(What.CHANNELS, path) for path in _unused_channels(workspace)]
    items = []
    for what, path in found:
        workspace.progress.update(_TASK, f"measuring {path}")
        items.append(Cleanable(what=what, path=path, size=size_of(path)))
    return CleanPlan(items=tuple(items), kept=tuple(kept))


def clean(workspace: Workspace, plan: CleanPlan) -> CleanPlan:
    """Delete what a plan names; gives what was deleted, and what could not be. Never raises for one of them."""
    done: list[Cleanable] = []
    kept = list(plan.kept)
    for item in plan.items:
        workspace.progress.update(_TASK, f"deleting {item.path}")
        try:
            _delete(workspace, item)
        except BlockingIOError:
            kept.append(f"{item.path}: another envbuild is at work there")
        except (OSError, BuildError) as error:
            kept.append(f"{item.path}: {error}")
        else:
            done.append(item)
    workspace.progress.done(_TASK, "cleaned up")
    return CleanPlan(items=tuple(done), kept=tuple(kept))


def _delete(workspace: Workspace, item: Cleanable) -> None:
    match item.what:
        case What.WHEELS:
            _clean_uv(workspace)
        case What.TRASH:
            named = _TRASH.fullmatch(item.path.name)
            assert named is not None
            # Under the lock of its place: a `create` that begins now fills a folder of such a name.
            held = hold(item.path.with_name(named["name"]))
            try:
                shutil.rmtree(item.path)
            finally:
                os.close(held)
        case What.PACKAGES | What.ARCHIVES | What.CHANNELS:
            # Gone from its name in one step: whoever looks there afterwards finds nothing, and not a part.
            aside = item.path
            if not _CLEANED.search(aside.name):
                aside = aside.with_name(f".{aside.name}.envbuild-cleaned-{os.getpid()}")
                item.path.rename(aside)
            shutil.rmtree(aside)


def _half_deleted(folder: Path) -> Iterator[Path]:
    """What runs that were killed or interrupted had moved aside from `folder` to delete it."""
    for path in sorted(folder.parent.glob(f".{glob.escape(folder.name)}.envbuild-cleaned-*")):
        if _CLEANED.search(path.name) and path.is_dir() and not path.is_symlink():
            yield path


def _clean_uv(workspace: Workspace) -> None:
    """By uv itself, which waits for others that use its cache, and knows what in it is its own."""
    run = subprocess.run(
        workspace.uv.command("cache", "clean", "--no-config"),
        env=workspace.uv.environment() | {"UV_CACHE_DIR": str(workspace.uv.cache)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise BuildError(f"uv cannot clean its cache: {run.stderr.strip()}")


def _folders(workspace: Workspace) -> Iterable[Path]:
    """The folders in which environments of ours lie."""
    folders = {workspace.store.places.target: None}
    folders |= {known.path.parent: None for known in workspace.store.list() if known.is_ours}
    return folders


def _places(workspace: Workspace) -> Iterator[Place]:
    for folder in _folders(workspace):
        for lock in sorted(folder.glob(".*.envbuild-lock")):
            yield Place(lock.with_name(lock.name.removeprefix(".").removesuffix(".envbuild-lock")))


def _trash(workspace: Workspace) -> Iterator[Path]:
    for folder in _folders(workspace):
        for path in sorted(folder.glob(".*.envbuild-trash-*")):
            named = _TRASH.fullmatch(path.name)
            if named is not None and not path.is_symlink() and not is_locked(Place(path.with_name(named["name"]))):
                yield path


def _unused_channels(workspace: Workspace) -> Iterator[Path]:
    folder = workspace.project.state / "host-channels"
    if not folder.is_dir() or folder.is_symlink():
        return
    used = [
        channel for known in workspace.store.list() if (stamp := read_stamp(known.path)) for channel in stamp.channels
    ]
    for lock in (workspace.project.state / "environments").glob(f"*/*/{LOCK_NAME}"):
        with contextlib.suppress(OSError):
            used.append(lock.read_text(encoding="utf-8", errors="replace"))
    for channel in sorted(folder.iterdir()):
        begun = channel.name.startswith(".")  # swept by whoever makes the next one, under its lock
        if (
            channel.is_dir()
            and not channel.is_symlink()
            and not begun
            and not any(channel.as_uri() in one for one in used)
        ):
            yield channel
