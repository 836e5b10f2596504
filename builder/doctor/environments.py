"""The one door to the rest of the house: what an interpreter and its environment are, from their files alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from builder.doctor import damage, headers, shims
from builder.doctor.installed import conda_packages, mixed, normalized, packages_in, subdir
from builder.doctor.model import Interpreter, Kind, Presence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.doctor.disk import Disk


class Environments:
    """Interpreters by path, each looked at once. `environ` is that of the user's shell, `project` where one stands."""

    def __init__(self, disk: Disk, *, environ: Mapping[str, str], is_mac: bool) -> None:
        self._disk = disk
        self._environ = environ
        self._is_mac = is_mac
        self._known: dict[Path, Interpreter] = {}

    def of_prefix(self, prefix: Path) -> Interpreter:
        """The interpreter of an environment's folder."""
        binary = prefix / "bin" / "python"
        if self._disk.presence(binary) is Presence.GONE and not self._is_link(binary):
            other = prefix / "bin" / "python3"
            if self._disk.presence(other) is Presence.PRESENT:
                return self.of(other)
        return self.of(binary)

    def of(self, path: Path) -> Interpreter:
        """The facts of the interpreter at `path`, or of the environment whose folder it is."""
        if self._disk.is_dir(path):
            return self.of_prefix(path)
        if path not in self._known:
            self._known[path] = self._examine(path)
        return self._known[path]

    def _is_link(self, path: Path) -> bool:
        try:
            return path.is_symlink()
        except OSError:
            return False

    # -- one interpreter -----------------------------------------------------------------------------------------

    def _examine(self, path: Path) -> Interpreter:
        disk = self._disk
        if shims.is_shim(path):
            return self._through_shim(path)
        real, presence = disk.follow(path)
        prefix = self._prefix(path, real)
        if presence is Presence.UNKNOWN and prefix is None:
            return Interpreter(path=path, presence=presence, real=real, kind=_kind_of_path(path))
        broken = real if presence is not Presence.PRESENT and self._is_link(path) else None
        if prefix is not None and presence is Presence.GONE and not self._is_made(prefix):
            prefix = None  # `/usr/local` without that python is no environment that lost it
        if prefix is None:
            return Interpreter(path=path, presence=presence, real=real, broken_link=broken)
        size = self._size(real)
        if presence is Presence.UNKNOWN and disk.known(path):
            # A link of this home to a Python elsewhere, such as Homebrew's: whether it is there cannot be told.
            presence = Presence.PRESENT
            broken = None
        stub = size is None or size < headers.SMALLEST_INTERPRETER
        conda, site = conda_packages(disk, prefix), self.site_packages(prefix)
        missing, damaged = damage.missing(disk, prefix, site, conda, stub=stub)
        # A Linux binary on a Mac starts nothing, and says nothing about what the environment is for.
        foreign = self._is_mac and disk.head(real, 4) == b"\x7fELF"
        slices = () if foreign else headers.architectures(disk, real)
        platform = subdir(disk, prefix, conda)
        return Interpreter(
            path=path,
            presence=presence,
            real=real,
            prefix=prefix,
            kind=self._kind(path, real, prefix),
            slices=slices or headers.by_name(real, platform),
            version=self._version(path, real, prefix, conda),
            subdir=platform,
            packages=self._packages(prefix, conda),
            missing=missing,
            damaged=damaged,
            alien=() if stub else damage.alien(disk, site, real),
            broken_link=broken,
            user_site=self._user_site(prefix),
            outline=stub or damage.is_outline(disk, prefix, real, self._lib(prefix)),
            mixed=mixed(disk, prefix, conda, platform),
        )

    def _size(self, real: Path) -> int | None:
        try:
            return real.stat().st_size if self._disk.known(real) else None
        except (OSError, ValueError):
            return None

    def _prefix(self, path: Path, real: Path) -> Path | None:
        """The environment: the folder above `bin` of the name that was asked for, else of the file it leads to."""
        for candidate in (path, real):
            if not self._disk.known(candidate):
                continue
            prefix = candidate.parent.parent
            if candidate.parent.name == "bin" and self.is_environment(prefix):
                return prefix
        return None

    def _is_made(self, prefix: Path) -> bool:
        """Whether somebody made an environment there, whatever is left of it."""
        return self._disk.is_dir(prefix / "conda-meta") or self._disk.is_file(prefix / "pyvenv.cfg")

    def is_environment(self, prefix: Path) -> bool:
        """Whether a folder is an environment: conda's, a venv, or any other installation of Python."""
        disk = self._disk
        return self._is_made(prefix) or any(
            name.startswith("python") and disk.is_dir(prefix / "lib" / name) for name in self._lib(prefix)
        )

    def _lib(self, prefix: Path) -> list[str]:
        return [name for name in self._disk.entries(prefix / "lib") if re.fullmatch(r"python\d\.\d+t?", name)]

    def _through_shim(self, path: Path) -> Interpreter:
        choice = shims.resolve(self._disk, self._environ, path)
        if choice is None:
            return Interpreter(path=path, presence=Presence.UNKNOWN, via="a shim, and no version is chosen")
        if choice.prefix is None:
            return Interpreter(path=path, presence=Presence.UNKNOWN, kind=Kind.SYSTEM, via=choice.why)
        return replace(self.of_prefix(choice.prefix), via=choice.why)

    # -- facts ---------------------------------------------------------------------------------------------------

    def _kind(self, path: Path, real: Path, prefix: Path) -> Kind:
        disk = self._disk
        if disk.is_dir(prefix / "conda-meta"):
            return Kind.CONDA
        if disk.is_file(prefix / "pyvenv.cfg"):
            return Kind.UV if "uv" in self._venv_settings(prefix) else Kind.VENV
        return next((kind for kind in (_kind_of_path(path), _kind_of_path(real)) if kind is not Kind.OTHER), Kind.OTHER)

    def _venv_settings(self, prefix: Path) -> dict[str, str]:
        settings: dict[str, str] = {}
        for line in (self._disk.text(prefix / "pyvenv.cfg", limit=20_000) or "").splitlines():
            key, equals, value = line.partition("=")
            if equals:
                settings[key.strip().lower()] = value.strip()
        return settings

    def _user_site(self, prefix: Path) -> bool:
        """Whether Python adds the user's site folder there. A venv does only with system site-packages (site.py)."""
        if not self._disk.is_file(prefix / "pyvenv.cfg"):
            return True
        return self._venv_settings(prefix).get("include-system-site-packages", "false").lower() == "true"

    def _version(self, path: Path, real: Path, prefix: Path, conda: Mapping[str, tuple[str, str]]) -> str | None:
        if "python" in conda:
            return conda["python"][0]
        settings = self._venv_settings(prefix)
        for key in ("version", "version_info"):
            if found := re.match(r"\d+\.\d+(?:\.\d+)?", settings.get(key, "")):
                return found[0]
        for text in (str(real), str(path)):
            if found := re.search(r"(?:versions/|cpython-|python@3\.\d+/)(\d+\.\d+\.\d+)", text):
                return found[1]
        folders = self._lib(prefix)
        return folders[-1].removeprefix("python") if folders else None

    def site_packages(self, prefix: Path) -> Path | None:
        """The newest `lib/pythonX.Y/site-packages`."""
        folders = sorted(self._lib(prefix), key=lambda name: [int(part) for part in re.findall(r"\d+", name)])
        return prefix / "lib" / folders[-1] / "site-packages" if folders else None

    def _packages(self, prefix: Path, conda: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        found = {normalized(name): version for name, (version, _) in conda.items()}
        site = self.site_packages(prefix)
        # Debian and its kin keep the packages of the system's Python in folders of their own.
        folders = [prefix / "lib" / "python3" / "dist-packages"] + ([site] if site is not None else [])
        folders += [prefix / "local" / "lib" / name / "dist-packages" for name in self._lib(prefix)]
        for folder in folders:
            # What pip put over conda's package is what is imported.
            found |= packages_in(self._disk, folder)
        return found

    def packages_in(self, folder: Path) -> dict[str, str]:
        """Distribution → version of what lies in any folder of packages (a user site, an entry of PYTHONPATH)."""
        return packages_in(self._disk, folder)


def _kind_of_path(path: Path) -> Kind:
    text = str(path)
    if "/.pyenv/" in text:
        return Kind.PYENV
    if "/uv/python/" in text:
        return Kind.UV
    # Not Homebrew's Caskroom: condas are installed there, and what their environments hold is not known by the path.
    if re.match(
        r"/(?:opt/homebrew|usr/local|home/linuxbrew/\.linuxbrew)/(?:Cellar|opt)/python|/opt/homebrew/bin/python", text
    ):
        return Kind.HOMEBREW
    if text.startswith(("/usr/bin/", "/bin/", "/Library/Developer/", "/Applications/Xcode.app/")):
        return Kind.SYSTEM
    if text.startswith(("/usr/local/bin/python", "/Library/Frameworks/Python.framework/")):
        return Kind.INSTALLED
    return Kind.OTHER
