"""All that was read, in one value, and the two questions before any rule: which environment is meant, for what."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder.doctor import provenance, stack
from builder.doctor.claims import jetbrains, jupyter, jupyter_desktop, project, shells, spyder, vscode
from builder.doctor.installed import normalized
from builder.doctor.model import Claim, Ide, Interpreter, Kind, Meant, Place, Presence
from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.claims.project import ProjectFacts
    from builder.doctor.claims.shells import Shell
    from builder.doctor.provenance import Provenance


@dataclass(frozen=True, kw_only=True)
class Case:
    """What the rules judge. `wanted` is the framework the question is about."""

    around: Surroundings
    claims: tuple[Claim, ...]
    shell: Shell
    project: ProjectFacts
    wanted: str
    meant: Meant | None
    provenance: Provenance | None = None
    """Of the packages of the environment that is meant."""

    def show(self, path: Path | str) -> str:
        return self.around.disk.show(path)

    def has(self, interpreter: Interpreter, framework: str | None = None) -> bool:
        """Whether `import FRAMEWORK` finds something there, the user's site folder included."""
        names = stack.distributions(framework or self.wanted)
        return any(interpreter.version_of(name) for name in names) or any(
            name in self.user_site_packages(interpreter) for name in names
        )

    def user_site_packages(self, interpreter: Interpreter) -> dict[str, str]:
        """What the user's own site folder adds to that interpreter."""
        found: dict[str, str] = {}
        for folder in self.user_sites(interpreter):
            found |= self.around.environments.packages_in(folder)
        return found

    def user_sites(self, interpreter: Interpreter) -> list[Path]:
        """The user's site folders for that Python's version (site.py: another place for macOS framework builds)."""
        if not interpreter.user_site or self.around.machine.environ.get("PYTHONNOUSERSITE"):
            return []
        home = self.around.disk.home
        base = self.around.machine.environ.get("PYTHONUSERBASE")
        root = self.around.disk.place(base) if base else home / ".local"
        version = re.match(r"\d+\.\d+", interpreter.version or "")
        if version is None:
            if interpreter.kind is not Kind.SYSTEM:
                return []
            return [root / "lib" / name / "site-packages" for name in self.around.disk.entries(root / "lib")]
        folders = [root / "lib" / f"python{version[0]}" / "site-packages"]
        if self.around.machine.is_mac and interpreter.kind in (Kind.HOMEBREW, Kind.SYSTEM, Kind.OTHER):
            folders.append(home / "Library" / "Python" / version[0] / "lib" / "python" / "site-packages")
        return folders

    def same(self, one: Interpreter, other: Interpreter) -> bool:
        """Whether two interpreters are of one environment."""
        if one.prefix is not None and other.prefix is not None:
            return self.around.disk.same(one.prefix, other.prefix)
        return one.path == other.path

    def described(self, interpreter: Interpreter) -> str:
        """`~/x/bin/python (arm64, keras 3.6.0)`."""
        return f"{self.show(interpreter.path)} ({self.facts(interpreter)})"

    def facts(self, interpreter: Interpreter) -> str:
        names = stack.distributions(self.wanted)
        version = next((found for name in names if (found := interpreter.version_of(name))), None)
        what = f"{self.wanted} {version}" if version else f"no {self.wanted}"
        if version is None and interpreter.prefix is None and interpreter.kind is not Kind.SYSTEM:
            what += " seen"
        return ", ".join(part for part in (interpreter.arch, what) if part)

    @property
    def terminal(self) -> Interpreter | None:
        """The environment that is active in the user's shell."""
        return self.around.active


def build(around: Surroundings, *, named: str | None) -> Case:
    """Read every claim and settle what is meant. Raises UsageError where `named` names nothing."""
    readers: tuple[tuple[frozenset[Ide], Callable[[Surroundings], list[Claim]]], ...] = (
        (frozenset({Ide.DATASPELL, Ide.PYCHARM, Ide.INTELLIJ}), jetbrains.read),
        (frozenset({Ide.VSCODE, Ide.CURSOR}), vscode.read),
        (frozenset({Ide.SPYDER}), spyder.read),
        (frozenset({Ide.JUPYTER}), jupyter.read),
        (frozenset({Ide.JUPYTER}), jupyter_desktop.read),
    )
    claims = [
        claim
        for ides, reader in readers
        if around.asked is None or around.asked & ides
        for claim in reader(around)
        if around.in_scope(claim.ide)
    ]
    shell = shells.read(around)
    facts = project.read(around)
    claims += _shell_claims(around, shell)
    case = Case(around=around, claims=(), shell=shell, project=facts, wanted=_wanted(around, facts), meant=None)
    meant = _meant(case, claims, named)
    if not facts.uses and meant is not None and not case.has(meant.interpreter):
        own = next((name for name in stack.frameworks() if case.has(meant.interpreter, name)), None)
        case = replace(case, wanted=own or case.wanted)
    return replace(
        case,
        claims=tuple(_reduced(claims)),
        meant=meant,
        provenance=provenance.of(meant.interpreter) if meant is not None else None,
    )


