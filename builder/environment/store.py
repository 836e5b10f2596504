"""The environments of a user: found by name or path, listed, made known and removed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.environment.reading import Reader
from builder.environment.register import register, unregister
from builder.environment.stamp import read_stamp
from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from builder.environment.places import Places

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
#: conda's names for the environment that conda itself is in.
_BASE: Final = ("base", "root")


@dataclass(frozen=True, kw_only=True)
class Known:
    """An environment that is there, and by what name."""

    name: str
    path: Path
    is_ours: bool
    """Whether it has envbuild's stamp."""
    is_base: bool = False


@dataclass(frozen=True)
class EnvironmentStore:
    """All environments of a user, wherever `places` says that they may be."""

    places: Places
    recipes: Callable[[], Collection[str]] = tuple
    """The names of the recipes that one could be built from."""

    def prefix_for(self, name: str) -> Path:
        """Where a new environment of this name goes. Raises UsageError for what is no name, and for `base`."""
        self._check(name)
        if name in _BASE:
            raise UsageError(
                f"{name!r} is the environment that conda itself is installed in, so none can be created by that name",
                hint="choose another name with -n NAME",
            )
        return self.places.target / name

    def find(self, environment: str) -> Path:
        """The prefix meant by a name or a path. Raises UsageError where there is none, or several of that name.

        A name is looked for in all places of conda, mamba, pixi and ours, then as a folder of the working directory.
        """
        path = Path(os.path.normpath(self.places.cwd / self._expanded(environment)))
        if "/" in environment or environment.startswith((".", "~")):
            if not path.is_dir():
                raise UsageError(f"{environment}: no such folder")
            return path
        found = self.named(environment)
        if len(found) > 1:
            listed = "\n".join(f"  {one}" for one in found)
            raise UsageError(
                f"there are {len(found)} environments called {environment!r}:\n{listed}",
                hint="name the one you mean by its path",
            )
        if found:
            return found[0]
        if path.is_dir():
            return path
        raise UsageError(
            f"there is no environment {environment!r} in {self.places.target} or where conda, mamba and pixi keep "
            "theirs, and no folder of that name here",
            hint=f"`envbuild create {environment}` builds it"
            if environment in self.recipes()
            else "`envbuild list --environments` shows all there are, `envbuild list` what can be built",
        )

    def named(self, name: str) -> tuple[Path, ...]:
        """Every environment of this name, each once however many ways lead to it."""
        if name in _BASE:
            return self._bases()
        return tuple(sorted(path for path in self._paths() if path.name == name))

    def activated_by(self, prefix: Path) -> str:
        """What to give to `conda activate`: its name where every conda of the user means this one by it, else its path.

        The environments of one conda installation are found by their names by that conda alone.
        """
        known = {os.path.realpath(folder) for folder in self.places.known_to_conda()}
        same = [path for path in self.named(prefix.name) if os.path.realpath(path) != os.path.realpath(prefix)]
        by_name = os.path.realpath(prefix.parent) in known and not same and prefix.name not in _BASE
        return prefix.name if by_name else str(prefix)

    def list(self) -> tuple[Known, ...]:
        """Every environment that can be found, by name."""
        bases = [Known(name="base", path=root, is_ours=False, is_base=True) for root in self._bases()]
        others = [Known(name=path.name, path=path, is_ours=read_stamp(path) is not None) for path in self._paths()]
        return tuple(sorted((*bases, *others), key=lambda known: (known.name, str(known.path))))

    def _bases(self) -> tuple[Path, ...]:
        return tuple(root for root in self.places.roots() if (root / "conda-meta").is_dir())

    def _paths(self) -> tuple[Path, ...]:
        """Every environment but the bases, each once however many ways lead to it. Nothing in them is read."""
        found: dict[str, Path] = {}
        reader = Reader()
        bases = {os.path.realpath(root) for root in self._bases()}
        inside = [path for folder in self.places.folders() for path in reader.entries(folder)]
        for path in (*inside, *self.places.listed(reader)):
            real = os.path.realpath(path)
            if real not in found and real not in bases and _is_environment(path):
                found[real] = path
        return tuple(found.values())

    def register(self, prefix: Path) -> str | None:
        """List an environment in `~/.conda/environments.txt`, once. Gives a warning where that is not possible."""
        return register(prefix, file=self.places.list_file)

    def unregister(self, prefix: Path) -> str | None:
        """Take an environment off that list, which need no longer exist. Gives a warning where that is not possible."""
        return unregister(prefix, file=self.places.list_file)

    def remove(self, prefix: Path, *, force: bool = False) -> str | None:
        """Delete an environment and take it off the list; gives a warning where only the latter failed.

        Only what envbuild made, unless forced; see `removal.remove` for what is never deleted. Raises UsageError,
        BuildError.
        """
        from builder.environment.removal import remove

        remove(prefix, force=force, home=self.places.home, roots=self.places.roots(), system=self.places.system)
        return self.unregister(prefix)

    def _expanded(self, text: str) -> str:
        return str(self.places.home) + text[1:] if text == "~" or text.startswith("~/") else text

    def _check(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is not a name for an environment",
                hint="use letters, digits, '.', '_' and '-'; -p takes a path",
            )


def store(
    *,
    home: Path,
    environ: Mapping[str, str],
    cwd: Path,
    envs_dir: str | None = None,
    system: Path = Path("/"),
    recipes: Callable[[], Collection[str]] = tuple,
) -> EnvironmentStore:
    """The store of the user whose home, environment variables and working directory these are."""
    from builder.environment.places import Places

    return EnvironmentStore(Places(home=home, environ=environ, cwd=cwd, envs_dir=envs_dir, system=system), recipes)


def _is_environment(path: Path) -> bool:
    try:
        return (path / "conda-meta").is_dir() or (path / "pyvenv.cfg").is_file() or (path / "bin" / "python").exists()
    except OSError:
        return False
