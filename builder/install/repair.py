"""Putting right exactly what differs, in an environment that stands as it was beside it (`twin`).

What is to be replaced is taken away first, so that no installer ever writes into a file that is there: conda packages
through py-rattler, which deletes and links those of its transaction, wheels by uv into a folder of their own, from
which they are moved into place by renames.
"""

from __future__ import annotations

import glob
import itertools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.files import SET_ASIDE
from builder.install.conda import install_conda
from builder.install.foreign import merge
from builder.install.pypi import install_wheels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.install.create import CreateRequest, Surroundings
    from builder.install.drift import Drift
    from builder.lock.model import LockedPackage

#: Where wheels are laid out before they are moved into place; in the prefix, so that a move is a rename.
_WHEELS: Final = ".envbuild-wheels"
#: What uv leaves in a prefix to keep others out.
_UV_LOCK: Final = ".lock"

_Key = tuple[str, str]
"""Manager and name."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done about a drift."""

    conda: frozenset[str]
    """Conda packages to be linked (again)."""
    wheels: frozenset[str]
    """PyPI packages to be installed (again)."""
    unlinked: frozenset[str]
    """Conda packages to be removed."""
    uninstalled: tuple[Distribution, ...]
    """Distributions to be removed: unknown ones, and those that are replaced."""
    strays: tuple[str, ...]
    records: tuple[Path, ...]
    """Files of conda-meta that are no records."""
    kept: frozenset[str]
    """Conda packages that stay although the lock does not know them."""
    obstacles: tuple[str, ...]
    """What is no file, or no folder, where a restored package has one, relative to the prefix."""


def work_for(environment: Environment, found: Drift, packages: Sequence[LockedPackage], *, prune: bool) -> Work:
    """What puts `found` right. With `prune`, what `packages` do not have is removed.

    A package that shares a file with one that is replaced or removed is installed again as well.
    """
    unlinked = {one.name for one in found.unknown if one.manager == "conda"}
    leaving = {one.path for one in found.unknown if one.manager == "pip" and (prune or one.shadows)}
    anew: set[_Key] = {(one.manager, one.name) for one in found.differences}
    gone = [dist for dist in environment.distributions if dist.path in leaving]
    affected = anew | {("pip", dist.name) for dist in gone} | {("conda", name) for name in unlinked if prune}
    locked = {_key(package) for package in packages}
    grown = True
    shared = [
        {(claim.owner.manager, claim.owner.name) for claim in claims}
        for claims in environment.owners.files.values()
        if len(claims) > 1
    ]
    while grown:
        grown = False
        for owners in shared:
            if not owners.isdisjoint(affected) and not owners & locked <= affected:
                affected |= owners & locked
                anew |= owners & locked
                grown = True
    replaced = {name for manager, name in anew if manager == "pip"}
    gone += [dist for dist in environment.distributions if dist.name in replaced and dist not in gone]
    return Work(
        conda=frozenset(name for manager, name in anew if manager == "conda"),
        wheels=frozenset(replaced),
        unlinked=frozenset(unlinked if prune else ()),
        # What conda brought along is py-rattler's to remove.
        uninstalled=tuple(dist for dist in gone if environment.owners.owner_of_distribution(dist).manager == "pip"),
        strays=found.strays if prune else (),
        records=found.damaged_records,
        kept=frozenset(() if prune else unlinked),
        obstacles=tuple(sorted(_obstacles(environment.path, (rel for one in found.differences for rel in one.files)))),
    )


def _obstacles(prefix: Path, rels: Iterable[str]) -> set[str]:
    """A folder in the place of a file, and a file or a link in the place of a folder that files are missing from."""
    found = set()
    for rel in rels:
        path = prefix / rel
        if path.is_dir() and not path.is_symlink():
            found.add(rel)
        for above in path.parents:
            if above == prefix:
                break
            if os.path.lexists(above) and not above.is_dir():
                found.add(above.relative_to(prefix).as_posix())
    return found


