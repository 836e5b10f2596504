"""Run and activate: a program in an environment, or a shell that has it in front."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.environment.place import Place
from builder.environment.stamp import read_stamp
from builder.errors import CommandNotFoundError, UsageError
from builder.install import activation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.workspace import Workspace

#: What starts the program of `run` where packages have activation scripts: they are bash's. Then it is replaced by it.
_EXEC = '\nexec "$@"'


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What to run, in which environment (a name or a path)."""

    environment: str
    command: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What is to be executed in place of this process."""

    prefix: Path
    arguments: tuple[str, ...]
    environ: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ActivateRequest:
    environment: str
    shell: str | None = None
    """One of `activation.SHELLS`; default: the user's, by $SHELL."""


@dataclass(frozen=True, kw_only=True)
class ActivateResult:
    prefix: Path
    shell: str
    script: str


def run(workspace: Workspace, request: RunRequest) -> Launch:
    """What to execute so that a command runs in an activated environment. Nothing is executed here.

    Raises UsageError for what is no finished conda environment of this platform, CommandNotFoundError, BuildError.
    """
    if not request.command:
        raise UsageError("there is no command to run", hint="for instance: envbuild run ml-m1 python script.py")
    prefix = _usable(workspace, request.environment)
    environ = activation.variables(prefix, workspace.environ)
    script = activation.own_code(prefix, keep=read_stamp(prefix) is not None)
    if script is None:
        if shutil.which(request.command[0], path=environ["PATH"]) is None:
            raise CommandNotFoundError(
                f"{request.command[0]}: there is no such program in {prefix} or on the PATH",
                hint=f"`ls {shlex.quote(str(prefix / 'bin'))}` shows what there is",
            )
        return Launch(prefix=prefix, arguments=request.command, environ=environ)
    bash = shutil.which("bash", path=workspace.environ.get("PATH")) or "/bin/bash"
    arguments = (bash, "--noprofile", "--norc", "-c", script + _EXEC, "envbuild", *request.command)
    return Launch(prefix=prefix, arguments=arguments, environ=dict(workspace.environ))


def activate(workspace: Workspace, request: ActivateRequest) -> ActivateResult:
    """The code that activates an environment in a shell. Raises UsageError, BuildError."""
    shell = request.shell or (workspace.environ.get("SHELL") or "bash").rpartition("/")[2]
    if shell not in activation.SHELLS:
        raise UsageError(
            f"there is no activation for the shell {shell!r}",
            hint=f"name one with --shell: {', '.join(activation.SHELLS)}",
        )
    prefix = _usable(workspace, request.environment)
    script = activation.code(prefix, shell, environ=workspace.environ)
    return ActivateResult(prefix=prefix, shell=shell, script=script)


def _usable(workspace: Workspace, environment: str) -> Path:
    prefix = workspace.store.find(environment)
    if Place(prefix).is_building:
        raise UsageError(
            f"{prefix} is unfinished: an envbuild is at work on it, or was killed",
            hint="wait for it, or run `envbuild create` again, which puts it right",
        )
    if not (prefix / "conda-meta").is_dir():
        raise UsageError(
            f"{prefix} is no conda environment, so there is nothing to activate",
            hint="a virtual environment's programs can be run by their paths, in its bin folder",
        )
    stamp = read_stamp(prefix)
    if stamp is not None and workspace.host is not None and stamp.subdir is not workspace.host:
        raise UsageError(f"{prefix} is for {stamp.subdir} and cannot be run here, on {workspace.host}")
    return prefix
