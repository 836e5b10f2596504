"""pyproject.toml: the project's own dependencies (PEP 621), groups (PEP 735), and the tables of tools.

What the tables of Poetry, pixi, PDM, uv and conda-lock say of dependencies is carried over as well; tables of other
tools that name dependencies are named, so that nothing is lost in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from builder.errors import UsageError
from builder.importing import pixi, poetry
from builder.importing.requirements import read_lines
from builder.importing.toml import Toml
from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.importing.model import Collector

#: Keys of tools' tables that are read below, as paths from `tool`.
_READ: Final = (
    ("poetry",),
    ("pixi",),
    ("conda-lock",),
    ("pdm", "dev-dependencies"),
    ("uv", "dev-dependencies"),
    ("uv", "sources"),
    ("uv", "index"),
)
_UV_REASONS: Final = {
    "constraint-dependencies": "constrains what others ask for; a recipe's own ranges do that",
    "override-dependencies": "overrides what packages require, which a lock of envbuild never does",
}


def read(text: str, into: Collector) -> None:
    """Raises UsageError where the file names no dependencies at all."""
    toml = Toml.parse(into.file, text)
    project = toml.table("project")
    tools = [toml.table("tool", tool) for tool in ("poetry", "pixi", "conda-lock")]
    if not any((project, toml.table("dependency-groups"), *tools)):
        raise UsageError(
            "has no [project], [dependency-groups], [tool.poetry], [tool.pixi] or [tool.conda-lock]",
            file=into.file,
            hint="there is nothing in it that a recipe could say",
        )
    if isinstance(project.get("name"), str):
        into.name = project["name"]
    _project(toml, project, into)
    _groups(toml, into)
    if toml.table("tool", "poetry"):
        poetry.read(toml, into)
    if toml.table("tool", "pixi"):
        pixi.read_tables(toml, into, root=("tool", "pixi"))
    _conda_lock(toml, into)
    _uv(toml, into)
    for group, items in toml.table("tool", "pdm", "dev-dependencies").items():
        _list(toml, items, into, "tool", "pdm", "dev-dependencies", group, group=into.group(group))
    requires = toml.table("build-system").get("requires")
    if requires:
        into.leave(
            f"build-system.requires: {', '.join(map(str, requires if isinstance(requires, list) else [requires]))}",
            "builds the project itself, and is no part of its environment",
            toml.line("build-system", "requires"),
        )
    for path in _unread(toml):
        into.leave(f"[{'.'.join(path)}]", "is a table whose dependencies envbuild does not read", toml.line(*path))


def _list(toml: Toml, items: Any, into: Collector, *path: str, group: str) -> None:
    if not isinstance(items, list):
        into.leave(f"{'.'.join(path)}: {items}", "is not a list of requirements", toml.line(*path))
        return
    for item in items:
        if isinstance(item, str):
            line = toml.line(*path, value=item)
            # PDM and uv take `-e file:///…` in their lists as pip does.
            read_lines([(line or 1, item)], into, group=group)
        else:
            into.leave(item, "is not a requirement", toml.line(*path))


def _project(toml: Toml, project: dict[str, Any], into: Collector) -> None:
    if isinstance(project.get("requires-python"), str):
        into.python_range(_plain_range(project["requires-python"]), toml.line("project", "requires-python"))
    if "dependencies" in project:
        _list(toml, project["dependencies"], into, "project", "dependencies", group=MAIN_GROUP)
    for extra, items in toml.table("project", "optional-dependencies").items():
        path = ("project", "optional-dependencies", extra)
        own = f"{into.name or ''}["
        mine = [item for item in items if isinstance(item, str) and own != "[" and item.startswith(own)] if isinstance(
            items, list) else []  # fmt: skip
        for item in mine:
            into.leave(
                item, "names other groups of this project; install them with --group", toml.line(*path, value=item)
            )
        rest = [item for item in items if item not in mine] if isinstance(items, list) else items
        _list(toml, rest, into, *path, group=into.group(extra))
    for field in toml.items("project", "dynamic"):
        if field in ("dependencies", "optional-dependencies", "requires-python"):
            line = toml.line("project", "dynamic")
            into.leave(f"dynamic {field}", "is computed when the project is built, and is not in this file", line)


def _plain_range(text: str) -> str:
    return text.replace(" ", "")


def _groups(toml: Toml, into: Collector) -> None:
    """PEP 735, with `include-group` resolved."""
    groups = toml.table("dependency-groups")
    for name in groups:
        for path, items in _included(groups, name, ()):
            wanted = [item for item in items if not (isinstance(item, dict) and set(item) == {"include-group"})]
            _list(toml, wanted, into, "dependency-groups", path, group=into.group(name))


def _included(groups: dict[str, Any], name: str, seen: tuple[str, ...]) -> Iterator[tuple[str, list[Any]]]:
    items = groups.get(name)
    if name in seen or not isinstance(items, list):
        return
    yield name, items
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("include-group"), str):
            yield from _included(groups, item["include-group"], (*seen, name))


def _conda_lock(toml: Toml, into: Collector) -> None:
    table = toml.table("tool", "conda-lock")
    for key, add in (("channels", into.channel), ("platforms", into.platform)):
        for item in toml.items("tool", "conda-lock", key):
            add(item, toml.line("tool", "conda-lock", key))
    for name, version in toml.table("tool", "conda-lock", "dependencies").items():
        line = toml.line("tool", "conda-lock", "dependencies", name)
        pixi.dependency(name, version, into, line=line, group=MAIN_GROUP, platforms=None)
    for key, value in table.items():
        if key not in ("channels", "platforms", "dependencies"):
            into.leave(
                f"tool.conda-lock.{key}: {value}", "is no field of a recipe", toml.line("tool", "conda-lock", key)
            )


def _uv(toml: Toml, into: Collector) -> None:
    uv = toml.table("tool", "uv")
    if "dev-dependencies" in uv:
        _list(toml, uv["dev-dependencies"], into, "tool", "uv", "dev-dependencies", group="dev")
    for name, source in toml.table("tool", "uv", "sources").items():
        kinds = ", ".join(source) if isinstance(source, dict) else "several"
        into.leave(
            f"tool.uv.sources.{name}",
            f"names another source ({kinds}); the package is asked of the index",
            toml.line("tool", "uv", "sources", name),
        )
    if "index" in uv:
        into.leave(
            "[[tool.uv.index]]", "stays where it is: uv reads it from here as well", toml.line("tool", "uv", "index")
        )
    for key, reason in _UV_REASONS.items():
        if key in uv:
            into.leave(f"tool.uv.{key}", reason, toml.line("tool", "uv", key))


def _unread(toml: Toml) -> Iterator[tuple[str, ...]]:
    """Tables of tools that hold a key called like dependencies, and that nothing above reads."""

    def walk(table: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        for key, value in table.items():
            here = (*path, key)
            if any(here[: len(known)] == known for known in _READ) or (path == ("uv",) and key in _UV_REASONS):
                continue
            if (
                key in ("dependencies", "dev-dependencies", "extra-dependencies", "requires", "requires-extra")
                and value
            ):
                yield "tool", *path
            elif isinstance(value, dict) and len(here) < 6:
                yield from walk(value, here)

    yield from dict.fromkeys(walk(toml.table("tool"), ()))
