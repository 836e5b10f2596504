"""What an installed package consists of, for whoever reads it as the archive it came from was read."""

from __future__ import annotations

import configparser
import os
from typing import TYPE_CHECKING, Final

from builder.binaries.summary import Identity
from builder.binaries.summary_sources import InstalledFiles

if TYPE_CHECKING:
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.model import CondaRecord

#: What the installer of a conda package makes: entry points of noarch packages and compiled sources.
_MADE: Final = frozenset({"unix_python_entry_point", "windows_python_entry_point_script", "pyc_file"})
_SCRIPTS: Final = ("console_scripts", "gui_scripts")


def wheel_contents(environment: Environment, dist: Distribution) -> InstalledFiles:
    """The files that a wheel brought, without the scripts that its installer made for entry points."""
    root = environment.path
    site = os.path.relpath(dist.site, root)
    made = {f"bin/{name}" for name in _entry_points(dist)}
    files = []
    for entry in dist.record:
        rel = os.path.normpath(os.path.join(site, entry.path))  # noqa: PTH118 - relative, and never opened by itself
        if not rel.startswith(("../", "/")) and rel not in made:
            files.append(rel)
    return InstalledFiles(root=root, files=tuple(files), site="" if site == "." else site)


def _entry_points(dist: Distribution) -> list[str]:
    parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(dist.read("entry_points.txt") or "")
    except configparser.Error:
        return []
    return [name.strip() for section in _SCRIPTS if parser.has_section(section) for name, _ in parser.items(section)]


def conda_contents(environment: Environment, record: CondaRecord) -> InstalledFiles:
    """The files of a conda package, without what its installer made. `record.subdir` is `noarch` for packages whose
    modules are in `site-packages/` in the archive, and in Python's own folder here.
    """
    made = {item.path for item in record.paths if item.kind in _MADE}
    site = environment.site_packages
    return InstalledFiles(
        root=environment.path,
        files=tuple(path for path in record.files if path not in made),
        site=site.relative_to(environment.path).as_posix() if site is not None else "",
        noarch=record.subdir == "noarch",
        rewritten=frozenset(item.path for item in record.paths if item.placeholder),
        identity=Identity(
            kind="conda",
            name=record.name,
            version=record.version,
            build=record.build,
            subdir=record.subdir,
            requires=record.depends,
        ),
    )
