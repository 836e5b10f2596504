"""Code that Python runs before any program: `.pth` files, sitecustomize and usercustomize that no package brought.

Source: Python's `site` module: a line of a `.pth` that begins with `import ` is executed; then `sitecustomize` and,
with the user site in use, `usercustomize` are imported.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks.system import is_debians

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from builder.environment.environment import Environment
    from builder.environment.ownership import Owner

#: Files that `venv`'s successors write, unrecorded: virtualenv (and uv) patch distutils through this one.
_OF_VIRTUAL_ENVIRONMENTS: Final = {"_virtualenv.pth": "import _virtualenv"}
_CUSTOMIZE: Final = ("sitecustomize", "usercustomize")
_MOST_BYTES: Final = 1 << 20
_MOST_FILES: Final = 2000
#: Characters of a line that are shown: some such files are one program on one line.
_SHOWN: Final = 160
_CODE: Final = re.compile(r"import[ \t].*")


@dataclass(frozen=True, kw_only=True)
class Startup:
    """A file that runs code whenever Python starts, and the first lines of that code."""

    path: Path
    code: tuple[str, ...]
    problem: str = ""
    """Why it cannot be read; Python then ends, or waits, when it comes to it."""

    @property
    def line(self) -> str:
        return f"{self.path}: {self.code[0][:_SHOWN] if self.code else self.problem or 'cannot be read'}"


def strays(environment: Environment) -> list[Startup]:
    """Those in the environment that no package owns."""
    return [
        one
        for one, owner in _of_environment(environment)
        if owner is None and one.code != (_OF_VIRTUAL_ENVIRONMENTS.get(one.path.name),)
    ]


def of_packages(environment: Environment) -> list[tuple[Startup, Owner]]:
    """Those that packages brought, and which ones."""
    return [(one, owner) for one, owner in _of_environment(environment) if owner is not None]


def _of_environment(environment: Environment) -> Iterator[tuple[Startup, Owner | None]]:
    root = environment.path
    sites = [folder for folder in environment.site_folders if not is_debians(folder)]
    library = {folder.parent for folder in sites if folder.name.endswith("-packages")}
    for one in _in_folders([*sites, *sorted(library)]):
        rel = one.path.relative_to(root).as_posix() if one.path.is_relative_to(root) else None
        claims = environment.owners.claims(rel) if rel is not None else ()
        yield one, claims[-1].owner if claims else None


def of_user(environ: Mapping[str, str], *, home: Path, version: tuple[int, int] | None) -> list[Startup]:
    """Those of the user's own site folder and of PYTHONPATH, which run in every Python of the user's.

    Only PYTHONPATH's modules are imported so: `.pth` files count in site folders alone.
    """
    found = [] if environ.get("PYTHONNOUSERSITE") else list(_in_folders(_user_sites(environ, home, version)))
    for entry in environ.get("PYTHONPATH", "").split(os.pathsep):
        if entry:
            found += [one for one in _in_folders([Path(entry)]) if one.path.suffix != ".pth"]
    return found


def _user_sites(environ: Mapping[str, str], home: Path, version: tuple[int, int] | None) -> list[Path]:
    """`site.getusersitepackages()`: below PYTHONUSERBASE or ~/.local, and of framework builds below ~/Library."""
    if version is None:
        return []
    minor = f"{version[0]}.{version[1]}"
    base = environ.get("PYTHONUSERBASE")
    places = [Path(base or home / ".local") / "lib" / f"python{minor}" / "site-packages"]
    return places if base else [*places, home / "Library" / "Python" / minor / "lib" / "python" / "site-packages"]


def _in_folders(folders: Iterable[Path]) -> Iterator[Startup]:
    for folder in folders:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)[:_MOST_FILES]
        except OSError:
            continue
        for entry in entries:
            stem, _, suffix = entry.name.partition(".")
            if entry.name.endswith(".pth"):
                path = Path(entry.path)
                code, problem = tuple(line for line in _lines(path) if _CODE.match(line)), _obstacle(path)
                if code or problem:
                    yield Startup(path=path, code=code, problem=problem)
            elif stem in _CUSTOMIZE and (suffix in ("py", "pyc") or entry.is_dir()):
                path = Path(entry.path, "__init__.py") if entry.is_dir() else Path(entry.path)
                yield Startup(path=path, code=tuple(line for line in _lines(path) if line.strip())[:3])


def _obstacle(path: Path) -> str:
    """What keeps Python from starting because of a `.pth`: a pipe, which it waits for, or no UTF-8 text. Others, as one
    that nobody may read, it passes over.
    """
    from builder.files import open_regular

    try:
        with open_regular(path) as stream:
            stream.read(_MOST_BYTES).decode("utf-8")
    except UnicodeDecodeError:
        return "is not UTF-8 text, at which Python ends"
    except OSError as error:
        return "is no regular file" if error.errno == errno.EINVAL else ""
    return ""


def _lines(path: Path) -> list[str]:
    """The lines of a regular file; nothing for what is none, or is no text."""
    from builder.files import open_regular

    try:
        with open_regular(path) as stream:
            return stream.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
