"""Finding the CPython interpreters of this machine, and telling which of them can be moved into a prefix."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.errors import UnsatisfiableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.specifiers import SpecifierSet

#: The newest minor of Python 3 that is released (October 2025).
_NEWEST: Final = 14
#: Modules that every environment of ours needs. Debian ships some of them in packages of their own.
_NEEDED: Final = (
    "ssl",
    "ctypes",
    "sqlite3",
    "bz2",
    "lzma",
    "zlib",
    "multiprocessing",
    "email",
    "http",
    "xml",
    "unittest",
    "venv",
)

_INSPECT: Final = """
import importlib.util, json, os, platform, sys, sysconfig
needed = {needed!r}
print(json.dumps({{
    "version": platform.python_version(),
    "implementation": sys.implementation.name,
    "prefix": sys.base_prefix,
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "stdlib": sysconfig.get_path("stdlib"),
    "include": sysconfig.get_path("include"),
    "framework": sysconfig.get_config_var("PYTHONFRAMEWORK") or "",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "machine": platform.machine(),
    "missing": [name for name in needed if importlib.util.find_spec(name) is None],
    "wheels": sysconfig.get_config_var("WHEEL_PKG_DIR") or "",
}}))
"""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A CPython of this machine. `refusal` says why it cannot be packaged; None when it can."""

    path: Path
    version: Version
    prefix: Path
    stdlib: Path
    include: Path
    wheels: Path | None
    """Where a distribution keeps pip's wheel outside `ensurepip`; None otherwise."""
    refusal: str | None

    @property
    def minor(self) -> str:
        return f"{self.version.major}.{self.version.minor}"

    def describe(self) -> str:
        return f"{self.version} at {self.path}" + (f": {self.refusal}" if self.refusal else "")


def inspect(path: Path) -> Interpreter | None:
    """Ask the interpreter at `path` about itself; None when it does not answer as a CPython does."""
    try:
        answer = subprocess.run(
            [str(path), "-I", "-c", _INSPECT.format(needed=_NEEDED)],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        told = json.loads(answer.stdout)
        version = Version(told["version"])
        return Interpreter(
            path=Path(told["executable"]),
            version=version,
            prefix=Path(told["prefix"]),
            stdlib=Path(told["stdlib"]),
            include=Path(told["include"]),
            wheels=Path(told["wheels"]) if told["wheels"] else None,
            refusal=_refusal(told, version),
        )
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError, InvalidVersion):
        return None


def _refusal(told: Mapping[str, object], version: Version) -> str | None:
    if told["implementation"] != "cpython":
        return f"it is {told['implementation']}, not CPython"
    if told["framework"]:
        return "a macOS framework build finds its library by an absolute path and cannot be moved"
    if told["free_threaded"]:
        return "a free-threaded build, for which the machine-learning wheels do not exist"
    if version.is_prerelease:
        return "a pre-release"
    missing = told["missing"]
    if isinstance(missing, list) and missing:
        packages = f"on Debian: apt install python{version.major}.{version.minor}-full"
        return f"it lacks {', '.join(missing)} of the standard library ({packages})"
    return None


def candidates(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Interpreters worth asking: this one's base, PATH, pyenv, uv and conda, each file once."""
    seen: set[Path] = set()
    base = Path(getattr(sys, "_base_executable", sys.executable))
    for path in (base, *_on_path(environ), *_managed(environ, home)):
        real = path.resolve()
        # A shim (pyenv's, asdf's) is a script that picks an interpreter by the folder it is called in.
        if real not in seen and real.is_file() and "shims" not in path.parts:
            seen.add(real)
            yield path


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ.get("PATH", "").split(":"):
        if folder:
            yield from (
                path for path in sorted(Path(folder).glob("python3*")) if re.fullmatch(r"python3(\.\d+)?", path.name)
            )


def _managed(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    uv = Path(environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local" / "share" / "uv" / "python")
    conda = [home / name for name in ("miniforge3", "miniconda3", "anaconda3", "micromamba")]
    for pattern in (pyenv / "versions", uv):
        yield from sorted(pattern.glob("*/bin/python3"))
    yield from (root / "bin" / "python3" for root in conda if (root / "bin" / "python3").exists())


def find(wanted: SpecifierSet, *, environ: Mapping[str, str], home: Path, given: Path | None = None) -> Interpreter:
    """The newest interpreter of this machine within `wanted` that can be packaged, or `given` if it is one.

    Raises UnsatisfiableError listing those that were seen; UsageError when `given` is not an interpreter.
    """
    if given is not None:
        return _chosen(given, wanted)
    seen = [found for path in candidates(environ, home) if (found := inspect(path)) is not None]
    fitting = [found for found in seen if found.refusal is None and found.version in wanted]
    if fitting:
        return max(fitting, key=lambda found: found.version)
    listed = "\n".join(f"  {found.describe()}" for found in sorted(seen, key=lambda one: one.version))
    raise UnsatisfiableError(
        f"no Python of this machine fits the recipe's range {wanted}; seen:\n{listed or '  none'}",
        hint=_where_to_get(wanted),
    )


def _where_to_get(wanted: SpecifierSet) -> str:
    """How to install the newest Python that the recipe takes, as far as it is known to exist."""
    minors = [f"3.{minor}" for minor in range(_NEWEST, 8, -1) if any(map(wanted.contains, _patches(minor)))]
    if not minors:
        return "change the recipe's `python:`, or name an interpreter with --python PATH"
    return (
        f"install one (`uv python install {minors[0]}`, or on Debian `apt install python{minors[0]}-full`), "
        "or name one with --python PATH"
    )


def _patches(minor: int) -> list[str]:
    return [f"3.{minor}.{patch}" for patch in range(40)]


def _chosen(given: Path, wanted: SpecifierSet) -> Interpreter:
    found = inspect(given)
    if found is None:
        raise UsageError(f"--python {given}: no Python interpreter answers there")
    if found.refusal:
        raise UnsatisfiableError(f"--python {given}: {found.refusal}")
    if found.version not in wanted:
        raise UnsatisfiableError(f"--python {given} is {found.version}; the recipe takes {wanted}")
    return found
