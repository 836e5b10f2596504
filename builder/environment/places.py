"""The folders in which environments lie by name, wherever conda, mamba, micromamba, pixi or we put them.

Sources: conda/base/constants.py (SEARCH_PATH) and conda/base/context.py (envs_dirs, aliases and variables), mamba's
`context.cpp` (MAMBA_ROOT_PREFIX, `~/.local/share/mamba`), pixi's `.pixi/envs` and `~/.pixi/envs`, and the folders that
the installers of Miniforge, Mambaforge, Miniconda, Anaconda and Homebrew's casks propose.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.environment.reading import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_IN_HOME: Final = (
    "miniforge3",
    "mambaforge",
    "miniconda3",
    "anaconda3",
    "micromamba",
    ".local/share/mamba",
    "opt/miniconda3",
    "opt/anaconda3",
)
#: Below the root of the file system; on a Mac the casks of Homebrew for Apple silicon and for Intel.
_IN_SYSTEM: Final = (
    "opt/conda",
    "opt/miniforge3",
    "opt/mambaforge",
    "opt/miniconda3",
    "opt/anaconda3",
    *(
        f"{brew}/Caskroom/{cask}/base"
        for brew in ("opt/homebrew", "usr/local")
        for cask in ("miniforge", "mambaforge", "miniconda", "anaconda")
    ),
    "opt/homebrew/anaconda3",
    "usr/local/anaconda3",
    "usr/local/miniconda3",
)
_CONDARC_IN_HOME: Final = (".condarc", ".conda/.condarc", ".conda/condarc", ".config/conda/.condarc", ".mambarc")
_CONDARC_IN_SYSTEM: Final = ("etc/conda/.condarc", "etc/conda/condarc", "var/lib/conda/.condarc")
_CONDARC_FOLDERS: Final = ("etc/conda/condarc.d", "var/lib/conda/condarc.d")
_ENVS_KEYS: Final = ("envs_dirs", "envs_path")
_ENVS_VARIABLES: Final = ("CONDA_ENVS_DIRS", "CONDA_ENVS_PATH", "MAMBA_ENVS_DIRS")
_MOST_CONDARC: Final = 1 << 20
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where to look for environments; everything about the user is given, so nothing else is looked at."""

    home: Path
    environ: Mapping[str, str]
    cwd: Path
    envs_dir: str | None = None
    """From envbuild's own configuration."""
    system: Path = Path("/")
    """The root of the file system, below which `/opt` and `/etc` are looked for."""

    @property
    def target(self) -> Path:
        """The folder that new environments go to: where `conda activate NAME` and the IDEs look."""
        if self.envs_dir:
            return self._absolute(self.envs_dir)
        return self.home / ".conda" / "envs"

    @property
    def list_file(self) -> Path:
        """conda's list of all environments of the user, one prefix a line."""
        return self.home / ".conda" / "environments.txt"

    def roots(self) -> tuple[Path, ...]:
        """The base prefixes of the condas and mambas that are there."""
        found = [self.home / name for name in _IN_HOME] + [self.system / name for name in _IN_SYSTEM]
        given = self.environ.get
        found += [
            self._absolute(place)
            for name in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT", "_CONDA_ROOT")
            if (place := given(name))
        ]
        # `ROOT/bin/conda` and `ROOT/condabin/mamba`
        found += [self._absolute(place).parent.parent for name in ("CONDA_EXE", "MAMBA_EXE") if (place := given(name))]
        there = [root for root in found if (root / "conda-meta").is_dir() or (root / "envs").is_dir()]
        return _each_once(there)

    def folders(self) -> tuple[Path, ...]:
        """Every folder whose subfolders are environments by their names, ours first."""
        found = [self.target, *self.known_to_conda()]
        found += [root / "envs" for root in self.roots()]
        found += [self.home / ".pixi" / "envs"]
        found += [folder / ".pixi" / "envs" for folder in (self.cwd, *self.cwd.parents)]
        return _each_once([folder for folder in found if folder.is_dir()])

    def known_to_conda(self) -> tuple[Path, ...]:
        """The folders in which every conda of the user finds environments by name, whether or not they are there."""
        found = [self.home / ".conda" / "envs"]
        for variable in _ENVS_VARIABLES:
            found += [self._absolute(part) for part in self.environ.get(variable, "").split(os.pathsep) if part]
        for file in self._condarcs():
            found += [self._absolute(part) for part in self._envs_dirs(file)]
        return _each_once(found)

    def listed(self, reader: Reader | None = None) -> tuple[Path, ...]:
        """The prefixes in environments.txt that are still there."""
        lines = (reader or Reader()).read(self.list_file, most=16 << 20) or b""
        paths = [Path(os.fsdecode(line.strip())) for line in lines.splitlines() if line.strip() and b"\0" not in line]
        return _each_once([path for path in paths if path.is_absolute() and path.is_dir()])

    def _condarcs(self) -> Iterator[Path]:
        yield from (self.home / name for name in _CONDARC_IN_HOME)
        if self.environ.get("XDG_CONFIG_HOME"):
            yield self._absolute(self.environ["XDG_CONFIG_HOME"]) / "conda" / ".condarc"
        for variable in ("CONDARC", "MAMBARC"):
            if self.environ.get(variable):
                yield self._absolute(self.environ[variable])
        yield from (self.system / name for name in _CONDARC_IN_SYSTEM)
        for folder in (*(self.system / name for name in _CONDARC_FOLDERS), self.home / ".conda" / "condarc.d"):
            yield from (path for path in Reader().entries(folder) if path.suffix in (".yml", ".yaml"))
        yield from (root / ".condarc" for root in self.roots())

    def _envs_dirs(self, file: Path) -> list[str]:
        """`envs_dirs` of a condarc. One that is no YAML or no file says nothing here; the doctor names it."""
        content = Reader().read(file, most=_MOST_CONDARC)
        if content is None:
            return []
        import yaml

        from builder.yamlio import too_deep

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            text = content.decode("utf-8")
            if too_deep(text) is not None:
                return []
            data = yaml.load(text, Loader=loader)  # noqa: S506 - the C build of the safe loader
        except (yaml.YAMLError, ValueError, RecursionError):
            return []
        values = [data[key] for key in _ENVS_KEYS if key in data] if isinstance(data, dict) else []
        flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
        return [item for item in flat if isinstance(item, str) and item and "\0" not in item]

    def _absolute(self, text: str) -> Path:
        """A path as users write it: `~`, `$NAME` and relative to the working directory."""
        expanded = _VARIABLE.sub(lambda named: self.environ.get(named[1] or named[2], named[0]), text)
        if expanded == "~" or expanded.startswith("~/"):
            expanded = str(self.home) + expanded[1:]
        return Path(os.path.normpath(self.cwd / expanded))


def _each_once(paths: list[Path]) -> tuple[Path, ...]:
    """The paths in their order, of several that lead to the same place the first."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(os.path.realpath(path), path)
    return tuple(found.values())