def _reduced(claims: list[Claim]) -> list[Claim]:
    """A name unknown to one IDE counts only where no other IDE of the user knows it for the same project."""
    known = {claim.what for claim in claims if claim.interpreter is not None}
    return [
        replace(claim, decisive=False, overruled="another IDE of yours knows the name")
        if claim.problem and claim.what in known and claim.decisive
        else claim
        for claim in claims
    ]


def _wanted(around: Surroundings, facts: ProjectFacts) -> str:
    """The framework in question: Keras, unless the project uses another one and not Keras."""
    if facts.uses:
        return facts.uses[0]
    found = [name for name in stack.frameworks() if any(_brings(env, name) for env in around.survey.environments)]
    return found[0] if found else stack.frameworks()[0]


def _brings(interpreter: Interpreter, framework: str) -> bool:
    return any(interpreter.version_of(name) for name in stack.distributions(framework))


# -- the environment that is meant -------------------------------------------------------------------------------


def _meant(case: Case, claims: list[Claim], named: str | None) -> Meant | None:
    around = case.around
    if named is not None:
        return Meant(interpreter=_by_name(case, named), phrase="you mean", explicit=True)
    if (asked := case.project.name) is not None:
        found = [env for env in around.survey.environments if env.prefix is not None and env.prefix.name == asked]
        best = _best(case, [env for env in found if case.has(env)])
        if best is not None:
            return Meant(interpreter=best, phrase="the project's environment is", explicit=True)
    if around.project is not None:
        for env in around.survey.environments:
            if env.prefix is not None and env.prefix.is_relative_to(around.project) and case.has(env):
                return Meant(interpreter=env, phrase="the project's own environment is", explicit=True)
    if (kept := _kept_elsewhere(case)) is not None:
        return Meant(interpreter=kept, phrase="the project's own environment is", explicit=True)
    active = case.terminal
    if active is not None and case.has(active):
        return Meant(interpreter=active, phrase="the terminal runs", explicit=True)
    if active is None and _active_elsewhere(around):
        return None  # the user works in an environment that nobody could look into
    candidates = [
        *around.survey.environments,
        *(claim.interpreter for claim in claims if claim.interpreter is not None),
    ]
    having: list[Interpreter] = []
    for env in candidates:
        known = any(case.same(env, other) for other in having)
        if case.has(env) and env.prefix is not None and env.presence is not Presence.GONE and not known:
            having.append(env)
    chosen = [
        env for env in having if any(c.decisive and c.interpreter and case.same(c.interpreter, env) for c in claims)
    ]
    best = _best(case, chosen or having)
    if best is None:
        # Nothing has it: then what is active is looked at, if it is for computing at all.
        computes = active is not None and any(active.version_of(name) for name in stack.examined())
        return Meant(interpreter=active, phrase="the terminal runs", explicit=False) if active and computes else None
    others = len(having) - 1
    phrase = f"{case.wanted} is installed in" + (f" {others + 1} environments, such as" if others else "")
    return Meant(interpreter=best, phrase=phrase, explicit=False)


def _kept_elsewhere(case: Case) -> Interpreter | None:
    """The project's environment that Poetry, Pipenv or Hatch keeps in a folder of its own, told by the project's name.

    Sources: their documentation: `virtualenvs/NAME-HASH-py3.X`, `virtualenvs/FOLDER-HASH`, `virtual/NAME/HASH/…`.
    """
    project = case.around.project
    if project is None:
        return None
    text = case.around.disk.text(project / "pyproject.toml") or ""
    names = {project.name, *re.findall(r"""^name\s*=\s*["']([\w.-]{1,100})["']""", text, re.MULTILINE)}
    wanted = {normalized(name) for name in names}
    found = []
    for env in case.around.survey.environments:
        folder = env.prefix.parent if env.prefix is not None else None
        if env.prefix is None or folder is None or not case.has(env):
            continue
        name = re.fullmatch(r"(.+)-[\w-]{8}(?:-py\d\.\d+)?", env.prefix.name) if folder.name == "virtualenvs" else None
        is_hatch = folder.parent.parent.name == "virtual" and folder.parent.parent.parent.name == "env"
        title = name[1] if name is not None else folder.parent.name if is_hatch else None
        if title is not None and normalized(title) in wanted:
            found.append(env)
    return _best(case, found)


