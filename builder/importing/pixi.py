"""pixi.toml, and the same under `[tool.pixi]`: dependencies of conda and PyPI, for platforms and in features.

Source: pixi's manifest reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from builder.errors import UsageError
from builder.importing.toml import Toml
from builder.plan.terms import MAIN_GROUP
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from builder.importing.model import Collector

_TARGETS: Final[dict[str, tuple[Subdir, ...]]] = {
    **{subdir.value: (subdir,) for subdir in TARGETS},
    "unix": TARGETS,
    "osx": tuple(subdir for subdir in TARGETS if subdir.is_osx),
    "linux": tuple(subdir for subdir in TARGETS if subdir.is_linux),
    "win": (),
    "win-64": (),
    "win-arm64": (),
}
_REASONS: Final = {
    "tasks": "envbuild runs no tasks; `envbuild run` runs a command in an environment",
    "activation": "a recipe sets nothing up when an environment is activated",
    "package": "builds the project itself, and is no part of its environment",
    "pypi-options": "indexes are named to uv, in its uv.toml or by UV_INDEX",
    "host-dependencies": "builds a package, and is no part of its environment",
    "build-dependencies": "builds a package, and is no part of its environment",
    "constraints": "constrains what others ask for; a recipe's own ranges do that",
    "platforms": "a group is for all platforms of the recipe",
    "no-default-feature": "a group is always installed over the main packages",
    "dev": "takes the dependencies of packages that are built from their sources",
    "pypi-exclude-newer": "is asked of `envbuild update` with --exclude-newer",
}
#: Of `[workspace]`: what says nothing about what is installed.
_ABOUT: Final = frozenset(
    ("name", "version", "description", "authors", "license", "license-file", "readme", "homepage", "repository",
     "documentation", "preview", "requires-pixi", "channels", "platforms", "channel-priority", "conda-pypi-map",
     "build-variants")
)  # fmt: skip


def read(text: str, into: Collector) -> None:
    """Raises UsageError for what is no pixi.toml."""
    toml = Toml.parse(into.file, text)
    if not (toml.table("workspace") or toml.table("project") or toml.table("dependencies")):
        raise UsageError("describes no workspace: it has no [workspace] and no [dependencies]", file=into.file)
    read_tables(toml, into, root=())


def read_tables(toml: Toml, into: Collector, *, root: tuple[str, ...]) -> None:
    """The tables below `root`."""
    for key in ("workspace", "project"):
        _workspace(toml, into, (*root, key))
    _dependencies(toml, into, root, root=root, group=MAIN_GROUP)
    for feature in toml.table(*root, "feature"):
        _feature(toml, into, (*root, "feature", feature), feature, root=root)
    for name, value in toml.table(*root, "environments").items():
        _environment(toml, into, root, name, value)
    for key, value in toml.table(*root).items():
        if key not in ("workspace", "project", "feature", "environments", *_KNOWN):
            _leave_table(toml, into, (*root, key), value)


_KNOWN: Final = ("dependencies", "pypi-dependencies", "target", "system-requirements", "$schema")


def _environment(toml: Toml, into: Collector, root: tuple[str, ...], name: str, value: Any) -> None:
    """An environment is features under a name, and may have dependencies of its own, as a feature has."""
    path = (*root, "environments", name)
    fields: dict[str, Any] = value if isinstance(value, dict) else {"features": value}
    given = fields.get("features") or []
    features = given if isinstance(given, list) else [given]
    if features != [name] and features:
        into.leave(
            f"environment {name}: {', '.join(map(str, features))}",
            "a recipe is one environment; its features are groups, chosen with --group",
            toml.line(*path),
        )
    if isinstance(value, dict):
        _feature(toml, into, path, name, root=root)


def _workspace(toml: Toml, into: Collector, path: tuple[str, ...]) -> None:
    table = toml.table(*path)
    if isinstance(table.get("name"), str):
        into.name = into.name or table["name"]
    for item in toml.items(*path, "channels"):
        line = toml.line(*path, "channels", value=item if isinstance(item, str) else None)
        into.channel(item.get("channel") if isinstance(item, dict) else item, line or toml.line(*path, "channels"))
    for item in toml.items(*path, "platforms"):
        _platform(item, into, toml.line(*path, "platforms"))
    for key, value in table.items():
        if key not in _ABOUT:
            _leave_table(toml, into, (*path, key), value)


def _platform(item: Any, into: Collector, line: int | None) -> None:
    """A platform by name, or as a table with the systems that it needs."""
    fields: dict[str, Any] = item if isinstance(item, dict) else {"platform": item}
    into.platform(fields.get("platform", item), line)
    for key, value in fields.items():
        if key == "macos" and isinstance(value, str):
            into.macos = _version(value)
        elif key not in ("platform", "name"):
            _system(into, f"{key} = {value}", line)


def _platforms_of(toml: Toml, root: tuple[str, ...], target: str) -> tuple[Subdir, ...] | None:
    """The platforms that a target's name means, which the workspace may have given itself; None for an unknown one."""
    named = {
        item.get("name"): item.get("platform")
        for key in ("workspace", "project")
        for item in toml.items(*root, key, "platforms")
        if isinstance(item, dict)
    }
    return _TARGETS.get(str(named.get(target) or target))


