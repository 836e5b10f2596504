"""Installing the PyPI part with uv: by name, version and hash, from whatever index the user has configured."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.errors import BuildError, SourceUnreachableError
from builder.install.foreign import settle_wheels
from builder.install.terminal import run
from builder.uv import bundled_uv, is_unreachable, platform_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.lock.model import LockedPackage
    from builder.platforms import Subdir

#: Variables that would make uv or the interpreter look at another environment than the new one.
_LEAKS: Final = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_TARGET", "UV_PREFIX", "UV_PYTHON")


def install_pypi(
    packages: Sequence[LockedPackage],
    prefix: Path,
    *,
    python: str,
    subdir: Subdir,
    runnable: bool,
    macos: str | None,
    environ: Mapping[str, str],
    draw: bool,
    held: int,
) -> None:
    """Install wheels into `prefix`, each checked by its locked SHA-256; nothing is resolved or built.

    `python` is the version in the prefix. Where it cannot be run on this machine (`runnable` false) uv lays the wheels
    out for `subdir` and `macos` instead of asking it. `draw` lets uv draw its progress on stderr. `held` is the
    descriptor of the prefix's lock: should we be killed, uv lives on, and nobody else may begin there until it ends.
    Raises BuildError, SourceUnreachableError.
    """
    if not packages:
        return
    env = {name: value for name, value in environ.items() if name not in _LEAKS} | {"UV_PYTHON_DOWNLOADS": "never"}
    options = ["--python", str(prefix / "bin" / "python")]
    if not runnable:
        # The newest manylinux level: which wheel is taken is decided by the locked hash.
        platform = platform_name(subdir, glibc_minor=99)
        options = ["--prefix", str(prefix), "--python", sys.executable]
        options += ["--python-version", python, "--python-platform", platform]
        if macos:
            env["MACOSX_DEPLOYMENT_TARGET"] = macos
    with tempfile.TemporaryDirectory(prefix="envbuild-pypi-") as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(
            "".join(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n" for package in packages),
            encoding="utf-8",
        )
        command = [bundled_uv(), "pip", "install", "--requirements", str(requirements), "--require-hashes"]
        command += ["--no-deps", "--only-binary=:all:", *options]
        if not draw:
            command += ["--no-progress", "--color=never"]
        code, messages = run(command, cwd=scratch, env=env, draw=draw, held=held)
    if code:
        raise _failure(messages or f"uv ended with exit code {code}")
    if not runnable:
        settle_wheels(prefix, minor=".".join(python.split(".")[:2]))


def _failure(reason: str) -> BuildError | SourceUnreachableError:
    if is_unreachable(reason):
        return SourceUnreachableError(
            f"PyPI packages cannot be fetched:\n{reason}",
            hint="check the network, or the index that uv is configured for (UV_INDEX_URL, uv.toml)",
        )
    if "hash mismatch" in reason.lower() or "no matching hash" in reason.lower():
        return BuildError(
            f"a PyPI package is not the one that was locked:\n{reason}",
            hint="the index sent other bytes than were locked; do not trust it, or lock again if that was meant",
        )
    if "no space left" in reason.lower():
        return BuildError(f"the disk is full:\n{reason}", hint="free space, or choose another place with -p PREFIX")
    return BuildError(f"the PyPI packages could not be installed:\n{reason}")
