"""What the doctor knows and says: claims, interpreters, the machine, diagnoses. All frozen, all with a JSON shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from builder.doctor import stack

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.doctor.provenance import Provenance
    from builder.finding import Remedy


class Presence(StrEnum):
    """Whether something is there. `UNKNOWN`: it lies where nobody could look (another machine, no permission)."""

    PRESENT = "present"
    GONE = "gone"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What made an environment."""

    CONDA = "conda"
    VENV = "venv"
    UV = "uv"
    PYENV = "pyenv"
    HOMEBREW = "homebrew"
    SYSTEM = "system"
    INSTALLED = "installed"
    """For all users of the machine, by its maker's installer: `/usr/local/bin/python3`."""
    OTHER = "other"


class Level(StrEnum):
    """A problem decides the exit code; a note does not."""

    PROBLEM = "problem"
    NOTE = "note"


class Ide(StrEnum):
    """Whose claims `--ide` selects."""

    DATASPELL = "dataspell"
    PYCHARM = "pycharm"
    INTELLIJ = "intellij"
    VSCODE = "vscode"
    CURSOR = "cursor"
    JUPYTER = "jupyter"
    SPYDER = "spyder"
    SHELL = "shell"


#: The diagnoses, most telling first: an interpreter that is another one, then one that is gone, one of the wrong
#: architecture, a broken environment, a shadowed one, and housekeeping, which is never a cause.
CLASSES: Final = ("A", "B", "C", "D", "E", "F")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where something is said: a file, the line (1-based) where one can be named, and the key or row.

    A variable that no file is known to set has the home for its file.
    """

    file: Path
    line: int | None = None
    key: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"file": str(self.file), "line": self.line, "key": self.key}


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Something that could not be looked at, and why."""

    path: Path
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {"path": str(self.path), "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """One Python, as its files say. `path` is what a program starts, `real` where its links end.

    `slices` are the architectures its file holds (`arm64`, `x86_64`); `packages` maps normalised distribution names to
    versions, of what lies in its own site-packages; `missing` are recorded files that are gone; `via` says what a shim
    was resolved by.
    """

    path: Path
    presence: Presence
    real: Path | None = None
    prefix: Path | None = None
    kind: Kind = Kind.OTHER
    slices: tuple[str, ...] = ()
    version: str | None = None
    subdir: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    """The distributions whose files are `missing`."""
    alien: tuple[tuple[str, str], ...] = ()
    """(distribution, what it is) of binaries that its Python cannot load: another processor's, or another system's."""
    broken_link: Path | None = None
    user_site: bool = True
    via: str | None = None
    outline: bool = False
    """True where the file that should be the interpreter is too small to be one: its binaries cannot be judged."""
    mixed: tuple[str, ...] = ()
    """conda packages of another platform than its Python's: `numpy 1.26.4 (osx-64)`."""

    @property
    def arch(self) -> str | None:
        """The architecture in words; None where nothing says it."""
        if len(self.slices) > 1:
            return "universal"
        return self.slices[0] if self.slices else None

    def version_of(self, package: str) -> str | None:
        return self.packages.get(package)

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "presence": self.presence.value,
            "resolved": str(self.real) if self.real else None,
            "prefix": str(self.prefix) if self.prefix else None,
            "kind": self.kind.value,
            "architectures": list(self.slices),
            "python": self.version,
            "subdir": self.subdir,
            "packages": {name: self.packages[name] for name in stack.telling() if name in self.packages},
            "missing": list(self.missing[:20]),
        }


