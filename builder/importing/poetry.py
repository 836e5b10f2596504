"""Poetry's own tables: `^` and `~`, groups, and dependencies that are tables.

Source: Poetry's "Dependency specification".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from packaging.version import InvalidVersion, Version

from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from builder.importing.model import Collector
    from builder.importing.toml import Toml

_ROOT: Final = ("tool", "poetry")
_ELSEWHERE: Final = ("git", "url", "path", "file")


def read(toml: Toml, into: Collector) -> None:
    """The main dependencies, those of groups, and of extras."""
    table = toml.table(*_ROOT)
    if isinstance(table.get("name"), str):
        into.name = into.name or table["name"]
    extras = {
        name: into.group(extra)
        for extra, names in toml.table(*_ROOT, "extras").items()
        for name in (names if isinstance(names, list) else [])
    }
    _table(toml, into, "dependencies", group=MAIN_GROUP, extras=extras)
    _table(toml, into, "dev-dependencies", group="dev", extras={})
    for name in toml.table(*_ROOT, "group"):
        _table(toml, into, "group", name, "dependencies", group=into.group(name), extras={})
    if "source" in table:
        into.leave("[[tool.poetry.source]]", "indexes are named to uv, in its uv.toml or by UV_INDEX",
                   toml.line(*_ROOT, "source"))  # fmt: skip


def _table(toml: Toml, into: Collector, *path: str, group: str, extras: dict[str, str]) -> None:
    for name, value in toml.table(*_ROOT, *path).items():
        line = toml.line(*_ROOT, *path, name)
        for one in value if isinstance(value, list) else [value]:
            _dependency(name, one, into, line=line, group=group, extras=extras)


def _dependency(
    name: str, value: Any, into: Collector, *, line: int | None, group: str, extras: dict[str, str]
) -> None:
    fields: dict[str, Any] = value if isinstance(value, dict) else {"version": value}
    other = next((key for key in _ELSEWHERE if key in fields), None)
    if other is not None:
        into.leave(f"{name} ({other})", f"comes from a {other}; only packages of an index can be locked by hash", line)
        return
    version = fields.get("version", "*")
    if not isinstance(version, str):
        into.leave(f"{name} = {value}", "has no version that is a text", line)
        return
    try:
        specifier = pep440(version)
    except ValueError as problem:
        into.leave(f"{name} = {version!r}", str(problem), line)
        return
    if name.lower() == "python":
        if group == MAIN_GROUP:
            into.python_range(specifier, line)
        return
    marker = " and ".join(f"({text})" for text in _markers(fields, name, into, line))
    if fields.get("optional") and name in extras:
        group = extras[name]
    elif fields.get("optional"):
        into.leave(name, "is optional, and in no extra that could be a group", line)
        return
    wanted = f"[{','.join(fields['extras'])}]" if isinstance(fields.get("extras"), list) else ""
    # Poetry takes it from conda where conda-lock reads the table; the recipe from PyPI, as the file says.
    into.pypi(f"{name}{wanted}{specifier}" + (f" ; {marker}" if marker else ""), line, group=group)
    for key in fields:
        if key not in ("version", "optional", "extras", "python", "markers", "platform", "allow-prereleases"):
            into.leave(f"{name}: {key} = {fields[key]}", "is carried over without it", line)


def _markers(fields: dict[str, Any], name: str, into: Collector, line: int | None) -> list[str]:
    found = []
    if isinstance(fields.get("markers"), str):
        found.append(fields["markers"])
    if isinstance(fields.get("python"), str):
        try:
            found += [_python_marker(part) for part in pep440(fields["python"]).split(",") if part]
        except ValueError as problem:
            into.leave(f"{name}: python = {fields['python']!r}", str(problem), line)
    if isinstance(fields.get("platform"), str):
        found.append(f"sys_platform == '{fields['platform']}'")
    return found


def _python_marker(part: str) -> str:
    found = re.fullmatch(r"([<>=!~]+)(.*)", part)
    assert found is not None
    return f"python_full_version {found[1]} '{found[2]}'"


def pep440(text: str) -> str:
    """A version range of Poetry's as PEP 440: `^1.2` is `>=1.2,<2`. Raises ValueError for what has none."""
    if "|" in text:
        raise ValueError("alternatives (`||`) are not supported here; write one range")
    parts = [part for part in re.split(r"\s*,\s*|\s+(?=[<>=!~^])", text.strip()) if part]
    return ",".join(filter(None, (_part(part.replace(" ", "")) for part in parts)))


def _part(text: str) -> str:
    if text in ("*", ""):
        return ""
    if found := re.fullmatch(r"(\^|~)(\d.*)", text):
        low = _version(found[2])
        return f">={low},<{_above(low, caret=found[1] == '^', given=found[2])}"
    if found := re.fullmatch(r"(\d[\w.!+]*?)\.\*", text):
        return f"=={found[1]}.*"
    if re.fullmatch(r"\d[\w.!+-]*", text):
        return f"=={_version(text)}"
    if found := re.fullmatch(r"(==|!=|<=|>=|~=|=|<|>)(\d[\w.!+-]*(?:\.\*)?)", text):
        return f"{'==' if found[1] == '=' else found[1]}{found[2]}"
    raise ValueError(f"{text!r} is not a version range that Poetry has")


def _version(text: str) -> str:
    try:
        return str(Version(text))
    except InvalidVersion:
        raise ValueError(f"{text!r} is not a version") from None


def _above(low: str, *, caret: bool, given: str) -> str:
    """The first version that `^` or `~` leaves out."""
    release = list(Version(low).release)
    written = len(re.match(r"[\d.]+", given)[0].strip(".").split("."))  # type: ignore[index]
    if caret:
        index = next((number for number, part in enumerate(release[:written]) if part), written - 1)
    else:
        index = min(1, written - 1)
    return ".".join(map(str, (*release[:index], release[index] + 1)))
