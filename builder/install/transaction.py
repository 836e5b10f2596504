"""The transaction around a prefix: what was there stays until the new environment is finished, or comes back.

Packages hard-code the path they are linked into, so a new environment is built in its final place; one
that exists is moved aside by a rename first. Names beside the prefix tell what happened to a process
that was killed, and the next `create` puts things right:

    .NAME.envbuild-old      the previous environment, moved aside
    .NAME.envbuild-trash-*  something on its way to deletion
    NAME/conda-meta/envbuild.building   begun by us and not finished
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.errors import BuildError, UsageError
from builder.stamp import RELATIVE_PATH as STAMP
from builder.stamp import Stamp, read_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BUILDING: Final = Path("conda-meta") / "envbuild.building"
#: How long background threads of an interrupted installation may still write into the prefix, in seconds.
_SETTLE: Final = 2.0


@dataclass(frozen=True)
class Place:
    """A prefix and the names beside it that the transaction uses."""

    prefix: Path

    @property
    def old(self) -> Path:
        return self.prefix.with_name(f".{self.prefix.name}.envbuild-old")

    @property
    def lock_file(self) -> Path:
        return self.prefix.with_name(f".{self.prefix.name}.envbuild-lock")

    def trash(self) -> Path:
        return self.prefix.with_name(f".{self.prefix.name}.envbuild-trash-{os.getpid()}-{time.monotonic_ns()}")

    def leftovers(self) -> list[Path]:
        return sorted(self.prefix.parent.glob(f".{self.prefix.name}.envbuild-trash-*"))


@contextmanager
def exclusive(prefix: Path, *, waiting: Callable[[], None]) -> Iterator[Place]:
    """Hold the prefix for this process; a second `create` waits here. `waiting` is called once if it has to.

    Also puts right what a killed process left. Raises BuildError when the folder cannot be written.
    """
    import filelock

    place = Place(prefix)
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(place.lock_file)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            waiting()
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BuildError(
            f"cannot write beside {prefix}: {reason}", hint="choose another place with -p PREFIX, or set envs_dir"
        ) from None
    try:
        _recover(place)
        yield place
    finally:
        lock.release()


def _recover(place: Place) -> None:
    if (place.prefix / _BUILDING).is_file():
        _remove(place)
    if place.old.exists():
        if place.prefix.exists():
            # Killed after the new environment was finished and before the previous one was deleted.
            shutil.rmtree(place.old, ignore_errors=True)
        else:
            place.old.rename(place.prefix)
    for leftover in place.leftovers():
        shutil.rmtree(leftover, ignore_errors=True)


def current(place: Place) -> Stamp | None:
    """The stamp of the environment in place; None where there is nothing (or an empty folder).

    Raises UsageError for anything else: what envbuild did not make, it never deletes.
    """
    prefix = place.prefix
    if prefix.is_symlink() or (prefix.exists() and not prefix.is_dir()):
        raise UsageError(f"{prefix} is not a folder", hint="choose another place with -p PREFIX")
    if not prefix.exists() or not any(prefix.iterdir()):
        return None
    stamp = read_stamp(prefix)
    if stamp is None:
        what = "a conda environment" if (prefix / "conda-meta").is_dir() else "a folder with other content"
        raise UsageError(
            f"{prefix} is {what} that envbuild did not make; it is left as it is",
            hint="choose another name (-n) or place (-p), or remove it yourself",
        )
    return stamp


@contextmanager
def replacing(place: Place) -> Iterator[None]:
    """Build inside: on any exception (Ctrl-C included) the prefix is as it was before, or gone if it was new."""
    try:
        if place.prefix.exists() and any(place.prefix.iterdir()):
            place.prefix.rename(place.old)
        (place.prefix / _BUILDING).parent.mkdir(parents=True, exist_ok=True)
        (place.prefix / _BUILDING).write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    except BaseException:
        _remove(place)
        if place.old.exists():
            place.old.rename(place.prefix)
        raise
    shutil.rmtree(place.old, ignore_errors=True)


def finish(place: Place, stamp: Stamp) -> None:
    """Declare the environment finished: the stamp first, then the mark of being built goes."""
    path = place.prefix / STAMP
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as stream:
        stream.write(stamp.dumps())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    (place.prefix / _BUILDING).unlink()


def _remove(place: Place) -> None:
    """Delete the prefix by way of a rename, so that a kill in between leaves nothing that looks like an environment.

    Threads of an interrupted installation may still be linking files; they are given a moment to end, and
    what they put there meanwhile is deleted as well.
    """
    deadline = time.monotonic() + _SETTLE
    while place.prefix.exists():
        trash = place.trash()
        place.prefix.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    for leftover in place.leftovers():
        shutil.rmtree(leftover, ignore_errors=True)
