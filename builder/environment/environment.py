"""An environment as a folder: what conda-meta, dist-info, pyvenv.cfg and the stamp say is in it. Nothing is run."""

from __future__ import annotations

import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from builder.environment.condameta import read_history, read_records
from builder.environment.distributions import read_distributions
from builder.environment.kinds import made_by, recognise
from builder.environment.layout import find_interpreter, platform_of, read_pyvenv, root_of, site_folders
from builder.environment.moved import broken_links, is_same_place, recorded_prefixes
from builder.environment.place import Place
from builder.environment.reading import Reader, Unreadable
from builder.environment.stamp import RELATIVE_PATH, NewerStampError, require_stamp
from builder.platforms import Subdir

if TYPE_CHECKING:
    from builder.environment.distributions import Distribution
    from builder.environment.lost import Lost
    from builder.environment.model import CondaRecord, Interpreter, Kind, PyVenv, Recognised, Revision
    from builder.environment.moved import RecordedPrefix
    from builder.environment.ownership import Ownership
    from builder.environment.stamp import Stamp


class Environment:
    """A conda prefix, a virtual environment, a system's Python or a folder of unpacked wheels, whoever made it.

    Everything is read when it is first asked for and kept; two threads that ask at once read the same twice.
    What could not be read is left out and named in `unreadable`. `subdir` is the platform to take it for.
    """

    def __init__(self, path: Path, *, subdir: Subdir | None = None) -> None:
        # Not `Path.resolve`, which raises for links that go round in a circle.
        self.path = root_of(Path(os.path.realpath(path)))
        self._asked_subdir = subdir
        self._reader = Reader()

    @cached_property
    def stamp(self) -> Stamp | None:
        """What `envbuild create` noted; None where there is none, or one that cannot be understood."""
        try:
            return require_stamp(self.path)
        except ValueError as error:
            self._reader.pass_over(self.path / RELATIVE_PATH, str(error))
            return None

    @cached_property
    def needs_newer(self) -> str:
        """Why its stamp says nothing to this envbuild, where a newer one wrote it; else empty."""
        if self.stamp is None:
            try:
                require_stamp(self.path)
            except NewerStampError as error:
                return str(error)
            except ValueError:
                pass
        return ""

    @cached_property
    def recognised(self) -> Recognised:
        return recognise(
            self.path,
            stamp=self.stamp,
            history=self.history,
            pyvenv=self.pyvenv,
            interpreter=self.interpreter,
            site_folders=self.site_folders,
        )

    @property
    def kind(self) -> Kind:
        return self.recognised.kind

    @cached_property
    def is_conda(self) -> bool:
        return (self.path / "conda-meta").is_dir()

    @cached_property
    def is_base(self) -> bool:
        """Whether it is the base environment of a conda, mamba or micromamba."""
        return self.is_conda and ((self.path / "condabin").is_dir() or (self.path / "bin" / "conda").is_file())

    @cached_property
    def is_unfinished(self) -> bool:
        """Whether `envbuild create` is at work here, or was killed at it."""
        return Place(self.path).is_building

    @cached_property
    def lost(self) -> Lost | None:
        """What it has lost of what says which packages are in it; None for a whole one."""
        from builder.environment.lost import lost

        return lost(self, self._reader)

    @cached_property
    def made_by(self) -> str | None:
        """The program that made a conda prefix, from its history."""
        return made_by(self.history)

    @cached_property
    def pyvenv(self) -> PyVenv | None:
        return read_pyvenv(self.path, self._reader)

    @cached_property
    def interpreter(self) -> Interpreter | None:
        """Also one whose link is broken; then its `resolved` is None."""
        return find_interpreter(self.path, pyvenv=self.pyvenv, records=self.conda_records, reader=self._reader)

    @cached_property
    def python(self) -> Path | None:
        """The interpreter, as the path a user would run (not resolved); None also where it leads nowhere."""
        return self.interpreter.path if self.interpreter is not None and self.interpreter.resolved else None

    @cached_property
    def site_folders(self) -> tuple[Path, ...]:
        """Every folder that installed packages are in."""
        minor = self.interpreter.minor if self.interpreter is not None else None
        return site_folders(self.path, self._reader, minor=minor)

    @cached_property
    def site_packages(self) -> Path | None:
        """The folder that installers write to, or the environment itself when that is a folder of wheels."""
        return self.site_folders[0] if self.site_folders else None

    @cached_property
    def python_version(self) -> tuple[int, int] | None:
        """(major, minor), or None for a folder of wheels."""
        told = self.interpreter.minor if self.interpreter is not None else None
        return told or _version_of(self.site_packages)

    @cached_property
    def subdir(self) -> Subdir | None:
        """The platform the environment is for: asked for, stamped, that of its conda packages or of its interpreter."""
        if self._asked_subdir is not None:
            return self._asked_subdir
        if self.stamp is not None:
            return self.stamp.subdir
        named = {record.subdir for record in self.conda_records} - {"noarch"}
        if len(named) == 1 and named <= set(Subdir):
            return Subdir(named.pop())
        interpreter = self.interpreter
        return platform_of(interpreter.resolved) if interpreter is not None and interpreter.resolved else None

    @cached_property
    def conda_records(self) -> tuple[CondaRecord, ...]:
        return read_records(self.path / "conda-meta", self._reader)

    @cached_property
    def history(self) -> tuple[Revision, ...]:
        return read_history(self.path / "conda-meta" / "history", self._reader)

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """Installed Python distributions, by name; a name may come twice where an installation was damaged."""
        return read_distributions(self.site_folders, self._reader)

    def distribution(self, name: str) -> Distribution | None:
        """The distribution of this canonical name."""
        return next((dist for dist in self.distributions if dist.name == name), None)

    def has_module(self, module: str, *, beside: Distribution | None = None) -> bool:
        """Whether a module of this name is installed: a folder or file in site-packages, or where a distribution is."""
        site = self.site_packages if beside is None else beside.site
        if site is None:
            return False
        place = site.joinpath(*module.split("."))
        return place.is_dir() or any(place.parent.glob(f"{place.name}.*"))

    @cached_property
    def owners(self) -> Ownership:
        """Who owns which file and module."""
        from builder.environment.ownership import Ownership

        return Ownership(self, self._reader)

    @cached_property
    def recorded_prefixes(self) -> tuple[RecordedPrefix, ...]:
        """The prefixes that its scripts, activation files and stamp take it to be in, the most often named first."""
        stamped = self.stamp.prefix if self.stamp is not None else None
        return recorded_prefixes(self.path, stamped=stamped, pyvenv=self.pyvenv, reader=self._reader)

    @cached_property
    def strays(self) -> tuple[RecordedPrefix, ...]:
        """Those of them that are another place than the environment itself: it was moved, or a script is foreign."""
        return tuple(one for one in self.recorded_prefixes if not is_same_place(one.path, self.path))

    @cached_property
    def broken_links(self) -> tuple[str, ...]:
        """Installed files (relative to the prefix), the interpreter among them, that are links leading nowhere."""
        rels = dict.fromkeys(self.owners.files)
        if self.interpreter is not None:
            rels[self.interpreter.path.relative_to(self.path).as_posix()] = None
        return broken_links(self.path, list(rels))

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """Everything of its metadata that could not be read, with the reason. Reads all that is not yet read."""
        _ = self.recognised, self.owners.files, [list(dist.requirements()) for dist in self.distributions]
        return self._reader.unreadable


def _version_of(site: Path | None) -> tuple[int, int] | None:
    named = re.fullmatch(r"python(\d+)\.(\d+)t?", site.parent.name) if site is not None else None
    return (int(named[1]), int(named[2])) if named else None
