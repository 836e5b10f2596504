"""Commands that put an environment right again."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.ownership import Owner


class Packages:
    """Commands about the packages of an environment, and what the lock said about them."""

    def __init__(self, prefix: Environment) -> None:
        self._prefix = prefix

    @property
    def modules(self) -> Mapping[str, Distribution]:
        """Top-level module → the distribution that installed it; a module of several distributions is left out."""
        return self._prefix.owners.modules

    def owner(self, file: Path) -> Owner | None:
        """The package that installed `file`."""
        return self._prefix.owners.package_of(file)

    def module_owner(self, module: str) -> Owner | None:
        """The package that installed a top-level module."""
        return self._prefix.owners.module_owner(module)

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
