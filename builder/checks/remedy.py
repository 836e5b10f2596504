"""Commands that put an environment right again, and whose package a file is."""

from __future__ import annotations

import os
import posixpath
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from builder.environment.prefix import Dist, Prefix


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The package that installed a file."""

    name: str
    version: str
    manager: Literal["conda", "pip"]


class Packages:
    """Who owns which module and file of a prefix, and what the lock said about them."""

    def __init__(self, prefix: Prefix) -> None:
        self._prefix = prefix

    @cached_property
    def _conda_files(self) -> dict[str, Owner]:
        return {
            file: Owner(name=record.name, version=record.version, manager="conda")
            for record in self._prefix.conda_records
            for file in record.files
        }

    @cached_property
    def _pip_files(self) -> dict[str, Dist]:
        """Path relative to site-packages (with `..` for what lies beside it) → its distribution."""
        return {
            posixpath.normpath(line.partition(",")[0]): dist
            for dist in self._prefix.dists
            for line in (dist.read("RECORD") or "").splitlines()
            if line
        }

    @cached_property
    def modules(self) -> dict[str, Dist]:
        """Top-level module → the distribution that installed it; a module of several distributions is left out."""
        owners: dict[str, Dist | None] = {}
        for path, dist in self._pip_files.items():
            top, _, rest = path.partition("/")
            if top.startswith("..") or top.endswith((".dist-info", ".data", ".libs", ".dylibs")):
                continue
            if not rest and not top.endswith((".py", ".so")):
                continue
            module = top.partition(".")[0]
            if module.isidentifier() and module != "__pycache__":
                owners[module] = dist if owners.get(module, dist) is dist else None
        return {module: dist for module, dist in owners.items() if dist is not None}

    def owner(self, file: Path) -> Owner | None:
        """The package that installed `file`, by conda-meta, then by RECORD."""
        prefix, site = self._prefix.path, self._prefix.site_packages
        if file.is_relative_to(prefix):
            found = self._conda_files.get(file.relative_to(prefix).as_posix())
            if found is not None:
                return found
        if site is not None and file.is_relative_to(prefix):
            dist = self._pip_files.get(Path(os.path.relpath(file, site)).as_posix())
            if dist is not None:
                return Owner(name=dist.name, version=dist.version, manager="pip")
        return None

    def module_owner(self, module: str) -> Owner | None:
        """The package that installed a top-level module."""
        dist = self.modules.get(module.partition(".")[0])
        if dist is None:
            return None
        relative = (dist.path / "METADATA").relative_to(self._prefix.path).as_posix()
        return self._conda_files.get(relative) or Owner(name=dist.name, version=dist.version, manager="pip")

    def locked_version(self, name: str) -> str | None:
        """The version that the lock has for a package."""
        stamp = self._prefix.stamp
        return next((package.version for package in stamp.packages if package.name == name), None) if stamp else None

    def reinstall(self, owner: Owner) -> str:
        """The command that installs the package again as it should be: in its locked version where there is one."""
        if owner.manager == "conda":
            return self.rebuild()
        version = self.locked_version(owner.name) or owner.version
        return self.install(f"{owner.name}=={version}", "--reinstall", "--no-deps")

    def reinstall_module(self, module: str) -> str:
        """The command that installs a module's package again; the whole environment where nobody owns it."""
        owner = self.module_owner(module)
        return self.reinstall(owner) if owner else self.rebuild()

    def install(self, *arguments: str) -> str:
        python = self._prefix.python or self._prefix.path / "bin" / "python"
        return shlex.join(("uv", "pip", "install", "--python", str(python), *arguments))

    def uninstall(self, name: str) -> str:
        python = self._prefix.python or self._prefix.path / "bin" / "python"
        return shlex.join(("uv", "pip", "uninstall", "--python", str(python), name))

    def rebuild(self) -> str:
        """The command that builds the whole environment again from its lock."""
        stamp = self._prefix.stamp
        if stamp is None:
            return f"build {self._prefix.path} anew with the tool that made it"
        source = ("--source", "pypi") if stamp.expectations.provider == "pypi" else ()
        recipe = stamp.recipe or stamp.name
        return shlex.join(("envbuild", "create", recipe, *source, "-p", str(self._prefix.path), "--force"))