def _active_elsewhere(around: Surroundings) -> bool:
    """Whether the shell's environment lies where this machine's answer does not count."""
    values = [around.machine.environ.get(name) for name in ("VIRTUAL_ENV", "CONDA_PREFIX")]
    places = [around.disk.place(value) for value in values if value]
    return any(around.disk.presence(place) is Presence.UNKNOWN for place in places)


def _best(case: Case, candidates: list[Interpreter]) -> Interpreter | None:
    """Of several the one built for this machine, and the one that was changed last."""
    hardware = case.around.machine.hardware

    def rank(env: Interpreter) -> tuple[bool, bool, float]:
        native = hardware is None or hardware in {"aarch64": ("arm64",)}.get(env.arch or "", env.slices)
        changed = case.around.disk.modified(env.prefix / "conda-meta") if env.prefix is not None else 0.0
        return not env.missing, native, changed

    return max(candidates, key=rank, default=None)


def _by_name(case: Case, named: str) -> Interpreter:
    around = case.around
    if "/" in named or named.startswith((".", "~")):
        prefix = around.disk.place(named)
        if around.environments.is_environment(prefix):
            return around.environments.of_prefix(prefix)
        raise UsageError(f"{named}: there is no environment here", hint="give the folder that holds its bin/python")
    found = [env for env in around.survey.environments if env.prefix is not None and env.prefix.name == named]
    best = _best(case, [env for env in found if case.has(env)] or found)
    if best is None:
        import difflib

        names = sorted({env.prefix.name for env in around.survey.environments if env.prefix is not None})
        close = difflib.get_close_matches(named, names, n=1)
        known = f"name one of: {', '.join(names[:12])}" if names else "no environment was found on this machine"
        raise UsageError(
            f"there is no environment {named!r}" + (f"; did you mean {close[0]!r}?" if close else ""), hint=known
        )
    return best


# -- the shell's own claims --------------------------------------------------------------------------------------


def _shell_claims(around: Surroundings, shell: Shell) -> list[Claim]:
    """What the terminal runs now, what a new one gets, and an alias that hides both."""
    found: list[Claim] = []
    active = around.active
    if active is not None:
        variable = "VIRTUAL_ENV" if around.machine.environ.get("VIRTUAL_ENV") else "CONDA_PREFIX"
        found.append(
            Claim(
                ide=Ide.SHELL,
                who="terminal",
                what="active environment",
                written=str(around.machine.environ.get(variable)),
                decided_by=(),
                interpreter=active,
                decisive=False,
            )
        )
        if (shadow := _first_on_path(around, active)) is not None:
            found.append(shadow)
    in_scope = around.asked is None
    for name in ("python", "python3"):
        alias = shell.aliases.get(name)
        if alias is not None and alias.value.startswith(("/", "~", "$HOME")) and " " not in alias.value:
            found.append(
                Claim(
                    ide=Ide.SHELL,
                    who="terminal",
                    what=f"alias {name}",
                    written=alias.value,
                    decided_by=(alias.place,),
                    interpreter=around.environments.of(around.disk.place(alias.value)),
                    decisive=in_scope and name == "python" and not alias.conditional,
                    change=f"remove the line `alias {name}=…`",
                )
            )
    if shell.conda is not None:
        prefix = Path(shell.conda.value)
        found.append(
            Claim(
                ide=Ide.SHELL,
                who="new shell",
                what="conda's base",
                written=shell.conda.value,
                decided_by=(shell.conda.place,),
                interpreter=around.environments.of_prefix(prefix),
                decisive=False,
            )
        )
    return found


def _first_on_path(around: Surroundings, active: Interpreter) -> Claim | None:
    """A folder of PATH before the active environment's that also has a `python`; None where there is none."""
    if active.prefix is None:
        return None
    for entry in around.machine.environ.get("PATH", "").split(":"):
        folder = around.disk.place(entry) if entry.startswith(("/", "~")) else None
        if folder is None or not around.disk.known(folder):
            continue
        if around.disk.same(folder, active.prefix / "bin"):
            return None
        if around.disk.presence(folder / "python") is Presence.PRESENT:
            return Claim(
                ide=Ide.SHELL,
                who="terminal",
                what="first on PATH",
                written=entry,
                decided_by=(Place(file=folder, key="PATH"),),
                interpreter=around.environments.of(folder / "python"),
                decisive=around.asked is None,
                change="activate the environment last, or move that folder behind it in the start-up files",
            )
    return None
