"""The summaries of a lock's packages: from the store, or read once from the package, fetched by its locked hash."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.binaries.summary_sources import CondaFile
from builder.environment.contents import wheel_contents
from builder.environment.environment import Environment
from builder.errors import BuildError
from builder.install.archives import Archives, Wanted
from builder.install.pypi import install_pypi
from builder.progress import NoProgress
from builder.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from builder.binaries.summary import PackageSummary
    from builder.binaries.summary_sources import Source
    from builder.binaries.summary_store import SummaryStore
    from builder.lock.channels import Mirrors
    from builder.lock.model import LockedPackage
    from builder.platforms import Subdir
    from builder.progress import Progress
    from builder.uv import Uv

_TASK: Final = "summaries"


def summaries(
    packages: Sequence[LockedPackage],
    *,
    store: SummaryStore,
    subdir: Subdir,
    python: str,
    macos: str | None,
    mirrors: Mirrors,
    uv: Uv,
    progress: Progress,
) -> tuple[PackageSummary, ...]:
    """The summary of each package, in the order given; what the store lacks is fetched, read and kept there.

    `python` is the locked Python's version and `macos` the oldest macOS of the target, by which uv chooses wheels.
    Raises BuildError for a package that is not the locked one, BinaryError for one that cannot be read, and
    SourceUnreachableError where it cannot be had.
    """
    archives = Archives(mirrors=mirrors, uv=uv, progress=NoProgress())
    found, before = [], store.reads
    for number, package in enumerate(packages, 1):
        sha256 = package.sha256 or ""
        summary = store.get(sha256) if sha256 else None
        if summary is None:
            progress.update(_TASK, f"reading {package.name} ({number}/{len(packages)})")
            if not sha256:
                raise BuildError(
                    f"{package.name} {package.version} is locked without a SHA-256, so nothing can be proven of it",
                    hint="lock again with `envbuild lock`, which records one for every package",
                )
            opened = (
                _archive(package, archives)
                if package.manager == "conda"
                else _wheel(package, subdir=subdir, python=python, macos=macos, uv=uv)
            )
            with opened as source:
                summary = store.summary(sha256, source)
        found.append(summary)
    if store.reads > before:
        progress.done(_TASK, f"read {store.reads - before} of {len(packages)} packages for {subdir}")
    return tuple(found)


@contextmanager
def _archive(package: LockedPackage, archives: Archives) -> Iterator[Source]:
    """The archive of a conda package, whose hash is looked at before anything in it is."""
    with scratch("envbuild-prove-") as folder:
        file = folder / Path(package.file_name).name
        archives.fetch([Wanted(package=package, file=file)])
        yield CondaFile(file)


@contextmanager
def _wheel(package: LockedPackage, *, subdir: Subdir, python: str, macos: str | None, uv: Uv) -> Iterator[Source]:
    """A wheel laid out by itself, so that no other has written over its files. uv checks the hash."""
    with scratch("envbuild-prove-") as folder:
        target = folder / "wheel"
        target.mkdir()
        held = os.open(folder, os.O_RDONLY)
        try:
            install_pypi(
                [package],
                folder,
                python=python,
                subdir=subdir,
                runnable=False,
                macos=macos,
                uv=uv,
                progress=NoProgress(),
                held=held,
                into=target,
            )
        finally:
            os.close(held)
        environment = Environment(target, subdir=subdir)
        dist = environment.distribution(canonicalize_name(package.name))
        if dist is None:
            raise BuildError(f"the wheel of {package.name} {package.version} holds no distribution of that name")
        yield wheel_contents(environment, dist)
