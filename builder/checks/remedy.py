"""Remedies that put an environment right again: each a sentence, and commands that run literally in a shell.

What restores packages is composed in one place, `Repair.restore`. It never reaches outside the environment: what lies
in another environment or in a system's Python is left alone, and the remedy says how to stop using it.
"""

from __future__ import annotations

import shlex
from functools import cached_property
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from builder.environment.model import Kind
from builder.environment.ownership import Owner
from builder.files import SET_ASIDE
from builder.finding import Remedy
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.environment.stamp import StampedPackage

#: Without the option uv looks for a configuration in the working directory and all folders above it, which may be
#: anybody's.
_UV_PIP: Final = ("--no-config", "pip")
#: pip's options that uv has under another name.
_OF_UV: Final = {"--force-reinstall": "--reinstall"}
_MANAGED_ELSEWHERE: Final = "The packages of a system Python are its package manager's: use an environment of your own."


class Repair:
    """What to do about the packages and files of one environment."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    @property
    def modules(self) -> Mapping[str, Distribution]:
        return self._environment.owners.modules

    def owner(self, file: Path) -> Owner | None:
        """The package that installed `file`."""
        return self._environment.owners.package_of(file)

    def module_owner(self, module: str) -> Owner | None:
        """The package that installed a top-level module."""
        return self._environment.owners.module_owner(module)

    @cached_property
    def _locked(self) -> dict[str, StampedPackage]:
        stamp = self._environment.stamp
        return {canonicalize_name(package.name): package for package in stamp.packages} if stamp else {}

    def locked_version(self, name: str) -> str | None:
        """The version that the lock has for a package."""
        package = self._locked.get(canonicalize_name(name))
        return package.version if package is not None else None

    def restore(self, owners: Iterable[Owner | None], *, why: str = "") -> Remedy:
        """Install exactly these packages again, in their locked versions where there is a lock.

        The one place where that command is composed. In an environment of ours `envbuild sync` restores them. In
        another one, conda packages can only be restored with the environment as a whole, as files of no package (None)
        can anywhere.
        """
        named = list(dict.fromkeys(owners))
        if self._is_synced(named):
            say = why or f"Restore {listing([owner.name for owner in named if owner is not None])} from the lock."
            return Remedy(say, (shlex.join(("envbuild", "sync", str(self._environment.path))),))
        wheels = [owner for owner in named if owner is not None and owner.manager == "pip"]
        if not wheels or len(wheels) < len(named) or self._python is None:
            return self.rebuild(why=why)
        if self._environment.kind is Kind.SYSTEM:
            return Remedy(_MANAGED_ELSEWHERE)
        say = why or f"Reinstall {listing([owner.name for owner in wheels])}."
        lines = [self._requirement(owner) for owner in wheels]
        return Remedy(say, (self._pip_install(lines, "--reinstall", "--no-deps"),))

    def _is_synced(self, owners: list[Owner | None]) -> bool:
        """Whether `envbuild sync` can restore these packages: of the lock, and with a Python to put them to.

        An envbuild of before did not note where packages are from, and cannot fetch them again.
        """
        stamp = self._environment.stamp
        return (
            stamp is not None
            and bool(owners)
            and self._environment.python_version is not None
            and all(owner is not None and canonicalize_name(owner.name) in self._locked for owner in owners)
            and all(package.url for package in stamp.packages)
        )

    def _requirement(self, owner: Owner) -> str:
        """A requirement line: the locked version with its hash, else the one that is installed."""
        package = self._locked.get(canonicalize_name(owner.name))
        if package is None:
            return f"{owner.name}=={owner.version}"
        digest = f" --hash=sha256:{package.sha256}" if package.sha256 else ""
        return f"{canonicalize_name(package.name)}=={package.version}{digest}"

    def restore_module(self, module: str) -> Remedy:
        """The same for the package of a top-level module; the whole environment where nobody owns it."""
        return self.restore([self.module_owner(module)])

    def install(self, *specs: str, say: str = "") -> Remedy:
        """Install other versions of packages than those that are there. `specs` may begin with options of pip's."""
        if self._environment.kind is Kind.SYSTEM:
            return Remedy(_MANAGED_ELSEWHERE)
        options = {_OF_UV.get(spec, spec): None for spec in ("--upgrade", *specs) if spec.startswith("--")}
        wanted = [spec for spec in specs if not spec.startswith("--")]
        return Remedy(say or f"Install {listing(wanted)}.", (self._pip_install(wanted, *options),))

    def fitting(self, name: str, specifier: str) -> Remedy:
        """Install a version of a package that `specifier` allows: the locked one, where it is among them."""
        locked = self._locked.get(canonicalize_name(name))
        if locked is not None and SpecifierSet(specifier).contains(locked.version, prereleases=True):
            return self.restore([Owner(name=locked.name, version=locked.version, manager=locked.manager)])
        return self.install(f"{name}{specifier}")

    def uninstall(self, *names: str, say: str = "") -> Remedy:
        if self._environment.kind is Kind.SYSTEM:
            return Remedy(_MANAGED_ELSEWHERE)
        command = shlex.join((_uv(), *_UV_PIP, "uninstall", "--python", str(self._interpreter), *names))
        return Remedy(say or f"Remove {listing(names)}, which {_does(names)} not belong here.", (command,))

    def _pip_install(self, lines: list[str], *options: str) -> str:
        into = (*_UV_PIP, "install", "--python", str(self._interpreter), "--link-mode", "copy", *options)
        if all("--hash" not in line for line in lines):
            return shlex.join((_uv(), *into, *lines))
        # Hashes have no place on the command line: uv reads them from a requirements file only.
        told = " ".join(shlex.quote(line) for line in lines)
        return f"printf '%s\\n' {told} | {shlex.join((_uv(), *into, '--require-hashes', '-r', '-'))}"

    @property
    def _python(self) -> Path | None:
        return self._environment.python

    @property
    def _interpreter(self) -> Path:
        return self._python or self._environment.path / "bin" / "python"

    def rebuild(self, *, why: str = "") -> Remedy:
        """Build the whole environment again as it was meant to be."""
        environment = self._environment
        stamp = environment.stamp
        if stamp is not None:
            say = why or "Build the environment again from its lock."
            return Remedy(say, (shlex.join((*stamp.create_command(environment.path), "--force")),))
        if environment.kind is Kind.SYSTEM:
            return Remedy(_MANAGED_ELSEWHERE)
        maker = environment.made_by if environment.kind is Kind.CONDA else None
        tool = f"with {maker}" if maker else "with the tool that made it"
        return Remedy(f"{why} Recreate {environment.path} {tool}.".strip())

    @property
    def full_proof(self) -> str:
        """The command of the deepest verification, in backticks; on another machine than this one."""
        stamp = self._environment.stamp
        return f"`{shlex.join(('envbuild', 'verify', stamp.name if stamp else self._environment.path.name, '--full'))}`"

    def set_aside(self, file: Path, *, say: str) -> Remedy:
        """Move a file of the environment that is no package's out of the way; elsewhere only say what to do."""
        if not file.is_relative_to(self._environment.path) or self._environment.kind is Kind.SYSTEM:
            return Remedy(say)
        return Remedy(say, (shlex.join(("mv", "--", str(file), f"{file}{SET_ASIDE}")),))


def _does(names: Sequence[str]) -> str:
    return "does" if len(names) == 1 else "do"


def _uv() -> str:
    """envbuild's own uv: a bare `uv` need not be on the user's PATH."""
    from uv import find_uv_bin

    return find_uv_bin()
