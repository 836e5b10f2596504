"""Remove: an environment is deleted, and nobody is told of it any more."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.environment.place import Place
from builder.environment.removal import require_removable
from builder.environment.sizes import Size, size_of
from builder.environment.stamp import read_stamp
from builder.errors import EnvbuildError, UsageError
from builder.operations.warnings import Warnings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.workspace import Workspace

_TASK = "remove"


@dataclass(frozen=True, kw_only=True)
class RemoveRequest:
    """Which environment (a name or a path) to delete."""

    environment: str
    force: bool = False
    """Also one that envbuild did not make."""


@dataclass(frozen=True, kw_only=True)
class Removable:
    """An environment that may be deleted, as whoever decides it should see it."""

    prefix: Path
    is_ours: bool
    size: Size


@dataclass(frozen=True, kw_only=True)
class RemoveResult:
    prefix: Path
    size: Size
    unregistered: tuple[str, ...]
    """What named it and does not any more: a sentence each."""
    warnings: tuple[str, ...]


def removable(workspace: Workspace, request: RemoveRequest) -> Removable:
    """The environment that would be deleted. Raises UsageError for what never is (`environment.removal`)."""
    prefix = _meant(workspace, request.environment)
    places = workspace.store.places
    require_removable(prefix, force=request.force, home=places.home, roots=places.roots(), system=places.system)
    workspace.progress.update(_TASK, f"measuring {prefix}")
    return Removable(prefix=prefix, is_ours=read_stamp(prefix) is not None, size=size_of(prefix))


def remove(workspace: Workspace, request: RemoveRequest) -> RemoveResult:
    """Delete an environment: gone from its name in one step, then from the disk, and from all lists that we write.

    Raises UsageError, and deletes nothing, for what is not to be deleted; BuildError where the system refuses.
    """
    warn = Warnings(workspace.progress)
    target = removable(workspace, request)
    forget = _registrations(workspace, target.prefix)
    workspace.progress.update(_TASK, f"deleting {target.prefix}")
    warning = workspace.store.remove(target.prefix, force=request.force)
    if warning is not None:
        warn(warning)
    unregistered = forget()
    workspace.progress.done(_TASK, f"deleted {target.prefix}")
    return RemoveResult(prefix=target.prefix, size=target.size, unregistered=tuple(unregistered), warnings=warn.given)


def _meant(workspace: Workspace, environment: str) -> Path:
    """The folder itself, not what a link leads to; also one that a killed run left unfinished."""
    if "/" in environment or environment.startswith((".", "~")):
        return workspace.path(environment)
    with contextlib.suppress(UsageError):
        prefix = workspace.store.prefix_for(environment)
        if prefix.is_symlink() or Place(prefix).is_building:
            return prefix
    return workspace.store.find(environment)


def _registrations(workspace: Workspace, prefix: Path) -> Callable[[], list[str]]:
    """What takes back the registrations of an environment that is about to go; of a broken one, none is found."""
    from builder.doctor.examine import Patient, Request, gather
    from builder.doctor.machine import this_machine
    from builder.doctor.register import unregister
    from builder.operations.doctoring import registrations_record

    patient = Patient(home=workspace.home, cwd=workspace.cwd, machine=this_machine(workspace.environ))
    try:
        case, _ = gather(Request(environment=str(prefix), project=workspace.project.root, static=True), patient)
    except EnvbuildError:
        return list
    meant, around, record = case.meant, case.around, registrations_record(workspace)
    if meant is None:
        return list
    return lambda: [item.message for item in unregister(around, meant.interpreter, record=record, everywhere=True)]
