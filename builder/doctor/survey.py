"""Every installation and environment that can be found without running anything: conda's, venvs, uv's, pyenv's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.doctor.claims import condarc
from builder.doctor.model import Presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from builder.doctor.disk import Disk
    from builder.doctor.environments import Environments
    from builder.doctor.model import Interpreter, Machine

_ROOT_NAMES: Final = (
    "miniforge3", "mambaforge", "miniconda3", "miniconda", "anaconda3", "anaconda", "opt/miniconda3", "opt/anaconda3",
    "opt/miniforge3", "micromamba", ".local/share/mamba", "mamba", "conda", "miniforge",
)  # fmt: skip
#: Source: python-environment-tools, pet-conda/environment_locations.rs, and Homebrew's casks.
_SYSTEM_ROOTS: Final = (
    "/opt/conda", "/opt/miniconda3", "/opt/anaconda3", "/opt/miniforge3",
    "/opt/homebrew/Caskroom/miniforge/base", "/opt/homebrew/Caskroom/miniconda/base",
    "/opt/homebrew/Caskroom/mambaforge/base", "/opt/homebrew/anaconda3",
    "/usr/local/Caskroom/miniforge/base", "/usr/local/Caskroom/miniconda/base", "/usr/local/anaconda3",
)  # fmt: skip
#: Folders of the home in which each folder is an environment or a Python: virtualenvwrapper's, pyenv's, uv's, pipenv's,
#: mise's, asdf's, rye's.
_FOLDERS: Final = (
    ".virtualenvs", ".venvs", "envs", ".pyenv/versions", ".local/share/uv/python", ".local/share/virtualenvs",
    ".local/share/mise/installs/python", ".asdf/installs/python", ".rye/py",
)  # fmt: skip
#: Where Poetry keeps environments. Source: python-poetry's documentation of cache-dir.
_MAC_FOLDERS: Final = ("Library/Caches/pypoetry/virtualenvs",)
_LINUX_FOLDERS: Final = (".cache/pypoetry/virtualenvs",)
#: Hatch's, by project and its folder; and what JupyterLab Desktop brings. Sources: the documentation of both.
_MAC_PLACES: Final = (
    "Library/Application Support/hatch/env/virtual/*/*/*",
    "Library/jupyterlab-desktop/jlab_server",
    "Library/jupyterlab-desktop/envs/*",
)
_LINUX_PLACES: Final = (
    ".local/share/hatch/env/virtual/*/*/*",
    ".config/jupyterlab-desktop/jlab_server",
    ".config/jupyterlab-desktop/envs/*",
)
_MOST_ENVIRONMENTS: Final = 200


@dataclass(frozen=True, kw_only=True)
class CondaRoot:
    """An installation of conda, mamba or micromamba. `executable` is None where only its environments are there."""

    prefix: Path
    python: Interpreter
    executable: Path | None

    @property
    def arch(self) -> str | None:
        return self.python.arch


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All that was found: `environments` once each by real prefix, conda roots among them."""

    condas: tuple[CondaRoot, ...]
    environments: tuple[Interpreter, ...]
    dead_registrations: tuple[tuple[Path, int, str], ...]
    """Lines of `environments.txt` that lead nowhere: file, line, path."""

    def owner(self, prefix: Path) -> CondaRoot | None:
        """The conda an environment belongs to by its place: `<root>/envs/NAME`, or the root itself."""
        for root in self.condas:
            if prefix == root.prefix or prefix.parent == root.prefix / "envs":
                return root
        return None


def survey(disk: Disk, environments: Environments, machine: Machine, *, initialised: Sequence[Path] = ()) -> Survey:
    """Look in the usual places, in `environments.txt`, where the variables of the user's shell point, and at the
    condas that start-up files have `initialised`."""
    registered, dead = _registered(disk)
    roots = _roots(disk, environments, machine.environ, [*registered, *initialised])
    prefixes: list[Path] = [root.prefix for root in roots]
    for root in roots:
        prefixes += [root.prefix / "envs" / name for name in disk.entries(root.prefix / "envs")]
    prefixes += [disk.home / ".conda" / "envs" / name for name in disk.entries(disk.home / ".conda" / "envs")]
    for folder in _envs_dirs(disk, roots, machine.environ):
        prefixes += [folder / name for name in disk.entries(folder)]
    prefixes += registered
    prefixes += _others(disk, machine.environ, is_mac=machine.is_mac)
    found: list[Interpreter] = []
    seen: set[tuple[int, int] | Path] = set()
    for prefix in prefixes:
        identity = _identity(prefix)
        if identity in seen or len(found) >= _MOST_ENVIRONMENTS or disk.late():
            continue
        seen.add(identity)
        if disk.is_dir(prefix) and environments.is_environment(prefix):
            found.append(environments.of_prefix(prefix))
    return Survey(condas=tuple(roots), environments=tuple(found), dead_registrations=dead)