def _version(text: str) -> str:
    return text if "." in text else f"{text}.0"


def _leave_table(toml: Toml, into: Collector, path: tuple[str, ...], value: Any) -> None:
    told = ", ".join(map(str, value)) if isinstance(value, dict | list) else str(value)
    into.leave(f"{'.'.join(path)}: {told}", _REASONS.get(path[-1], "is no field of a recipe"), toml.line(*path))


def _feature(toml: Toml, into: Collector, path: tuple[str, ...], feature: str, *, root: tuple[str, ...]) -> None:
    _dependencies(toml, into, path, root=root, group=into.group(feature))
    for key, value in toml.table(*path).items():
        if key == "channels":
            for item in toml.items(*path, key):
                into.channel(item, toml.line(*path, key))
        elif key not in (*_KNOWN, "features", "solve-group"):
            _leave_table(toml, into, (*path, key), value)


def _dependencies(toml: Toml, into: Collector, path: tuple[str, ...], *, root: tuple[str, ...], group: str) -> None:
    """`[dependencies]`, `[pypi-dependencies]` and `[system-requirements]` of one place, and of its targets."""
    _one(toml, into, path, group=group, platforms=None)
    for target in toml.table(*path, "target"):
        here = (*path, "target", target)
        platforms = _platforms_of(toml, root, target)
        if platforms is None:
            _leave_table(toml, into, here, toml.table(*here))
            continue
        _one(toml, into, here, group=group, platforms=platforms)
        for key, value in toml.table(*here).items():
            if key not in _KNOWN:
                _leave_table(toml, into, (*here, key), value)
    for key, value in toml.table(*path, "system-requirements").items():
        if key == "macos" and group == MAIN_GROUP and isinstance(value, str):
            into.macos = _version(value)
        else:
            _system(into, f"{key} = {value}", toml.line(*path, "system-requirements", key))


def _system(into: Collector, what: str, line: int | None) -> None:
    into.leave(what, "a recipe has `macos:` only; Linux is taken to be manylinux_2_28", line)


def _one(
    toml: Toml, into: Collector, path: tuple[str, ...], *, group: str, platforms: tuple[Subdir, ...] | None
) -> None:
    for name, value in toml.table(*path, "dependencies").items():
        line = toml.line(*path, "dependencies", name)
        dependency(name, value, into, line=line, group=group, platforms=platforms)
    for name, value in toml.table(*path, "pypi-dependencies").items():
        _pypi(name, value, into, line=toml.line(*path, "pypi-dependencies", name), group=group, platforms=platforms)


def dependency(
    name: str, value: Any, into: Collector, *, line: int | None, group: str, platforms: tuple[Subdir, ...] | None
) -> None:
    """A conda dependency as pixi and conda-lock's pyproject.toml write it: a range, or a table."""
    fields: dict[str, Any] = value if isinstance(value, dict) else {"version": value}
    source = next((key for key in ("path", "git", "url") if key in fields), None)
    if source is not None:
        into.leave(f"{name} ({source})", f"is built from its {source}; only packages of a channel can be locked", line)
        return
    for key in fields:
        if key == "channel":
            into.channel(fields[key], line)
            into.leave(f"{name}: channel = {fields[key]}", "a recipe searches its channels in order", line)
        elif key not in ("version", "build"):
            into.leave(f"{name}: {key} = {fields[key]}", "is carried over without it", line)
    version, build = fields.get("version", "*"), fields.get("build", "")
    if not isinstance(version, str) or not isinstance(build, str):
        into.leave(f"{name} = {value}", "has no version that is a text", line)
        return
    spec = " ".join(filter(None, (version.replace(" ", ""), build)))
    into.conda(name if spec == "*" else f"{name} {spec}", line, group=group, platforms=platforms)


def _pypi(
    name: str, value: Any, into: Collector, *, line: int | None, group: str, platforms: tuple[Subdir, ...] | None
) -> None:
    fields: dict[str, Any] = value if isinstance(value, dict) else {"version": value}
    source = next((key for key in ("path", "git", "url") if key in fields), None)
    if source is not None:
        into.leave(
            f"{name} ({source})", f"comes from a {source}; only packages of an index can be locked by hash", line
        )
        return
    version = fields.get("version", "*")
    if not isinstance(version, str):
        into.leave(f"{name} = {value}", "has no version that is a text", line)
        return
    extras = f"[{','.join(map(str, fields['extras']))}]" if isinstance(fields.get("extras"), list) else ""
    for key in fields:
        if key not in ("version", "extras", "env-markers"):
            into.leave(f"{name}: {key} = {fields[key]}", "is carried over without it", line)
    range_ = "" if version.strip() == "*" else version.replace(" ", "")
    # pixi takes a bare version for that very one.
    range_ = f"=={range_}" if range_[:1].isdigit() else range_
    marker = f" ; {fields['env-markers']}" if isinstance(fields.get("env-markers"), str) else ""
    into.pypi(f"{name}{extras}{range_}{marker}", line, group=group, platforms=platforms)
