"""Which reader a file is for: told by its name, and where that says nothing by what is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.importing import environment_yml, locks, pixi, pyproject, requirements
from builder.importing.model import Collector
from builder.importing.text import read_text

if TYPE_CHECKING:
    from pathlib import Path

    from builder.importing.model import Draft

_YAML: Final = (".yml", ".yaml")
_READERS: Final = {
    "conda-lock": locks.read_conda_lock,
    "environment": environment_yml.read,
    "explicit": locks.read_explicit,
    "pixi": pixi.read,
    "pylock": locks.read_pylock,
    "pyproject": pyproject.read,
    "requirements": requirements.read,
}
#: Names that say what a file is, and not what it is for.
_GENERIC: Final = re.compile(r"(environment|requirements|conda-lock|pylock|pixi|pyproject|explicit)\b")
#: Files that say the same as another one beside them, which says it better.
_INSTEAD: Final = {
    "pixi.lock": "pixi.toml",
    "poetry.lock": "pyproject.toml",
    "uv.lock": "pyproject.toml",
    "pdm.lock": "pyproject.toml",
    "Pipfile.lock": "Pipfile",
}


def read_file(file: Path) -> Draft:
    """What the file could say as a recipe. Raises UsageError with the place for what cannot be read at all."""
    if file.name in _INSTEAD:
        raise UsageError(
            f"{file.name} says what was chosen; what was asked for is in {_INSTEAD[file.name]}",
            hint=f"import {_INSTEAD[file.name]}, or `pylock.toml` if your tool writes it",
        )
    text = read_text(file)
    into = Collector(file=file.name, folder=file.parent)
    _READERS[_kind(file, text)](text, into)
    if into.name is None and _GENERIC.match(file.name):
        into.name = file.resolve().parent.name
    if not into.asked and into.python is None:
        reasons = "".join(f"\n  {one.place}: {one.what}: {one.reason}" for one in into.left[:5])
        raise UsageError(f"{file} asks for nothing that a recipe could say{reasons}")
    return into.draft()


def _kind(file: Path, text: str) -> str:
    if file.suffix == ".toml":
        if re.fullmatch(r"pylock(\.[^.]+)?\.toml", file.name) or re.search(r"^lock-version\s*=", text, re.MULTILINE):
            return "pylock"
        pixi = re.search(r"^\[(workspace|dependencies|pypi-dependencies)\]", text, re.MULTILINE)
        own = re.search(r"^\[(project|tool[.\]]|build-system|dependency-groups)", text, re.MULTILINE)
        return "pixi" if file.name == "pixi.toml" or (pixi and not own) else "pyproject"
    if file.suffix in _YAML:
        is_lock = re.search(r"^package:", text, re.MULTILINE) and re.search(r"^metadata:", text, re.MULTILINE)
        return "conda-lock" if is_lock else "environment"
    if re.search(r"^@EXPLICIT\s*$", text, re.MULTILINE):
        return "explicit"
    if file.name == "Pipfile":
        instead = "write requirements.txt with `pipenv requirements`, and import that"
        raise UsageError("a Pipfile is not read", file=file.name, hint=instead)
    return "requirements"
