"""The host channel: this machine's CPython as conda packages, so that a real conda prefix needs only PyPI beside it.

Three packages with the metadata that conda-forge's have: `python` (with `python_site_packages_path`, which
noarch packages are linked by), `python_abi`, and `pip` as a noarch package. The channel is cached by what
the interpreter consists of and belongs to this machine: compiled modules link against its system libraries.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.channel.archive import PackageSpec, write_package
from builder.errors import BuildError, SourceUnreachableError, UnsatisfiableError
from builder.platforms import Subdir
from builder.scratch import scratch
from builder.uv import UvFailure, is_unauthorised, refused_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.channel.interpreters import Interpreter
    from builder.uv import Uv

#: Part of the cache key: raise it when the layout of the packages changes.
_LAYOUT: Final = "3"
#: Not carried along: other people's packages, caches, the interpreter's own tests, its static library.
_LEFT_OUT: Final = re.compile(
    r"(site-packages|dist-packages|__pycache__|test|tests|idle_test|config-3\..*|EXTERNALLY-MANAGED)"
)
#: Debian points these at /etc.
_LEFT_OUT_TOP: Final = ("sitecustomize.py", "usercustomize.py")

#: Where an interpreter brings no pip along (Debian's): one release for all Pythons from 3.9 on, by its hash on PyPI.
_PIP: Final = "pip==26.0.1 --hash=sha256:bdb1b08f4274833d62c1aa29e20907365a2ceb950410df15fc9521bad440122b\n"

_SITECUSTOMIZE: Final = """\
# Written by envbuild: this interpreter, packaged from Debian, looks for dist-packages only.
import site
import sysconfig

