"""Where an environment says that it is: the absolute paths of itself that it holds.

Conda packages, scripts and activation files hard-code the prefix they were installed into, so an environment that was
moved or copied half works: its scripts run the interpreter of the old place.
"""

from __future__ import annotations

import errno
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from builder.environment.model import PyVenv
    from builder.environment.reading import Reader

#: Scripts that ask for the system's Python mean it, wherever they lie.
_SYSTEM: Final = (Path("/"), Path("/usr"), Path("/usr/local"), Path("/opt/homebrew"))
#: How many scripts are looked at; they agree with each other or there are only a few.
_MOST_SCRIPTS: Final = 300
_HEAD: Final = 512
_SHEBANG: Final = re.compile(rb"#!\s*(?P<path>/[^\r\n]*?/bin/(?:python|pypy)[\d.t]*)(?:\s|$)")
#: pip's and conda's form for paths with spaces or longer than a shebang may be.
_EXEC: Final = re.compile(rb"#!/bin/sh\n'''exec' \"?(?P<path>/[^\"\n]*?/bin/python[\d.t]*)\"? ")
_ACTIVATE: Final = re.compile(
    r"^\s*(?:export )?VIRTUAL_ENV=(?P<quote>['\"]?)(?P<path>/[^'\"\n]*)(?P=quote)\s*$", re.MULTILINE
)


@dataclass(frozen=True, kw_only=True)
class RecordedPrefix:
    """A prefix that files of an environment take themselves to be in."""

    path: Path
    files: tuple[str, ...]
    """Relative to the prefix as it is."""


def is_same_place(one: Path | str, other: Path | str) -> bool:
    """Whether two paths lead to the same folder, by whatever links and, on a Mac, in whatever case they are written."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return os.path.realpath(one) == os.path.realpath(other)


def recorded_prefixes(
    prefix: Path, *, stamped: str | None, pyvenv: PyVenv | None, reader: Reader
) -> tuple[RecordedPrefix, ...]:
    """Every prefix that is written in the environment's own files, the most often named first."""
    found: dict[Path, list[str]] = {}
    if stamped:
        found.setdefault(Path(stamped), []).append("conda-meta/envbuild.stamp")
    if pyvenv is not None:
        text = reader.text(prefix / "bin" / "activate", most=1 << 18) or ""
        if told := _ACTIVATE.search(text):
            found.setdefault(Path(told["path"]), []).append("bin/activate")
    for script in _scripts(prefix, reader):
        named = _interpreter_of(script, reader)
        if named is not None and named.parent.parent not in _SYSTEM:
            found.setdefault(named.parent.parent, []).append(f"bin/{script.name}")
    counted = Counter({path: len(files) for path, files in found.items()})
    return tuple(RecordedPrefix(path=path, files=tuple(found[path])) for path, _ in counted.most_common())


def _scripts(prefix: Path, reader: Reader) -> list[Path]:
    return [path for path in reader.entries(prefix / "bin") if not path.is_symlink() and path.is_file()][:_MOST_SCRIPTS]


def _interpreter_of(script: Path, reader: Reader) -> Path | None:
    from builder.files import open_regular

    try:
        with open_regular(script) as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        reader.pass_over(script, error.strerror or str(error))
        return None
    told = _EXEC.match(head) or _SHEBANG.match(head)
    return Path(os.fsdecode(told["path"])) if told else None


def broken_links(prefix: Path, rels: list[str]) -> tuple[str, ...]:
    """Which of these paths (relative to the prefix) are symbolic links that lead nowhere, or round in a circle."""
    broken = []
    for rel in rels:
        path = prefix / rel
        try:
            if path.is_symlink() and not path.exists():
                broken.append(rel)
        except (OSError, RuntimeError) as error:
            if not isinstance(error, OSError) or error.errno == errno.ELOOP:
                broken.append(rel)
    return tuple(broken)
