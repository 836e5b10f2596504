"""Installing the PyPI part with uv: by name, version and hash, from whatever index the user has configured."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from builder.credentials import redact
from builder.environment.distributions import read_distributions
from builder.environment.environment import Environment
from builder.environment.reading import Reader
from builder.errors import BuildError, SourceUnreachableError
from builder.install.foreign import settle_wheels
from builder.install.space import Store, is_no_space, no_space, prefix_store, temporary_store
from builder.install.terminal import run
from builder.install.wheels import damaged, put_right, trespassers
from builder.uv import (
    how_to_reach,
    is_unauthorised,
    is_unreachable,
    not_offered,
    platform_name,
    refused_credentials,
    unknown_index,
)
from builder.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from builder.environment.distributions import Distribution
    from builder.install.create import CreateRequest, Surroundings
    from builder.lock.model import LockedPackage
    from builder.platforms import Subdir
    from builder.progress import Progress
    from builder.uv import Uv

_TASK: Final = "pypi"


def install_wheels(
    wheels: Sequence[LockedPackage],
    packages: Sequence[LockedPackage],
    request: CreateRequest,
    around: Surroundings,
    *,
    held: int,
    into: Path | None = None,
) -> tuple[Distribution, ...]:
    """`install_pypi` of `wheels`, which are some of `packages`, at the request's prefix, whose Python is among them."""
    installed = install_pypi(
        wheels,
        request.prefix,
        python=next(package.version for package in packages if (package.manager, package.name) == ("conda", "python")),
        subdir=request.subdir,
        runnable=request.subdir is request.host,
        macos=request.expectations.macos,
        uv=around.uv,
        progress=around.progress,
        held=held,
        into=into,
    )
    around.progress.done(_TASK, f"installed {plural(len(wheels), 'PyPI package')}")
    return installed


def install_pypi(
    packages: Sequence[LockedPackage],
    prefix: Path,
    *,
    python: str,
    subdir: Subdir,
    runnable: bool,
    macos: str | None,
    uv: Uv,
    progress: Progress,
    held: int,
    into: Path | None = None,
) -> tuple[Distribution, ...]:
    """Install wheels into `prefix`, each checked by its locked SHA-256; nothing is resolved or built.

    With `into` they are laid out in that empty folder instead, ready to be moved into the prefix. Gives what is in the
    folder that they were installed to, read when the last of it was written.

    `python` is the version in the prefix. Where it cannot be run on this machine (`runnable` false) uv lays the wheels
    out for `subdir` and `macos` instead of asking it. uv draws its own progress while `progress` hands the terminal
    over; the task is `pypi`, which the caller ends. `held` is the descriptor of the prefix's lock, which nobody else
    may take before uv has ended. What uv's cache had in another state than the wheel is fetched anew. Raises
    BuildError, SourceUnreachableError.
    """
    target = into or prefix
    options = ["--python", str(prefix / "bin" / "python")]
    if into is not None:
        options += ["--prefix", str(into)]
    if not runnable:
        # The newest manylinux level: which wheel is taken is decided by the locked hash.
        options = ["--prefix", str(target), "--python", sys.executable]
        options += ["--python-version", python, "--python-platform", platform_name(subdir, glibc_minor=99)]
    environ = uv.environment(macos=None if runnable else macos)

    def install(wanted: Sequence[LockedPackage], *more: str) -> None:
        with uv.scratch() as (scratch, cwd), progress.handed_over() as draw:
            requirements = scratch / "requirements.txt"
            requirements.write_text("".join(map(_requirement, wanted)), encoding="utf-8")
            command = uv.command("pip", "install", "--requirements", str(requirements), "--require-hashes", "--no-deps")
            # Not by hard links, which uv takes where a file system cannot clone: an edited module would be the cache's.
            command += ["--only-binary=:all:", "--link-mode=copy", *options, *more]
            command += [] if draw else ["--no-progress"]
            command += [] if draw and progress.in_colour else ["--color=never"]
            code, messages = run(command, cwd=str(cwd), env=environ, draw=draw, held=held)
        if code:
            raise _failure(redact(messages) or f"uv ended with exit code {code}", wanted, prefix=prefix, uv=uv)

    progress.update(_TASK, f"installing {plural(len(packages), 'PyPI package')} with uv")
    install(packages)
    progress.update(_TASK, "comparing what was installed with what the wheels record of it")
    names: dict[str, LockedPackage] = {canonicalize_name(package.name): package for package in packages}
    site = _site(prefix, target, runnable=runnable)
    dists = read_distributions((site,), Reader())
    if trespassing := trespassers(dists, names, root=target):
        raise BuildError(
            f"the wheel of {', '.join(trespassing)} writes into conda-meta, as no package of PyPI may",
            hint="do not trust it: take it out of the recipe and lock again",
        )
    edited = damaged(dists, names)
    if edited:
        # What is wrong after this is wrong in the wheel itself, whose hash was looked at just now.
        again = [names[name] for name in edited]
        install(again, "--no-cache", *(f"--reinstall-package={package.name}" for package in again))
        if wrong := put_right(read_distributions((site,), Reader()), edited):
            progress.warn(
                f"published with a RECORD that is wrong about {'its' if len(wrong) == 1 else 'their'} files: "
                f"{', '.join(wrong)}; installed as in the archive that was locked, and recorded as it is there"
            )
    if not runnable:
        minor = ".".join(python.split(".")[:2])
        site = settle_wheels(target, minor=minor, interpreter=prefix / "bin" / f"python{minor}")
    return read_distributions((site,), Reader()) if edited or not runnable else dists


def _site(prefix: Path, target: Path, *, runnable: bool) -> Path:
    """Where uv has put the wheels below `target`: in the folder of the interpreter that it was run with."""
    environment = Environment(prefix)
    if runnable and (found := environment.site_packages) is not None:
        return target / found.relative_to(environment.path)
    return target / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def _requirement(package: LockedPackage) -> str:
    return f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"


def _failure(
    reason: str, packages: Sequence[LockedPackage], *, prefix: Path, uv: Uv
) -> BuildError | SourceUnreachableError:
    if is_no_space(reason):
        cache = Store(path=uv.cache, remedy="free space there, or name another folder with UV_CACHE_DIR")
        return no_space(reason, [prefix_store(prefix), cache, temporary_store()])
    if is_unauthorised(reason):
        return refused_credentials(reason)
    missing = not_offered(reason)
    if missing is not None:
        for package in packages:
            if canonicalize_name(package.name) == canonicalize_name(missing):
                return unknown_index(package.name, package.url, reason=reason)
    if is_unreachable(reason):
        return SourceUnreachableError(
            f"PyPI packages cannot be fetched:\n{reason}",
            hint=how_to_reach(reason),
        )
    if "hash mismatch" in reason.lower() or "no matching hash" in reason.lower():
        return BuildError(
            f"a PyPI package is not the one that was locked:\n{reason}",
            hint="the index sent other bytes than were locked; do not trust it, or lock again if that was meant",
        )
    return BuildError(f"the PyPI packages could not be installed:\n{reason}")
