"""Everything about the user and the machine, read once: the first argument of every operation.

`Workspace.here` is the only place that asks the process's environment, the home and the working directory, and that
finds out what machine this is (tests/unit/test_architecture.py). Everything below is given what it needs, so
that macOS can be played on Linux and a test needs no home of anybody.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.config import Config, load_config
from builder.credentials import with_variables
from builder.errors import UsageError
from builder.platforms import Subdir, host_subdir
from builder.progress import NoProgress, Progress
from builder.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from builder.compat.facts import Facts
    from builder.environment.store import EnvironmentStore
    from builder.lock.channels import Mirrors
    from builder.page import Made
    from builder.uv import Uv


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The user's project and settings, and the machine that envbuild works on and builds for."""

    project: Project
    """Recipes, and the folders of rendered files and locks; `project.state` is envbuild's own data folder."""
    config: Config
    environ: Mapping[str, str]
    home: Path
    cwd: Path
    package_cache: Path
    """Where conda packages are kept between builds."""
    host: Subdir | None
    """This machine's platform; None where it is none that envbuild builds for."""
    host_packages: Mapping[str, str] = field(default_factory=dict)
    """Virtual packages of this very machine with their versions (`{"__glibc": "2.36"}`), for locks bound to it."""
    mirror_places: Mapping[str, str] = field(default_factory=dict)
    """Channel → URL or folder that it is fetched from instead: the configuration's, and the command line's over it."""
    offline: bool = False
    """Whether nobody may be asked, so that channels' and indexes' metadata come from the cache."""
    clock: Callable[[], datetime] = _now
    progress: Progress = field(default_factory=NoProgress)

    @classmethod
    def here(
        cls,
        *,
        project: Path | None = None,
        mirrors: Sequence[str] = (),
        offline: bool = False,
        progress: Progress | None = None,
    ) -> Workspace:
        """The workspace of this process: its user, its working directory, this machine.

        `offline` (or $ENVBUILD_OFFLINE) is for machines without a network, or a wish to be left alone.
        `project` is a folder to take as the project instead of the nearest parent that is one; `mirrors` are
        `CHANNEL=URL`, over those of the configuration. Raises UsageError for a folder, a mirror or a configuration that
        makes no sense.
        """
        import platformdirs

        environ = dict(os.environ)
        if (kept := environ.pop("ENVBUILD_PYTHONEXECUTABLE", None)) is not None:
            environ["PYTHONEXECUTABLE"] = kept  # the launcher has kept it from our own Python
        offline = offline or bool(environ.get("ENVBUILD_OFFLINE"))
        if offline:
            environ["UV_OFFLINE"] = "1"
        cwd = _working_directory()
        given = environ.get("ENVBUILD_CONFIG")
        config = load_config(Path(given) if given else platformdirs.user_config_path("envbuild") / "config.yaml")
        # The cache of rattler's own tools (pixi, rattler-build), shared with them.
        rattler_cache = environ.get("RATTLER_CACHE_DIR")
        cache = Path(rattler_cache) if rattler_cache else platformdirs.user_cache_path("rattler") / "cache"
        return cls(
            project=Project.find(cwd, state=platformdirs.user_data_path("envbuild"), given=project),
            config=config,
            environ=environ,
            home=Path.home(),
            cwd=cwd,
            package_cache=cache / "pkgs",
            host=host_subdir(),
            host_packages=_host_packages(),
            mirror_places={**config.mirrors, **_parsed(mirrors)},
            offline=offline,
            progress=progress or NoProgress(),
        )

    @cached_property
    def mirrors(self) -> Mirrors:
        """The mirrors, ready to fetch from. Raises UsageError or SourceUnreachableError for one that is not there."""
        from builder.lock.channels import Mirrors

        places = {}
        for channel, written in self.mirror_places.items():
            # A folder that is there is meant as it stands, whatever is in its name.
            there = Path(written).is_absolute() and Path(written).is_dir()
            place = written if there else with_variables(written, self.environ, of=f"the mirror of {channel}")
            places[channel] = place if "://" in place else str(self.path(place))
        return Mirrors.parse(places, unpack_dir=self.project.state / "mirrors")

    def mirrors_for(self, channels: Iterable[str], *, named_by: Iterable[str] = ()) -> Mirrors:
        """The mirrors, and the credentials of `channels` whose URLs name variables for them.

        `named_by` are the channels of the user's own recipe, without which no variable is read. Raises as `mirrors`.
        """
        from builder.lock.private import with_private

        return with_private(self.mirrors, channels, named_by=named_by, environ=self.environ)

    @property
    def uv(self) -> Uv:
        """How uv is run: with the user's own configuration, and with the project's where there is a project.

        A working directory that is none may be anybody's (`/tmp`), and so may the `uv.toml` in it.
        """
        from builder.uv import Uv

        return Uv(environ=self.environ, project=self.project.root if self.project.found else None)

    def path(self, written: str | Path) -> Path:
        """The absolute path that the user means: `~` is their home, and what is relative begins where they are.

        Symbolic links stay as they are; `a/..` is taken away, since it is no name for an environment.
        """
        parts = Path(written).parts
        start = self.home.joinpath(*parts[1:]) if parts[:1] == ("~",) else self.cwd / written
        return Path(os.path.normpath(start))

    @cached_property
    def facts(self) -> Facts:
        """What is known to fit: envbuild's own facts, those of frameworks from outside, and what was measured here."""
        from builder.compat.load import load_facts
        from builder.frameworks.registry import fact_folders

        return load_facts(also=(*fact_folders(), self.facts_folder))

    @property
    def facts_folder(self) -> Path:
        """Where the user's own facts are kept (`envbuild compat measure`)."""
        return self.project.state / "facts"

    @cached_property
    def store(self) -> EnvironmentStore:
        """The user's environments, wherever conda, mamba, pixi and envbuild keep them."""
        from builder.environment.store import store

        return store(
            home=self.home,
            environ=self.environ,
            cwd=self.cwd,
            envs_dir=self.config.envs_dir,
            recipes=self.project.recipe_files,
        )

    def made(self) -> Made:
        """What a page says of when and where it was made."""
        from builder.page import Made

        system = [f"{_SAID[name]} {version}" for name, version in self.host_packages.items() if name in _SAID]
        return Made(at=self.clock(), machine=", ".join([*([self.host] if self.host else []), *system]))


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the working directory cannot be read ({error.strerror}); it may have been deleted",
            hint="go to a folder that exists, for instance with `cd ~`",
        ) from None


#: Virtual packages of the machine, as people say them.
_SAID: Final = {"__osx": "macOS", "__glibc": "glibc"}


def _host_packages() -> dict[str, str]:
    found = {"__glibc": platform.libc_ver()[1], "__osx": platform.mac_ver()[0]}
    return {name: version for name, version in found.items() if version}


def _parsed(mirrors: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for pair in mirrors:
        channel, equals, place = pair.partition("=")
        if not (channel and equals and place):
            # Not repeated: it may hold a password, and nobody can tell where.
            raise UsageError("--mirror takes CHANNEL=URL, for instance conda-forge=https://mirror.example/forge")
        given[channel] = place
    return given
