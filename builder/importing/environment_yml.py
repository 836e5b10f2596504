"""environment.yml of conda, mamba and conda-lock, whoever wrote it: a person, or `conda env export`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder import yamlio
from builder.errors import UsageError
from builder.importing.requirements import read_lines
from builder.plan.terms import MAIN_GROUP
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from builder.importing.model import Collector

#: Behind a dependency: `# [osx]`, as conda-lock and conda-build write it.
_SELECTOR: Final = re.compile(r"\s#\s*\[([^\]]+)\]\s*$")
_SELECTORS: Final = {
    "arm64": (Subdir.OSX_ARM64,),
    "osx": (Subdir.OSX_ARM64, Subdir.OSX_64),
    "osx64": (Subdir.OSX_64,),
    "linux": (Subdir.LINUX_64, Subdir.LINUX_AARCH64),
    "linux64": (Subdir.LINUX_64,),
    "aarch64": (Subdir.LINUX_AARCH64,),
    "unix": TARGETS,
    "win": (),
    "win64": (),
    "win32": (),
}
_REASONS: Final = {
    "prefix": "is a folder of the machine that wrote this; `envbuild create` chooses its own",
    "variables": "a recipe sets no environment variables",
    "pip-repositories": "indexes are named to uv, in its uv.toml or by UV_INDEX",
    "category": "groups of a recipe are under `groups:`",
}


def read(text: str, into: Collector) -> None:
    """Raises UsageError with file and line for what is no environment.yml."""
    document = yamlio.load(Path(into.file), error=UsageError, text=text)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("dependencies") or [], list):
        raise UsageError("not an environment.yml: it has no list of `dependencies`", file=into.file, line=1)
    if "dependencies" not in data and "channels" not in data:
        raise UsageError("not an environment.yml: it has neither `dependencies` nor `channels`", file=into.file, line=1)
    lines = text.splitlines()
    category = data.get("category")
    group = into.group(category) if isinstance(category, str) and category != MAIN_GROUP else MAIN_GROUP
    for key, value in data.items():
        line = document.line((key,))
        if key == "name":
            into.name = str(value) if isinstance(value, str) else None
        elif key in ("channels", "platforms"):
            for index, item in enumerate(value if isinstance(value, list) else [value] if value else []):
                (into.channel if key == "channels" else into.platform)(item, document.line((key, index)))
        elif key == "category" and group != MAIN_GROUP:
            continue
        elif key != "dependencies":
            into.leave(f"{key}: {_shown(value)}", _REASONS.get(key, "is no field that conda knows"), line)
    for index, item in enumerate(data.get("dependencies") or []):
        line = document.line(("dependencies", index))
        if isinstance(item, dict):
            _mapping(item, document, index, lines, into, group=group)
        elif item is not None:
            into.conda(item, line, group=group, platforms=_platforms(lines, line, into))
    if "prefix" in data or _is_exported(data.get("dependencies") or []):
        into.leave(
            "who asked for what",
            "this is the output of `conda env export`, which pins all that was installed; `conda env export "
            "--from-history` says what was asked for",
            document.line(("dependencies",)),
        )


def _is_exported(dependencies: list[Any]) -> bool:
    """Whether nearly everything has a version and a build, which nobody writes by hand."""
    specs = [item for item in dependencies if isinstance(item, str)]
    return len(specs) > 4 and sum(item.count("=") == 2 and "==" not in item for item in specs) > 0.8 * len(specs)


def _mapping(
    item: dict[str, Any],
    document: yamlio.Document,
    index: int,
    lines: list[str],
    into: Collector,
    *,
    group: str,
) -> None:
    """`pip:` with its list; anything else is none of conda's."""
    for key, value in item.items():
        if key != "pip" or not isinstance(value, list):
            line = document.line(("dependencies", index, key))
            into.leave(f"{key}: {_shown(value)}", "only `pip:` with a list is a dependency of that form", line)
            continue
        for number, one in enumerate(value):
            line = document.line(("dependencies", index, "pip", number))
            if isinstance(one, str):
                read_lines([(line or 1, one)], into, group=group, platforms=_platforms(lines, line, into))
            else:
                into.leave(one, "is not a requirement", line)


def _platforms(lines: list[str], line: int | None, into: Collector) -> tuple[Subdir, ...] | None:
    """What a selector behind the line says; None without one, or where nobody knows it."""
    found = _SELECTOR.search(lines[line - 1]) if line is not None and line <= len(lines) else None
    if found is None:
        return None
    selector = found[1].strip()
    opposite = re.fullmatch(r"not (\w+)", selector)
    known = _SELECTORS.get(opposite[1] if opposite else selector)
    if known is None:
        into.leave(f"# [{selector}]", "is a selector that envbuild does not know; the line is taken everywhere", line)
        return None
    return tuple(subdir for subdir in TARGETS if subdir not in known) if opposite else known


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(map(str, value))
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
