"""pylock.toml (PEP 751): the PyPI part with URLs and hashes, for every platform at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.exports.markers import environments, marker
from builder.exports.model import Exported
from builder.exports.requirements import conda_left_out

if TYPE_CHECKING:
    from builder.exports.model import Export
    from builder.lock.model import LockedPackage


def export(wanted: Export) -> Exported:
    """One entry for each version of a package, with the wheel of each platform."""
    import tomlkit

    left = conda_left_out(wanted)
    document = tomlkit.document()
    document.add(tomlkit.comment(f"The PyPI part of {wanted.name}, from its conda-lock.yml by `envbuild export`."))
    document.add(tomlkit.comment("Over the conda packages: uv pip install --no-deps -r pylock.toml"))
    document["lock-version"] = "1.0"
    document["environments"] = environments(wanted.platforms)
    if (python := requires_python(wanted.pythons)) is not None:
        document["requires-python"] = python
    document["created-by"] = "envbuild"
    packages = tomlkit.aot()
    for name, version, locked in wanted.wheels():
        entry = tomlkit.table()
        entry["name"], entry["version"] = name, version
        if (condition := marker({package.subdir for package in locked}, wanted.platforms)) is not None:
            entry["marker"] = condition
        wheels = tomlkit.array()
        for wheel in _wheels(locked):
            inline = tomlkit.inline_table()
            inline.update(wheel)
            wheels.append(inline)
        entry["wheels"] = wheels.multiline(True)
        packages.append(entry)
    document["packages"] = packages
    return Exported(text=tomlkit.dumps(document), left_out=left)


def requires_python(versions: tuple[str, ...]) -> str | None:
    """The Python minor that all wheels were chosen for; None where platforms differ in it, or there is no Python."""
    minors = {".".join(version.split(".")[:2]) for version in versions}
    return f"=={minors.pop()}.*" if len(minors) == 1 else None


def _wheels(locked: tuple[LockedPackage, ...]) -> list[dict[str, Any]]:
    found = {package.url: package for package in locked}
    return [
        {"name": package.file_name, "url": url, "hashes": {"sha256": package.sha256}}
        for url, package in sorted(found.items())
    ]
