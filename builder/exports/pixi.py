"""pixi.toml: what was asked for on every platform, as a manifest that pixi solves itself.

Source: pixi's manifest reference. What is for one platform alone is under `[target.PLATFORM]`; a group is a feature,
and an environment of that name.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.exports.model import Exported
from builder.plan.terms import MAIN_GROUP
from builder.wheels import applies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.exports.model import Export
    from builder.platforms import Subdir
    from builder.render.model import PlatformSpecs, Rendered, SpecLine

_TABLES: Final = {"conda": "dependencies", "pip": "pypi-dependencies"}
_Key = tuple[str, str, str]
"""Group, manager and name."""


def export(wanted: Export) -> Exported:
    """Needs the rendered files (`Export.rendered`): a lock does not say what was asked for."""
    import tomlkit

    assert wanted.rendered is not None
    platforms = [specs for specs in wanted.rendered.platforms if specs.subdir in wanted.platforms]
    document = tomlkit.document()
    document.add(tomlkit.comment(f"What {wanted.name} asks for, from its environment.yml by `envbuild export`."))
    document.add(tomlkit.comment(f"Its lock: envbuild export {wanted.name} --format pixi-lock -o pixi.lock"))
    document["workspace"] = {
        "name": wanted.name,
        "channels": list(wanted.lock.channels),
        "platforms": [specs.subdir.value for specs in platforms],
    }
    system = _system(platforms)
    if system:
        document["system-requirements"] = system
    python = next(iter(wanted.pythons), None)
    for path, entries in _tables(wanted.rendered, platforms, python=python):
        table: Any = document
        for part in path[:-1]:
            if part not in table:
                table[part] = tomlkit.table(is_super_table=True)
            table = table[part]
        table[path[-1]] = entries
    features = [group for group in wanted.rendered.groups if group != MAIN_GROUP]
    if features:
        document["environments"] = {group: [group] for group in features}
    return Exported(text=tomlkit.dumps(document))


def _system(platforms: list[PlatformSpecs]) -> dict[str, Any]:
    """The oldest systems that the lock was solved for."""
    found: dict[str, Any] = {}
    for specs in platforms:
        packages = specs.virtual_packages
        if "__osx" in packages:
            found["macos"] = packages["__osx"]
        if "__glibc" in packages:
            found["libc"] = {"family": "glibc", "version": packages["__glibc"]}
        if "__linux" in packages:
            found["linux"] = packages["__linux"]
    return dict(sorted(found.items()))


def _tables(
    rendered: Rendered, platforms: list[PlatformSpecs], *, python: str | None
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every table's path with its entries: those of all platforms first, then those of one."""
    entries: defaultdict[_Key, dict[Subdir, Any]] = defaultdict(dict)
    for specs in platforms:
        for line in (*specs.conda, *specs.pip):
            spec = _conda(line) if line.manager == "conda" else _pypi(line, specs.subdir, python)
            if spec is not None:
                entries[line.group, line.manager, _name(line)][specs.subdir] = spec
    tables: defaultdict[tuple[str, ...], dict[str, Any]] = defaultdict(dict)
    for (group, manager, name), by_platform in entries.items():
        base = () if group == MAIN_GROUP else ("feature", group)
        alike = len(by_platform) == len(platforms) and len({repr(spec) for spec in by_platform.values()}) == 1
        if alike:
            tables[*base, _TABLES[manager]][name] = next(iter(by_platform.values()))
            continue
        for subdir, spec in by_platform.items():
            tables[*base, "target", subdir.value, _TABLES[manager]][name] = spec
    for group in rendered.groups:
        base = () if group == MAIN_GROUP else ("feature", group)
        # A feature that an environment names must be there, also where nothing is in it.
        tables.setdefault((*base, _TABLES["conda"]), {})
    yield from sorted(tables.items(), key=lambda item: (item[0][0] == "feature", len(item[0]), item[0]))


def _name(line: SpecLine) -> str:
    return line.name if line.manager == "conda" else canonicalize_name(line.name)


def _conda(line: SpecLine) -> str | Mapping[str, str]:
    """`tensorflow 2.19.* cpu_py312*` in pixi's words."""
    _, _, rest = line.text.partition(" ")
    version, _, build = rest.partition(" ")
    return {"version": version, "build": build} if build else version or "*"


def _pypi(line: SpecLine, subdir: Subdir, python: str | None) -> str | Mapping[str, Any] | None:
    requirement = Requirement(line.text)
    if python is not None and not applies(requirement, subdir, python=python):
        return None
    version = str(requirement.specifier) or "*"
    return {"version": version, "extras": sorted(requirement.extras)} if requirement.extras else version
