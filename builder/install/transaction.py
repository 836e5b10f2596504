"""The transaction around a prefix: what was there stays until the new environment is finished, or comes back.

Packages hard-code the path they are linked into, so a new environment is built in its final place; one
that exists is moved aside by a rename first. Every step is one rename or unlink, and names beside the prefix
tell what happened to a process that was killed between two of them (`environment.place`); the next `create` puts
things right.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from builder.environment.place import BUILDING, Place, hold
from builder.environment.sizes import measured_within
from builder.environment.stamp import RELATIVE_PATH as STAMP
from builder.environment.stamp import NewerStampError, Stamp, read_stamp, require_stamp, upgrade
from builder.errors import BuildError, UsageError
from builder.files import atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from builder.progress import Progress

#: How long background threads of an interrupted installation may go on writing into the prefix, in seconds.
_SETTLE: Final = 2.0
#: How long nothing must have been written there before they are taken to have ended, in seconds.
_QUIET: Final = 0.2
#: How long after Ctrl-C the size of what was begun may be asked for, in seconds.
_LOOK: Final = 0.1
#: No space, a used-up quota, a file larger than the limit.
_NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: What a path must not have that is written into Python source, shebangs and PATH. Spaces and other letters it may.
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f'\"\\:]")
_ELSEWHERE: Final = "choose another place with -p PREFIX"


@contextmanager
def exclusive(prefix: Path, *, waiting: Callable[[], None]) -> Iterator[Place]:
    """Hold the prefix for this process; a second `create` waits here. `waiting` is called once if it has to.

    Also puts right what a killed process left. Raises BuildError when the folder cannot be written.
    """
    if not prefix.name:
        raise _nameless(prefix)
    try:
        prefix.parent.mkdir(parents=True, exist_ok=True)
        held = hold(prefix, waiting=waiting)
    except OSError as error:
        raise _unwritable(prefix, error) from None
    try:
        place = Place(prefix, held)
        try:
            _recover(place)
        except OSError as error:
            raise _unwritable(prefix, error) from None
        yield place
    finally:
        os.close(held)


def _unwritable(prefix: Path, error: OSError) -> BuildError:
    return BuildError(
        f"cannot write beside {prefix}: {error.strerror or error}",
        hint="choose another place with -p PREFIX, or set envs_dir",
    )


def _recover(place: Place) -> None:
    if place.is_building:
        place.prefix.rename(place.trash())
    if place.is_debris:
        place.prefix.rename(place.trash())
    if place.old.exists():
        if place.is_free:
            place.old.rename(place.prefix)
        elif read_stamp(place.prefix) is not None:
            # Killed after the new environment was finished and before the previous one was deleted.
            place.old.rename(place.trash())
    _empty_trash(place)


def _empty_trash(place: Place) -> None:
    for leftover in place.leftovers():
        shutil.rmtree(leftover, ignore_errors=True)


def finished(prefix: Path) -> Stamp | None:
    """The stamp of a finished environment beside which nothing is left to put right; else None. Takes no lock."""
    place = Place(prefix)
    if not prefix.name or place.is_building or place.old.exists() or place.leftovers():
        return None
    return read_stamp(prefix)


def require_replaceable(prefix: Path) -> None:
    """Raises UsageError where `current` would, but before anything is written beside the prefix or solved for it.

    Takes no lock, so it decides nothing that could be another process's work in progress or its leftovers.
    """
    place = Place(prefix)
    if not prefix.name:
        raise _nameless(prefix)
    if (odd := _UNFIT.search(str(prefix))) is not None:
        raise UsageError(
            f"{str(prefix)!r} cannot be an environment: {odd[0]!r} in its path breaks scripts and Python's own files, "
            "into which the path is written",
            hint=_ELSEWHERE,
        )
    try:
        current(place)
    except UsageError:
        if not place.is_building and not place.old.exists() and not place.is_debris:
            raise
    except OSError as error:
        raise UsageError(f"{prefix} cannot be read: {error.strerror or error}", hint=_ELSEWHERE) from None


def _nameless(prefix: Path) -> UsageError:
    return UsageError(f"{prefix} cannot be an environment", hint=_ELSEWHERE)


def current(place: Place) -> Stamp | None:
    """The stamp of the environment in place; None where there is nothing (or an empty folder).

    Raises UsageError for anything else: what envbuild did not make, it never deletes.
    """
    prefix = place.prefix
    if prefix.is_mount():
        raise UsageError(
            f"{prefix} is a mount point, which cannot be replaced as a whole",
            hint=f"name a folder in it: -p {prefix / 'env'}",
        )
    if prefix.is_symlink() or (prefix.exists() and not prefix.is_dir()):
        raise UsageError(f"{prefix} is not a folder", hint=_ELSEWHERE)
    if place.is_free:
        return None
    try:
        stamp = require_stamp(prefix)
    except NewerStampError as error:
        raise UsageError(f"{prefix}: {error}", hint=upgrade()) from None
    except ValueError as error:
        raise UsageError(
            f"{prefix} was made by envbuild, but what is noted there cannot be understood: {error}",
            hint="choose another name (-n) or place (-p), or remove it yourself",
        ) from None
    if stamp is None:
        if read_stamp(place.old) is not None:
            raise UsageError(
                f"{prefix} is in the place of an environment that an interrupted `envbuild create` moved aside to "
                f"{place.old}",
                hint=f"move {prefix} away; `envbuild create` then puts the environment back",
            )
        what = "a conda environment" if (prefix / "conda-meta").is_dir() else "a folder with other content"
        raise UsageError(
            f"{prefix} is {what} that envbuild did not make; it is left as it is",
            hint="choose another name (-n) or place (-p), or remove it yourself",
        )
    return stamp


@contextmanager
def replacing(
    place: Place,
    *,
    copy: Callable[[Path, Path], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[None]:
    """Build inside: on any exception (Ctrl-C included) the prefix is as it was before, or gone if it was new.

    It begins empty, or with what `copy(prefix, fresh)` puts into the folder `fresh` that takes its place. `progress` is
    told at once what is done after Ctrl-C. Whoever presses it again leaves the deleting to the next run.
    """
    from builder.interrupts import uninterrupted
    from builder.progress import NoProgress

    progress = progress or NoProgress()

    try:
        with writing(place.prefix):
            _begin(place, copy)
        yield
        with writing(place.prefix):
            (place.prefix / BUILDING).unlink()
    except BaseException as error:
        asked = isinstance(error, KeyboardInterrupt)
        # A second, impatient Ctrl-C must not keep the previous environment from coming back.
        with uninterrupted() as again:
            if asked:
                progress.note(_what_is_left(place))
            _undo(place)
        if not (asked and again):
            _empty_trash(place)
        raise
    with uninterrupted():
        if place.old.exists():
            place.old.rename(place.trash())
            progress.update("trash", "deleting what was there before")
    # Whoever is interrupted here has the new environment in place; the next one deletes the rest.
    _empty_trash(place)


@contextmanager
def writing(prefix: Path) -> Iterator[None]:
    """What the operating system refuses inside (a full disk above all) is a BuildError."""
    try:
        yield
    except OSError as error:
        about = f" ({error.filename})" if error.filename else ""
        raise BuildError(
            f"{prefix} cannot be written: {error.strerror or error}{about}",
            hint="free space there, or choose another place with -p PREFIX"
            if error.errno in _NO_SPACE
            else "make it writable, or choose another place with -p PREFIX",
        ) from None


def _begin(place: Place, copy: Callable[[Path, Path], None] | None) -> None:
    """The new prefix appears by one rename and with its mark, so that nothing of ours is ever without it."""
    fresh = place.trash()
    (fresh / BUILDING).parent.mkdir(parents=True)
    (fresh / BUILDING).write_text(f"{os.getpid()}\n", encoding="ascii")
    if copy is not None:
        copy(place.prefix, fresh)
    if not place.is_free:
        place.prefix.rename(place.old)
    fresh.rename(place.prefix)


def _undo(place: Place) -> None:
    """The state before `_begin`, except for the trash.

    Threads of an interrupted installation may still be linking files; they are given a moment to end, and
    what they put there meanwhile goes as well.
    """
    if place.is_building:
        place.prefix.rename(place.trash())
        deadline = time.monotonic() + _SETTLE
        quiet_since = time.monotonic()
        while quiet_since + _QUIET > time.monotonic() < deadline:
            time.sleep(0.02)
            if place.prefix.exists():
                place.prefix.rename(place.trash())
                quiet_since = time.monotonic()
    if place.old.exists() and place.is_free:
        place.old.rename(place.prefix)


def _what_is_left(place: Place) -> str:
    size = measured_within(place.prefix, seconds=_LOOK) if place.is_building else None
    back = "the previous environment is put back, and " if place.old.exists() else ""
    if size is None:
        return f"interrupted: {back}nothing is left to delete"
    about = f"{'' if size.whole else 'more than '}{size.taken / 1e6:,.0f} MB"
    return f"interrupted: {back}what was begun ({about}) is deleted; press Ctrl-C again to leave that to the next run"


def write_stamp(place: Place, stamp: Stamp) -> None:
    """Say what the environment holds; it is finished only once the transaction takes the mark away."""
    path = place.prefix / STAMP
    with writing(place.prefix), atomically(path) as stream:
        stream.write(stamp.dumps().encode())
