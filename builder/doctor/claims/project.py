"""What the project itself says about its environment: names, versions, variables, and whether it uses Keras at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from builder.doctor import stack
from builder.doctor.claims.shells import WATCHED
from builder.doctor.claims.vscode_settings import expanded
from builder.doctor.model import Place
from builder.frameworks.keras import OVER_FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.disk import Disk

IMPORT: Final = re.compile(r"(?:^|\\n|\"|;)\s*(?:import|from)\s+([a-zA-Z_]\w*)", re.MULTILINE)
KERAS_OF_TENSORFLOW: Final = re.compile(r"\btf\.keras\b|\btensorflow\.keras\b|from tensorflow import [^\n]*\bkeras\b")
_DEPENDENCY_FILES: Final = (
    "requirements.txt", "pyproject.toml", "environment.yml", "environment.yaml", "setup.py", "setup.cfg", "Pipfile",
    "pixi.toml",
)  # fmt: skip
_MOST_SOURCES: Final = 100
_SOURCE_BYTES: Final = 300_000


@dataclass(frozen=True, kw_only=True)
class ProjectFacts:
    """`name` is the environment the project asks for, `uses` the frameworks it imports or declares; `judged` is False
    where there was nothing to read it from. `shadows` are its files named like a package."""

    name: str | None = None
    uses: tuple[str, ...] = ()
    judged: bool = False
    variables: dict[str, tuple[str, Place]] = field(default_factory=dict)
    shadows: tuple[Path, ...] = ()


def read(around: Surroundings) -> ProjectFacts:
    project = around.project
    if project is None:
        return ProjectFacts()
    uses, judged = _uses(around, project)
    return ProjectFacts(
        name=_environment_name(around, project),
        uses=uses,
        judged=judged,
        variables=dict(_variables(around, project)),
        shadows=tuple(
            project / file for module in stack.modules() if around.disk.is_file(project / (file := f"{module}.py"))
        ),
    )


def _environment_name(around: Surroundings, project: Path) -> str | None:
    """`name:` of the project's environment.yml (conda's own file), without parsing more of it."""
    for file in ("environment.yml", "environment.yaml"):
        text = around.disk.text(project / file) or ""
        for line in text.splitlines():
            if found := re.match(r"name:\s*[\"']?([\w.+-]+)[\"']?\s*(?:#.*)?$", line):
                return found[1]
    return None


def _uses(around: Surroundings, project: Path) -> tuple[tuple[str, ...], bool]:
    found: set[str] = set()
    judged = False
    for name in _DEPENDENCY_FILES:
        text = around.disk.text(project / name)
        if text:
            found |= set(filter(None, map(stack.brought_by, stack.declared(text))))
    for file in _sources(around, project):
        frameworks = imported(around.disk, file)
        judged = judged or frameworks is not None
        found |= frameworks or set()
    return tuple(name for name in stack.frameworks() if name in found), judged or bool(found)


def imported(disk: Disk, file: Path) -> frozenset[str] | None:
    """The frameworks that a source or notebook imports; None where it imports nothing at all."""
    text = disk.head(file, _SOURCE_BYTES).decode("utf-8", errors="replace")
    modules = set(IMPORT.findall(text))
    if not modules:
        return None
    found = modules & set(stack.frameworks())
    return frozenset(found | {OVER_FRAMEWORKS} if KERAS_OF_TENSORFLOW.search(text) else found)


def _sources(around: Surroundings, project: Path) -> Iterator[Path]:
    """Python files and notebooks of the project's folder and two levels below, environments left out."""
    pending, seen, count = [(project, 0)], 0, 0
    while pending and seen < 60:
        folder, depth = pending.pop(0)
        seen += 1
        for name in around.disk.entries(folder):
            if name.endswith((".py", ".ipynb")):
                count += 1
                if count > _MOST_SOURCES:
                    return
                yield folder / name
            elif depth < 2 and "." not in name and name not in ("node_modules", "venv", "env", "build", "dist"):
                path = folder / name
                if around.disk.is_dir(path) and not path.is_symlink() and not around.environments.is_environment(path):
                    pending.append((path, depth + 1))


def _variables(around: Surroundings, project: Path) -> Iterator[tuple[str, tuple[str, Place]]]:
    """Variables of `.env` (IDEs read it), of the file that VS Code is told to read instead, and of `.envrc` (direnv
    does)."""
    for file in (project / ".env", *_env_file(around, project), project / ".envrc"):
        yield from watched_variables(around, file)


def watched_variables(around: Surroundings, file: Path) -> Iterator[tuple[str, tuple[str, Place]]]:
    """What a file of `NAME=value` lines sets, and where: the watched variables only, for others may be secrets."""
    text = around.disk.text(file) or ""
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*(?:export\s+)?([A-Z_][A-Z0-9_]*)=(.*)$", line)
        if found and found[1] in WATCHED:
            value = re.sub(r"\s+#.*$", "", found[2]).strip().strip("\"'")
            yield found[1], (value, Place(file=file, line=number, key=found[1]))


def _env_file(around: Surroundings, project: Path) -> Iterator[Path]:
    """`python.envFile` of the folder's settings."""
    document = around.json(project / ".vscode" / "settings.json")
    written = document.get("python.envFile") if document is not None else None
    file = expanded(around, written) if isinstance(written, str) else None
    if file is not None:
        yield file