site.addsitedir(sysconfig.get_path("purelib"))
"""

_PROBE: Final = """
import sys, sysconfig
import ssl, ctypes, sqlite3, bz2, lzma, zlib, multiprocessing, venv
print(sys.prefix); print(sysconfig.get_path("purelib")); print(":".join(sys.path))
"""


@dataclass(frozen=True, kw_only=True)
class HostChannel:
    """An indexed channel folder and the interpreter it was made from."""

    folder: Path
    interpreter: Interpreter

    @property
    def url(self) -> str:
        return self.folder.as_uri()


def host_channel(interpreter: Interpreter, *, subdir: Subdir, cache: Path, uv: Uv) -> HostChannel:
    """The channel for `interpreter`, made now or taken from `cache`; `uv` fetches pip where the interpreter has none.

    Raises UnsatisfiableError when the interpreter turns out not to work once moved, BuildError when the
    cache cannot be written.
    """
    key = _fingerprint(interpreter)
    folder = cache / f"python-{interpreter.version}-{key[:16]}"
    if not (folder / subdir / "repodata.json").is_file():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with scratch(".making-", folder=cache) as work:
                made = work / "channel"
                _make(interpreter, subdir=subdir, key=key, channel=made, scratch=work, uv=uv)
                _settle(made, folder)
        except subprocess.TimeoutExpired as error:
            raise BuildError(
                f"Python {interpreter.version} at {interpreter.path} does not answer: {error}",
                hint="try again on a less busy machine, or name another interpreter with --python PATH",
            ) from None
        except OSError as error:
            raise BuildError(
                f"Python {interpreter.version} cannot be packaged in {cache}: {error.strerror or error}",
                hint="free space there, or name another folder for envbuild's data with XDG_DATA_HOME",
            ) from None
    return HostChannel(folder=folder, interpreter=interpreter)


def _settle(made: Path, folder: Path) -> None:
    """Move the finished channel into place; another process that was faster has made the same."""
    try:
        made.rename(folder)
    except OSError:
        if not (folder / "noarch" / "repodata.json").is_file():
            raise


def _fingerprint(interpreter: Interpreter) -> str:
    """Changes when any file of the interpreter does (by path, size and time of change), without reading them all."""
    digest = hashlib.sha256(f"{_LAYOUT}\0{interpreter.path}\0{interpreter.version}\0".encode())
    for source, relative in (*_stdlib(interpreter), (interpreter.path, "python")):
        status = source.lstat()
        digest.update(f"{relative}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _stdlib(interpreter: Interpreter) -> Iterator[tuple[Path, str]]:
    """(file, path relative to the new prefix) of the standard library, in a stable order."""
    base = f"lib/python{interpreter.minor}"
    for root, folders, names in os.walk(interpreter.stdlib):
        folders[:] = sorted(name for name in folders if not _LEFT_OUT.fullmatch(name))
        at_top = Path(root) == interpreter.stdlib
        for name in sorted(names):
            if name.endswith(".pyc") or _LEFT_OUT.fullmatch(name) or (at_top and name in _LEFT_OUT_TOP):
                continue
            path = Path(root) / name
            if path.exists():
                yield path, f"{base}/{path.relative_to(interpreter.stdlib)}"


def _make(interpreter: Interpreter, *, subdir: Subdir, key: str, channel: Path, scratch: Path, uv: Uv) -> None:
    from rattler.index import index_fs

    tree = scratch / "python"
    _stage_python(interpreter, tree)
    _prove_moved(interpreter, tree)
    minor, tag = interpreter.minor, f"cp{interpreter.minor.replace('.', '')}"
    placeholders = _placeholders(interpreter, tree)
    site_packages = f"lib/python{minor}/site-packages"
    write_package(
        PackageSpec(
            name="python",
            version=str(interpreter.version),
            build=f"h{key[:7]}_0_cpython",
            subdir=subdir,
            depends=(f"python_abi {minor}.* *_{tag}", "pip"),
            constrains=(f"python_abi {minor}.* *_{tag}",),
            license="Python-2.0",
            python_site_packages_path=site_packages,
            placeholders=placeholders,
        ),
        tree=tree,
        folder=channel / subdir,
    )
    empty = scratch / "empty"
    empty.mkdir()
    write_package(
        PackageSpec(
            name="python_abi",
            version=minor,
            build=f"0_{tag}",
            subdir=Subdir.NOARCH,
            constrains=(f"python {minor}.* *_cpython",),
            noarch="generic",
        ),
        tree=empty,
        folder=channel / Subdir.NOARCH,
    )
    pip_tree = scratch / "pip"
    version = _stage_pip(interpreter, pip_tree, uv)
    write_package(
        PackageSpec(
            name="pip",
            version=version,
            build=f"pyh{key[:7]}_0",
            subdir=Subdir.NOARCH,
            depends=(f"python {minor}.*",),
            noarch="python",
            license="MIT",
            entry_points=("pip = pip._internal.cli.main:main", "pip3 = pip._internal.cli.main:main"),
        ),
        tree=pip_tree,
        folder=channel / Subdir.NOARCH,
    )
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))


def _stage_python(interpreter: Interpreter, tree: Path) -> None:
    for source, relative in _stdlib(interpreter):
        _copy(source, tree / relative)
    executable = tree / "bin" / f"python{interpreter.minor}"
    _copy(interpreter.path, executable)
    executable.chmod(0o755)
    for link in ("python3", "python"):
        (tree / "bin" / link).symlink_to(executable.name)
    if interpreter.include.is_dir():
        shutil.copytree(interpreter.include, tree / "include" / f"python{interpreter.minor}", symlinks=False)
    for library in _private_libraries(interpreter):
        _copy(library, tree / "lib" / library.name)
    _undo_debian_layout(tree / "lib" / f"python{interpreter.minor}")


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source.resolve(), target)


def _private_libraries(interpreter: Interpreter) -> set[Path]:
    """Shared libraries below the interpreter's prefix that it or its modules link (libpython, a conda's OpenSSL…)."""
    if interpreter.prefix in (Path("/usr"), Path("/usr/local")) or shutil.which("ldd") is None:
        return set(interpreter.prefix.glob(f"lib/libpython{interpreter.minor}*.dylib"))
    binaries = [interpreter.path, *(interpreter.stdlib / "lib-dynload").glob("*.so")]
    answer = subprocess.run(
        ["ldd", *map(str, binaries)],  # noqa: S607 - the system's own
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    named = {Path(found) for found in re.findall(r"=> (/\S+)", answer.stdout)}
    return {path for path in named if path.is_relative_to(interpreter.prefix)}


def _undo_debian_layout(stdlib: Path) -> None:
    """Debian sends packages to `dist-packages` unless it sees a virtual environment; a conda prefix has site-packages.

    `sysconfig` says where packages are installed, and is patched back. `site` says where they are found; it is
    frozen into the executable since Python 3.11, so site-packages is added after it, where Debian's own
    `sitecustomize` would stand.
    Source: debian/patches/{distutils-install-layout,sysconfig-debian-schemes}.diff of Debian's python3.x.
    `_prove_moved` checks the result, whatever Debian may change.
    """
    in_venv = 'sys.base_prefix != sys.prefix or hasattr(sys, "real_prefix")'
    for name in ("sysconfig.py", "sysconfig/__init__.py"):
        path = stdlib / name
        if path.is_file() and "dist-packages" in (text := path.read_text(encoding="utf-8")):
            path.write_text(text.replace(in_venv, "True"), encoding="utf-8")
    if "dist-packages" in (stdlib / "site.py").read_text(encoding="utf-8"):
        (stdlib / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")


def _placeholders(interpreter: Interpreter, tree: Path) -> dict[str, str]:
    """The build's own prefix in the modules that `sysconfig` reads, to be replaced by the environment's."""
    if interpreter.prefix in (Path("/usr"), Path("/usr/local")):
        # `/usr` also begins the paths of the compiler and of system headers, which must stay.
        return {}
    stdlib = tree / "lib" / f"python{interpreter.minor}"
    return {
        str(path.relative_to(tree)): str(interpreter.prefix)
        for path in stdlib.glob("_sysconfigdata_*.py")
        if str(interpreter.prefix) in path.read_text(encoding="utf-8", errors="replace")
    }


def _prove_moved(interpreter: Interpreter, tree: Path) -> None:
    """Run the staged interpreter: it must take the new place for its prefix, and load its own modules."""
    moved = tree.resolve()
    site_packages = moved / "lib" / f"python{interpreter.minor}" / "site-packages"
    # `site` takes no notice of a folder that is not there.
    site_packages.mkdir()
    answer = subprocess.run(
        [str(moved / "bin" / "python"), "-I", "-B", "-c", _PROBE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    site_packages.rmdir()
    lines = answer.stdout.splitlines()
    if answer.returncode or len(lines) != 3:
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        reason = f"it does not start there: {last}"
    elif Path(lines[0]) != moved:
        reason = f"it still takes {lines[0]} for its prefix"
    elif Path(lines[1]) != site_packages:
        reason = f"it installs packages into {lines[1].replace(str(moved), 'PREFIX')}"
    elif any(not Path(entry).is_relative_to(moved) for entry in lines[2].split(":")):
        reason = "it searches folders outside the prefix for modules"
    elif str(site_packages) not in lines[2].split(":"):
        reason = "it does not search its site-packages for modules"
    else:
        return
    raise UnsatisfiableError(
        f"Python {interpreter.version} at {interpreter.path} cannot be moved into a prefix: {reason}",
        hint="name another interpreter with --python PATH (one from pyenv, uv or python.org's sources can be moved)",
    )


def _stage_pip(interpreter: Interpreter, tree: Path, uv: Uv) -> str:
    """Unpack pip's wheel, from the interpreter itself or from PyPI; gives its version."""
    target = tree / "site-packages"
    target.mkdir(parents=True)
    bundled = sorted((interpreter.stdlib / "ensurepip" / "_bundled").glob("pip-*.whl"))
    if interpreter.wheels is not None:
        bundled += sorted(interpreter.wheels.glob("pip-*.whl"))
    if bundled:
        with zipfile.ZipFile(bundled[-1]) as wheel:
            wheel.extractall(target)
    else:
        _pip_from_pypi(interpreter, target, uv)
    info = next(target.glob("pip-*.dist-info"))
    return info.name.removeprefix("pip-").removesuffix(".dist-info")


def _pip_from_pypi(interpreter: Interpreter, target: Path, uv: Uv) -> None:
    with uv.scratch() as (folder, cwd):
        requirements = folder / "requirements.txt"
        requirements.write_text(_PIP, encoding="ascii")
        arguments = ["pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--link-mode=copy"]
        arguments += ["--requirements", str(requirements), "--require-hashes"]
        arguments += ["--target", str(target), "--python", str(interpreter.path)]
        try:
            asyncio.run(uv.run(arguments, cwd=cwd))
        except UvFailure as error:
            if is_unauthorised(error.reason):
                raise refused_credentials(error.reason) from None
            raise SourceUnreachableError(
                f"pip cannot be fetched from PyPI: {error.reason}",
                hint="install your system's wheel of pip (on Debian `apt install python3-pip-whl`), "
                "or name another interpreter with --python PATH",
            ) from None
    _leave_out_scripts(target)


def _leave_out_scripts(target: Path) -> None:
    """Scripts for the interpreter that uv was run with: whoever installs the package makes its own."""
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    for record in target.glob("*.dist-info/RECORD"):
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if not line.startswith("bin/")), encoding="utf-8")