def _identity(prefix: Path) -> tuple[int, int] | Path:
    try:
        status = prefix.stat()
    except (OSError, ValueError):
        return prefix
    return status.st_dev, status.st_ino


def _registered(disk: Disk) -> tuple[list[Path], tuple[tuple[Path, int, str], ...]]:
    """conda's list of environments, and its lines that lead nowhere (normal, but worth a note)."""
    file = disk.home / ".conda" / "environments.txt"
    found: list[Path] = []
    dead: list[tuple[Path, int, str]] = []
    for number, line in enumerate((disk.text(file) or "").splitlines(), 1):
        written = line.strip()
        if not written.startswith("/"):
            continue
        prefix = disk.place(written)
        if disk.presence(prefix) is Presence.GONE:
            dead.append((file, number, written))
        else:
            found.append(prefix)
    return found, tuple(dead)


def _roots(
    disk: Disk, environments: Environments, environ: Mapping[str, str], registered: list[Path]
) -> list[CondaRoot]:
    candidates = [disk.home / name for name in _ROOT_NAMES] + [disk.place(name) for name in _SYSTEM_ROOTS]
    candidates += [disk.place(environ[name]) for name in ("MAMBA_ROOT_PREFIX", "CONDA_ROOT") if environ.get(name)]
    if environ.get("CONDA_EXE"):
        candidates.append(disk.place(environ["CONDA_EXE"]).parent.parent)
    # pyenv installs condas beside its Pythons.
    pyenv = disk.home / ".pyenv" / "versions"
    candidates += [pyenv / name for name in disk.entries(pyenv) if re.match(r"(?:ana|mini)(?:conda|forge)|mamba", name)]
    for prefix in registered:
        candidates.append(prefix.parent.parent if prefix.parent.name == "envs" else prefix)
    roots: dict[Path, CondaRoot] = {}
    for prefix in candidates:
        if prefix in roots or not disk.is_dir(prefix):
            continue
        executable = next(
            (
                file
                for name in ("bin/conda", "condabin/conda", "bin/mamba", "bin/micromamba")
                if disk.presence(file := prefix / name) is Presence.PRESENT
            ),
            None,
        )
        is_root = disk.is_dir(prefix / "envs") or disk.is_dir(prefix / "condabin")
        if executable is not None or (is_root and prefix != disk.home / ".conda"):
            roots[prefix] = CondaRoot(prefix=prefix, python=environments.of_prefix(prefix), executable=executable)
    return list(roots.values())


def _envs_dirs(disk: Disk, roots: list[CondaRoot], environ: Mapping[str, str]) -> Iterator[Path]:
    """`envs_dirs` of every condarc: conda merges its lists."""
    for file in condarc.files(disk, environ, roots=[root.prefix for root in roots]):
        for line in condarc.lines(disk, file):
            if line.key in ("envs_dirs", "envs_path") and line.value.startswith(("/", "~", "$HOME")):
                yield disk.place(line.value)


def _others(disk: Disk, environ: Mapping[str, str], *, is_mac: bool) -> Iterator[Path]:
    """Environments that conda knows nothing of."""
    for name in ("CONDA_PREFIX", "VIRTUAL_ENV"):
        if environ.get(name):
            yield disk.place(environ[name])
    if disk.project is not None:
        for name in disk.entries(disk.project):
            if "env" in name.lower() or name == ".conda":
                yield disk.project / name
        for name in disk.entries(disk.project / ".pixi" / "envs"):
            yield disk.project / ".pixi" / "envs" / name
    for folder in (*_FOLDERS, *(_MAC_FOLDERS if is_mac else _LINUX_FOLDERS)):
        for name in disk.entries(disk.home / folder):
            if not re.search(r"\.(?:txt|lock|temp|toml)$", name):
                yield disk.home / folder / name
    for place in _MAC_PLACES if is_mac else _LINUX_PLACES:
        yield from _below(disk, disk.home, place.split("/"))


def _below(disk: Disk, folder: Path, parts: list[str]) -> Iterator[Path]:
    """The folders that a pattern means, in which `*` stands for any one name."""
    for number, part in enumerate(parts):
        if part == "*":
            for name in disk.entries(folder)[:_MOST_ENVIRONMENTS]:
                yield from _below(disk, folder / name, parts[number + 1 :])
            return
        folder /= part
    yield folder
