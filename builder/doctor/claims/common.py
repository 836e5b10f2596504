"""What the readers of claims share: the surroundings they read in, and how programs keep their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.doctor.formats import FormatError, parse_jsonc, parse_plist, parse_xml
from builder.doctor.headers import architectures

if TYPE_CHECKING:
    from pathlib import Path

    from builder.doctor.disk import Disk
    from builder.doctor.environments import Environments
    from builder.doctor.formats import Document, Node
    from builder.doctor.model import Ide, Interpreter, Machine
    from builder.doctor.survey import Survey


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Everything a reader may look at. `project` is the folder the user works in; None where none was named."""

    disk: Disk
    environments: Environments
    machine: Machine
    survey: Survey
    project: Path | None
    project_named: bool = False
    """Whether the user named the project, and it is not just where the doctor was started."""
    asked: frozenset[Ide] | None = None
    """The programs of `--ide`; None for all."""

    def in_scope(self, ide: Ide) -> bool:
        return self.asked is None or ide in self.asked

    @property
    def active(self) -> Interpreter | None:
        """The environment the variables of the user's shell name; a venv over a conda environment comes first."""
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            if value := self.machine.environ.get(name):
                prefix = self.disk.place(value)
                if self.environments.is_environment(prefix):
                    return self.environments.of_prefix(prefix)
        return None

    @property
    def settings_root(self) -> Path:
        """Where programs keep their settings: Application Support on macOS, the XDG folder elsewhere."""
        if self.machine.is_mac:
            return self.disk.home / "Library" / "Application Support"
        given = self.machine.environ.get("XDG_CONFIG_HOME")
        return self.disk.place(given) if given else self.disk.home / ".config"

    @property
    def settings_roots(self) -> tuple[Path, ...]:
        """`settings_root`, and those of applications that Flatpak keeps apart (`~/.var/app/<id>/config`)."""
        if self.machine.is_mac:
            return (self.settings_root,)
        apart = self.disk.home / ".var" / "app"
        return (self.settings_root, *(apart / name / "config" for name in self.disk.entries(apart)))

    def xml(self, path: Path) -> Node | None:
        """The document at `path`; None where it is absent, or damaged (then a skip is noted)."""
        content = self.disk.read(path)
        if content is None:
            return None
        try:
            return parse_xml(content)
        except FormatError as error:
            self.disk.skip(path, str(error))
            return None

    def json(self, path: Path) -> Document | None:
        """The JSON (with comments) at `path`; None where it is absent, or damaged (then a skip is noted)."""
        text = self.disk.text(path)
        if text is None:
            return None
        try:
            return parse_jsonc(text)
        except FormatError as error:
            self.disk.skip(path, str(error))
            return None

    def application(self, *names: str) -> tuple[str | None, str | None, str | None]:
        """(architecture it runs as, why, version) of the first of those macOS applications that is installed.

        A universal application runs natively unless the user ticked "Open using Rosetta", which LaunchServices keeps
        by bundle id.
        """
        if not self.machine.is_mac:
            return None, None, None
        for name in names:
            own = self.disk.home / "Applications"
            for folder in (self.disk.place("/Applications"), own, own / "JetBrains Toolbox"):
                contents = folder / f"{name}.app" / "Contents"
                info = self._plist(contents / "Info.plist")
                executable = info.get("CFBundleExecutable")
                version = info.get("CFBundleShortVersionString")
                if not isinstance(executable, str) or "/" in executable:
                    continue
                slices = architectures(self.disk, contents / "MacOS" / executable)
                app = self.disk.show(contents.parent)
                known = version if isinstance(version, str) else None
                if slices == ("x86_64",):
                    return "x86_64", f"{app} is the Intel build", known
                if self._opened_with_rosetta(info.get("CFBundleIdentifier")):
                    return "x86_64", f"{app} is set to “Open using Rosetta”", known
                return ("arm64" if "arm64" in slices else None), None, known
        return None, None, None

    def _opened_with_rosetta(self, identifier: object) -> bool:
        """Whether LaunchServices is told to start that application as x86_64."""
        name = "com.apple.LaunchServices"
        settings = self._plist(self.disk.home / "Library" / "Preferences" / name / f"{name}.plist")
        chosen = settings.get("Architectures for arm64")
        if not isinstance(chosen, dict) or not isinstance(identifier, str):
            return False
        # The value is a list whose last entry names the architecture.
        return "x86_64" in str(chosen.get(identifier, chosen.get(identifier.lower(), "")))

    def _plist(self, path: Path) -> dict[str, object]:
        content = self.disk.read(path)
        if content is None:
            return {}
        try:
            return parse_plist(content)
        except FormatError as error:
            self.disk.skip(path, str(error))
            return {}
