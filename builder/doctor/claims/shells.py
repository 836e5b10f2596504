"""The shell: what its start-up files do to `python` and `conda`. They are read line by line, never sourced.

What stands inside a condition or a loop may or may not happen; it is read as if it did, and marked so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Place, Presence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.disk import Disk

#: Start-up files in the order in which an interactive login shell reads them.
_FILES: Final[dict[str, tuple[str, ...]]] = {
    "zsh": (".zshenv", ".zprofile", ".zshrc", ".zlogin"),
    "bash": (".bash_profile", ".bash_login", ".profile", ".bashrc"),
    "fish": (".config/fish/config.fish", ".config/fish/conf.d/conda.fish"),
}
_EXPORT: Final = re.compile(r"(?:export\s+|set\s+-\w*x\w*\s+)?([A-Z_][A-Z0-9_]*)(?:=|\s+)(.*)")
_ALIAS: Final = re.compile(r"alias\s+(python3?|pip3?|conda)\s*=?\s*(['\"]?)(.+?)\2\s*(?:#.*)?$")
_ACTIVATE: Final = re.compile(r"(?:conda|mamba|micromamba)\s+activate(?:\s+([\w./~$-]+))?")
#: The ways conda is put into a shell: `conda init`'s block, the profile script, micromamba's hook.
_CONDA: Final = (
    re.compile(
        r"""["'(\s]((?:/|~|\$HOME|\$\{HOME\})[^"'()\s]*)/(?:bin|condabin)/(?:conda|mamba)["']?\s+['"]?shell[.\s]"""
    ),
    re.compile(r"""^\s*(?:\.|source)\s+["']?((?:/|~|\$HOME|\$\{HOME\})[^"']*?)/etc/profile\.d/(?:conda|mamba)\.sh"""),
    re.compile(r"""MAMBA_ROOT_PREFIX=["']?((?:/|~|\$HOME|\$\{HOME\})[^"';\s]+)"""),
    re.compile(
        r"""^\s*export\s+PATH=["']?((?:/|~|\$HOME|\$\{HOME\})[^"':]*(?:conda|forge|mamba)[^"':/]*)/(?:bin|condabin):"""
    ),
)
_SOURCED: Final = re.compile(
    r"""^(?:\[.*\]\s*&&\s*)?(?:source|\.)\s+["']?((?:~|\$HOME|\$\{HOME\}|/)[^\s"';&|$*]+)["']?\s*(?:#.*)?$"""
)
#: Files that source files that source files: so deep are they followed.
_DEEPEST: Final = 3
#: What opens a condition, a loop, or a function, whose body runs only when it is called.
_OPENS: Final = re.compile(r"(?:if|for|while|case|switch|function)\b|[\w-]+\s*\(\)\s*\{")
#: Variables that change what Python or conda does.
WATCHED: Final = frozenset(
    {
        "CONDA_SUBDIR", "PYTHONPATH", "PYTHONHOME", "KERAS_BACKEND", "KERAS_HOME", "TF_USE_LEGACY_KERAS",
        "PYTHONNOUSERSITE", "DYLD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_FALLBACK_LIBRARY_PATH",
        "LD_LIBRARY_PATH", "LD_PRELOAD", "KMP_DUPLICATE_LIB_OK", "UV_PYTHON", "PIP_TARGET", "PIP_PREFIX",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One thing a start-up file does, where, and whether only under a condition."""

    value: str
    place: Place
    conditional: bool


@dataclass(frozen=True, kw_only=True)
class Shell:
    """What a new shell does, the last of each kind winning. `condas` are the roots it initialises, in order."""

    name: str
    condas: tuple[Setting, ...] = ()
    activates: Setting | None = None
    aliases: dict[str, Setting]
    variables: dict[str, Setting]

    @property
    def conda(self) -> Setting | None:
        """The conda that wins: the last one that is initialised. None where conditions decide between several."""
        last = self.condas[-1] if self.condas else None
        return None if last is not None and last.conditional and len(self.condas) > 1 else last


def read(around: Surroundings) -> Shell:
    """The start-up files of the user's shell; of the one that has files where the machine does not say which."""
    name = _shell(around)
    condas: list[Setting] = []
    activates: Setting | None = None
    aliases: dict[str, Setting] = {}
    variables: dict[str, Setting] = {}
    for file in _files(around, name):
        for line, place, conditional in _lines(around, file):
            for pattern in _CONDA:
                if found := pattern.search(line):
                    root = str(around.disk.place(found[1]))
                    if (not condas or condas[-1].value != root) and around.disk.home != Path(root):
                        condas.append(Setting(value=root, place=place, conditional=conditional))
                    break
            if found := _ALIAS.match(line):
                aliases[found[1]] = Setting(value=found[3], place=place, conditional=conditional)
            elif (found := _ACTIVATE.search(line)) and not line.startswith(("alias", "function", "echo")):
                activates = Setting(value=found[1] or "base", place=place, conditional=conditional)
            for part in line.split(";"):
                if (found := _EXPORT.fullmatch(part.strip())) and found[1] in WATCHED:
                    variables[found[1]] = Setting(value=_plain(found[2]), place=place, conditional=conditional)
            if (found := re.match(r"unset\s+([A-Z_ ]+)", line)) is not None:
                for gone in found[1].split():
                    variables.pop(gone, None)
    existing = [conda for conda in condas if around.disk.presence(Path(conda.value)) is not Presence.GONE]
    return Shell(name=name, condas=tuple(existing or condas), activates=activates, aliases=aliases, variables=variables)


def initialised(disk: Disk) -> list[Path]:
    """The roots of every conda that any start-up file mentions: where environments may lie."""
    found: list[Path] = []
    for files in _FILES.values():
        for file in files:
            lines = (disk.text(disk.home / file) or "").splitlines()
            matches = (pattern.search(line[:2000]) for line in lines for pattern in _CONDA)
            found += [disk.place(match[1]) for match in matches if match]
    return list(dict.fromkeys(found))


def _shell(around: Surroundings) -> str:
    given = (around.machine.shell or "").rpartition("/")[2]
    if given in _FILES:
        return given
    for name, files in _FILES.items():
        if any(around.disk.is_file(around.disk.home / file) for file in files):
            return name
    return "zsh" if around.machine.is_mac else "bash"


def _files(around: Surroundings, name: str) -> Iterator[Path]:
    """Of bash's three profiles only the first that exists is read; it usually sources .bashrc, which comes last."""
    home = around.disk.home
    if name == "zsh" and (folder := around.machine.environ.get("ZDOTDIR")):
        home = around.disk.place(folder)
    profiles = [file for file in (".bash_profile", ".bash_login", ".profile") if around.disk.is_file(home / file)]
    for file in _FILES[name]:
        if file in (".bash_profile", ".bash_login", ".profile") and profiles and file != profiles[0]:
            continue
        yield home / file


def _lines(around: Surroundings, file: Path, *, outer: int = 0, nested: int = 0) -> Iterator[tuple[str, Place, bool]]:
    """The lines that do something, with their place and whether they are inside a condition.

    `conda init`'s own block is full of conditions that all lead to the same; they do not count as such. A file that is
    sourced by its plain name is read where it is sourced.
    """
    depth = outer
    outside: int | None = None
    """How deep the block of `conda init` lies, while inside it."""
    text = around.disk.text(file) or ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("# >>> ") and "initialize" in line:
            outside = depth
        elif line.startswith("# <<< ") and "initialize" in line and outside is not None:
            depth, outside = outside, None
        if not line or line.startswith("#"):
            continue
        if opens(line):
            depth += 1
        yield line[:2000], Place(file=file, line=number), (depth if outside is None else outside) > 0
        other = sourced(line[:2000])
        if other is not None and nested < _DEEPEST and around.disk.place(other) != file:
            yield from _lines(around, around.disk.place(other), outer=depth, nested=nested + 1)
        if closes(line):
            depth = max(0, depth - 1)


def sourced(line: str) -> str | None:
    """The file a line sources, where it is written out; None for conda's own script, which is recognised as such."""
    found = _SOURCED.search(line)
    return None if found is None or "/etc/profile.d/" in found[1] else found[1]


def opens(line: str) -> bool:
    """Whether a line begins a condition, a loop or a function that it does not also end."""
    return _OPENS.match(line) is not None and not re.search(r"(?:\b(?:fi|done|esac)|\})\s*;?$", line)


def closes(line: str) -> bool:
    return re.match(r"(?:(?:fi|done|esac|end)\b|\})", line) is not None


def tells(line: str) -> bool:
    """Whether a line does a thing that is read: it initialises a conda, activates, or sets an alias or a variable."""
    if any(pattern.search(line) for pattern in (*_CONDA, _ALIAS, _SOURCED)) or _ACTIVATE.match(line):
        return True
    names = [found[1] for part in line.split(";") if (found := _EXPORT.fullmatch(part.strip()))]
    return bool(names) and all(name in WATCHED for name in names)


def _plain(value: str) -> str:
    value = re.sub(r"\s+#.*$", "", value.strip())
    return value.strip("\"'")