#: The variables of a shell that decide which Python runs and what it loads. Others may be secrets: they are never shown
#: and never written.
RELEVANT_VARIABLES: Final = frozenset(
    {
        "CONDA_DEFAULT_ENV", "CONDA_EXE", "CONDA_PREFIX", "CONDA_ROOT", "CONDA_SHLVL", "CONDA_SUBDIR",
        "DYLD_FALLBACK_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "DYLD_LIBRARY_PATH", "HOME", "JUPYTER_DATA_DIR",
        "JUPYTER_PATH", "JUPYTER_PREFER_ENV_PATH", "KERAS_BACKEND", "KERAS_HOME", "KMP_DUPLICATE_LIB_OK",
        "LD_LIBRARY_PATH", "LD_PRELOAD", "MAMBA_EXE", "MAMBA_ROOT_PREFIX", "PATH", "PYENV_VERSION", "PYTHONHOME",
        "PYTHONNOUSERSITE", "PYTHONPATH", "PYTHONUSERBASE", "SHELL", "TF_USE_LEGACY_KERAS", "UV_PYTHON", "VIRTUAL_ENV",
        "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who runs what.

    `who` names the program with its version ("DataSpell 2025.3"); `what` says which of its settings speaks ("project
    mnist"). `written` is the value as the file has it, `interpreter` what that leads to. `decisive` claims are those
    that a diagnosis may rest on: the others (another project, an automatic choice, a setting that is overruled) are
    only shown. `problem` is why no interpreter could be named at all.
    """

    ide: Ide
    who: str
    what: str
    written: str
    decided_by: tuple[Place, ...]
    interpreter: Interpreter | None = None
    decisive: bool = True
    problem: str | None = None
    change: str = ""
    """How the user chooses another interpreter there: a click path."""
    app_arch: str | None = None
    """Architecture the program itself runs as, where that is known."""
    app_why: str | None = None
    app_place: Place | None = None
    """Where that is said, if in a file."""
    conda: Interpreter | None = None
    """The conda executable the program has stored beside the interpreter."""
    variables: Mapping[str, tuple[str, Place]] = field(default_factory=dict)
    overruled: str | None = None
    """Why this is only shown: another answer wins over it."""
    uses: frozenset[str] | None = None
    """The frameworks that the notebooks of a kernel import; None where that is not known."""
    project: Path | None = None
    """The project it is about, where that is not the one asked about."""
    choices: tuple[tuple[str, Path], ...] = ()
    """The interpreters the program has in its list already: name and path."""

    @property
    def subject(self) -> str:
        return f"{self.who} ({self.what})" if self.what else self.who

    def to_json(self) -> dict[str, Any]:
        return {
            "ide": self.ide.value,
            "who": self.who,
            "what": self.what,
            "written": self.written,
            "interpreter": self.interpreter.to_json() if self.interpreter else None,
            "decided_by": [place.to_json() for place in self.decided_by],
            "decisive": self.decisive,
            "problem": self.problem or self.overruled,
            "app_architecture": self.app_arch,
            "variables": {name: value for name, (value, _) in self.variables.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The facts that no file of the home says; None: not known. `foreign`: those of another machine (`--machine`)."""

    system: str
    hardware: str | None = None
    running: str | None = None
    translated: bool | None = None
    macos: str | None = None
    shell: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[str, ...] | None = None
    foreign: bool = False

    @property
    def is_mac(self) -> bool:
        return self.system == "Darwin"

    @property
    def apple_silicon(self) -> bool:
        return self.is_mac and self.hardware == "arm64"

    def to_json(self) -> dict[str, Any]:
        return {
            "system": self.system,
            "hardware": self.hardware,
            "running": self.running,
            "translated": self.translated,
            "macos": self.macos,
            "shell": self.shell,
            "env": {name: self.environ[name] for name in sorted(self.environ) if name in RELEVANT_VARIABLES},
            "processes": list(self.processes) if self.processes is not None else None,
        }


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One cause, with its consequences as evidence. `sentence` compares, and ends without a full stop.

    `subject` is the prefix or program it is about: two diagnoses of one subject are one cause.
    """

    check: str
    klass: str
    sentence: str
    decided_by: tuple[Place, ...] = ()
    remedy: Remedy | None = None
    automatic: bool = False
    """Whether `--fix` can do what the remedy says, and `--undo` take it back."""
    why_not_automatic: str | None = None
    evidence: tuple[str, ...] = ()
    level: Level = Level.PROBLEM
    subject: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "check": self.check,
            "status": "fail" if self.level is Level.PROBLEM else "warn",
            "title": self.sentence,
            "class": self.klass,
            "evidence": list(self.evidence),
            "decided_by": [place.to_json() for place in self.decided_by],
            "remedy": self._remedy(),
        }

    def _remedy(self) -> dict[str, Any] | None:
        if self.remedy is None:
            return None
        how = {"text": self.remedy.say, "automatic": self.automatic, "reversible": self.automatic}
        return self.remedy.to_json() | how


@dataclass(frozen=True, kw_only=True)
class Meant:
    """The environment the user means, and how the doctor knows ("the terminal runs")."""

    interpreter: Interpreter
    phrase: str
    explicit: bool
    """Named by the user or the project, and not only guessed."""


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Everything that was found, and what it means. The first of `problems` is the cause."""

    machine: Machine
    claims: tuple[Claim, ...]
    environments: tuple[Interpreter, ...]
    meant: Meant | None
    wanted: str
    problems: tuple[Diagnosis, ...]
    notes: tuple[Diagnosis, ...]
    skips: tuple[Skip, ...]
    home_names: tuple[str, ...] = ()
    """What the home is called in the files of another machine: shown as `~`."""
    root: Path | None = None
    """The folder that stands for `/` of another machine: never shown."""
    provenance: Provenance | None = None
    """Of the packages of the environment that is meant."""
    asks: bool = False
    """Whether the project imports or declares what is wanted."""
    looked: int
    """How many claims and environments were looked at; nothing at all is no good news."""

    def to_json(self) -> dict[str, Any]:
        return {
            "diagnosis": self.problems[0].to_json() if self.problems else None,
            "meant": (
                {"interpreter": str(self.meant.interpreter.path), "because": self.meant.phrase} if self.meant else None
            ),
            "provenance": self.provenance.to_json() if self.provenance is not None else None,
            "claims": [claim.to_json() for claim in self.claims],
            "environments": [environment.to_json() for environment in self.environments],
            "machine": self.machine.to_json(),
            "findings": [found.to_json() for found in (*self.problems, *self.notes)],
            "skipped": [skip.to_json() for skip in self.skips],
        }