def _key(package: LockedPackage) -> _Key:
    return package.manager, package.name if package.manager == "conda" else canonicalize_name(package.name)


def needs_whole(environment: Environment, packages: Sequence[LockedPackage]) -> str | None:
    """Why an environment can only be built anew as a whole for `packages`; None where it can be put right.

    Python's minor version is in the path of every module: with another, nothing stays where it is.
    """
    python = next((package for package in packages if package.name == "python"), None)
    if python is None or environment.python_version is None:
        return "it has no Python any more"
    wanted = tuple(int(part) for part in python.version.split(".")[:2])
    if environment.python_version != wanted:
        return f"Python {'.'.join(map(str, environment.python_version))} becomes {'.'.join(map(str, wanted))}"
    interpreter = environment.interpreter
    if interpreter is not None and interpreter.free_threaded != python.free_threaded:
        return "Python becomes another build, with or without its global lock"
    return None


def repair(
    work: Work,
    environment: Environment,
    packages: Sequence[LockedPackage],
    request: CreateRequest,
    around: Surroundings,
    *,
    held: int,
) -> None:
    """Do the work in the twin that stands at the request's prefix by now; `environment` is what it was read as.

    Raises BuildError, SourceUnreachableError, OSError.
    """
    prefix = environment.path
    for rel in work.obstacles:
        _set_aside(prefix / rel)
    for dist in work.uninstalled:
        _uninstall(environment, dist)
    for rel in work.strays:
        (prefix / rel).unlink(missing_ok=True)
    for record in work.records:
        record.unlink(missing_ok=True)
    conda = [package for package in packages if package.manager == "conda"]
    if work.conda or work.unlinked:
        install_conda(
            conda,
            prefix,
            subdir=request.subdir,
            host=request.host,
            mirrors=around.mirrors,
            requested=request.requested,
            cache=around.cache,
            progress=around.progress,
            anew=work.conda,
            ignored=work.kept,
        )
    wheels = [package for package in packages if package.manager == "pip" and _key(package)[1] in work.wheels]
    if wheels:
        laid_out = prefix / _WHEELS
        laid_out.mkdir()
        install_wheels(wheels, conda, request, around, held=held, into=laid_out)
        (laid_out / _UV_LOCK).unlink(missing_ok=True)
        merge(laid_out, prefix)
        laid_out.rmdir()


def _set_aside(path: Path) -> None:
    """Rename what is in the way, whose content may be somebody's."""
    if not os.path.lexists(path):
        return
    free = next(
        place
        for number in itertools.count()
        if not os.path.lexists(place := path.with_name(f"{path.name}{number or ''}{SET_ASIDE}"))
    )
    path.rename(free)


def _uninstall(environment: Environment, dist: Distribution) -> None:
    """Take a distribution's files away. Not by uv, which cannot where metadata is damaged, nor for another platform."""
    root = environment.path
    emptied: set[Path] = set()
    for entry in dist.record:
        file = Path(os.path.normpath(dist.site / entry.path))
        # A RECORD may name anything, and a link inside may lead anywhere.
        if not Path(os.path.realpath(file.parent)).is_relative_to(root) or (file.is_dir() and not file.is_symlink()):
            continue
        file.unlink(missing_ok=True)
        for compiled in _compiled(file):
            compiled.unlink(missing_ok=True)
        emptied.update((file.parent, file.parent / "__pycache__"))
    if dist.path.is_dir() and not dist.path.is_symlink():
        shutil.rmtree(dist.path)
    else:
        dist.path.unlink(missing_ok=True)
    _remove_empty(emptied, root=dist.site)


def _compiled(file: Path) -> Iterable[Path]:
    return file.parent.glob(f"__pycache__/{glob.escape(file.stem)}.*.pyc") if file.suffix == ".py" else ()


def _remove_empty(folders: set[Path], *, root: Path) -> None:
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        here = folder
        while here != root and here.is_relative_to(root) and here.is_dir() and not any(here.iterdir()):
            here.rmdir()
            here = here.parent
