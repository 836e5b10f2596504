"""Deleting an environment: only a whole one, only one that is meant, and gone from its name in one step."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.environment.model import Kind
from builder.environment.place import Place, hold
from builder.environment.stamp import read_stamp
from builder.errors import BuildError, InterruptedByUserError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Below the root of the file system: never an environment of anybody's, whatever lies in it.
_SYSTEM: Final = (
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "opt/homebrew", "opt/local", "private",
    "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr", "usr/local", "var",
    "Applications", "Library", "Network", "System", "Users", "Volumes",
)  # fmt: skip


def remove(
    prefix: Path, *, force: bool = False, home: Path, roots: Iterable[Path] = (), system: Path = Path("/")
) -> None:
    """Delete the environment at `prefix`, of which nothing is left under its name from the first moment on.

    Raises UsageError, and deletes nothing, for a link, `/`, the home directory or a folder that holds it, a system
    folder, a conda installation (`roots`), what is no environment at all, and, unless forced, for what envbuild did
    not make. Raises BuildError where the operating system does not allow it.
    """
    prefix = Path(os.path.normpath(prefix))  # a link is to be seen, not followed
    require_removable(prefix, force=force, home=home, roots=roots, system=system)
    place = Place(prefix)
    try:
        held = hold(prefix)
        try:
            # Asked again, now that nobody else may change the answer.
            require_removable(prefix, force=force, home=home, roots=roots, system=system)
            prefix.rename(place.trash())
            _delete(prefix, [*place.leftovers(), place.old])
            kept = place.leftovers()
            place.lock_file.unlink(missing_ok=True)
        finally:
            os.close(held)
    except BlockingIOError:
        raise UsageError(f"another envbuild is at work on {prefix}", hint="try again when it has finished") from None
    except OSError as error:
        raise BuildError(
            f"{prefix} cannot be removed: {error.strerror or error}",
            hint="make its folder writable, or remove it as the user who owns it",
        ) from None
    if kept:
        raise BuildError(
            f"{prefix} is removed, but some of its files could not be deleted; they are in {kept[0]}",
            hint=f"delete {kept[0]} as the user who owns it",
        )


def _delete(prefix: Path, folders: Iterable[Path]) -> None:
    for folder in folders:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except KeyboardInterrupt:
            raise InterruptedByUserError(
                f"interrupted; {prefix} is removed, but {folder} is still to be deleted",
                hint="`envbuild clean` deletes it",
            ) from None


def require_removable(prefix: Path, *, force: bool, home: Path, roots: Iterable[Path], system: Path) -> None:
    if prefix.is_symlink():
        raise UsageError(
            f"{prefix} is a link, and what it leads to is left alone", hint=f"name {_target(prefix)} itself"
        )
    if not prefix.is_dir():
        raise UsageError(f"{prefix}: there is no environment here")
    real = Path(os.path.realpath(prefix))
    if real in (system, Path("/")) or real in {Path(os.path.realpath(system / name)) for name in _SYSTEM}:
        raise UsageError(f"{prefix} is a folder of the system and is never removed")
    if Path(os.path.realpath(home)).is_relative_to(real):
        raise UsageError(f"{prefix} holds your home directory and is never removed")
    for root in roots:
        if Path(os.path.realpath(root)).is_relative_to(real):
            raise UsageError(
                f"{prefix} holds a conda installation, which is removed the way it was installed",
                hint="to remove one of its environments, name that",
            )
    if read_stamp(prefix) is not None:
        return
    from builder.environment.environment import Environment

    found = Environment(prefix)
    if found.needs_newer:
        return
    if found.is_base:
        raise UsageError(f"{prefix} is a conda installation, which is removed the way it was installed")
    if found.kind in (Kind.UNKNOWN, Kind.SYSTEM, Kind.WHEELS) and not found.is_unfinished:
        raise UsageError(f"{prefix} is no environment (it has {found.recognised.evidence})")
    if not force and not found.is_unfinished:
        raise UsageError(
            f"{prefix} was not made by envbuild ({found.recognised.evidence})", hint="--force removes it all the same"
        )


def _target(prefix: Path) -> str:
    return os.path.realpath(prefix)
