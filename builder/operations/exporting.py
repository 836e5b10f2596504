"""Export: a committed lock in the format of another tool."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.exports.formats import FORMATS, export
from builder.exports.model import Export, Format
from builder.operations.checking import CheckRequest, check
from builder.operations.outputs import require_writable, write_output
from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from pathlib import Path

    from builder.lock.model import Lock
    from builder.platforms import Subdir
    from builder.render.model import Rendered
    from builder.workspace import Workspace

_EPOCH: Final = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What to export. Without platforms: this machine's for a format of one platform, else all of the lock."""

    name: str
    form: Format
    platforms: tuple[Subdir, ...] = ()
    groups: tuple[str, ...] = ()
    """Groups beside the main one."""
    output: Path | None = None
    """The file to write; None writes nothing."""


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    """The text of the file, whether it was written or not, and what it could not hold."""

    name: str
    form: Format
    platforms: tuple[Subdir, ...]
    text: str
    file: Path | None
    left_out: tuple[str, ...]


def export_lock(workspace: Workspace, request: ExportRequest) -> ExportResult:
    """The lock in another format; what does not fit into it is warned about.

    The lock is audited first, so that no credential and no package without a hash gets out; that it is not its
    recipe's any more is a warning. Raises UsageError, LockfileError, TemplateError.
    """
    from builder.lock.audit import require_sound
    from builder.lock.digest import lock_digest
    from builder.lock.read import read_lock

    traits = FORMATS[request.form]
    output = workspace.path(request.output) if request.output is not None else None
    require_writable(output)
    file = workspace.project.committed_lock(request.name)
    if file is None:
        workspace.project.recipe_file(request.name)
        raise UsageError(f"{request.name} has no lock to export", hint=f"run `envbuild lock {request.name}` first")
    lock = read_lock(file)
    require_sound(lock, file)
    platforms = _platforms(lock, request, host=workspace.host)
    wanted = Export(
        name=request.name,
        lock=lock,
        platforms=platforms,
        groups=_groups(lock, request),
        rendered=_rendered(file.parent, request.name) if traits.wants_rendered else None,
        digest=lock_digest(file),
        created=_created(workspace.environ.get(_EPOCH)),
    )
    exported = export(wanted, request.form)
    for checked in check(workspace, CheckRequest(recipes=(request.name,))).locks:
        if checked.problem is not None:
            workspace.progress.warn(f"exported as it is, but {checked.problem.message}")
    for left in exported.left_out:
        workspace.progress.warn(f"left out: {left}")
    if output is not None:
        write_output(output, exported.text)
    return ExportResult(
        name=request.name,
        form=request.form,
        platforms=platforms,
        text=exported.text,
        file=output,
        left_out=exported.left_out,
    )


def _platforms(lock: Lock, request: ExportRequest, *, host: Subdir | None) -> tuple[Subdir, ...]:
    traits = FORMATS[request.form]
    known = ", ".join(lock.platforms)
    for subdir in request.platforms:
        if subdir not in lock.platforms:
            raise UsageError(f"the lock of {request.name} has no {subdir}; it is for {known}")
    if not traits.one_platform:
        return tuple(subdir for subdir in lock.platforms if not request.platforms or subdir in request.platforms)
    if len(set(request.platforms)) > 1:
        raise UsageError(
            f"--format {request.form} is for one platform a file, and {len(request.platforms)} were given",
            hint="export each into a file of its own",
        )
    fit = [subdir for subdir in lock.platforms if subdir.is_linux or not traits.linux_only]
    chosen = request.platforms or ((host,) if host in fit else tuple(fit) if len(fit) == 1 else ())
    if not chosen:
        raise UsageError(
            f"--format {request.form} is for one platform, and this machine's is not in the lock of {request.name}",
            hint=f"name one of {known} with --platform",
        )
    return chosen[:1]


def _groups(lock: Lock, request: ExportRequest) -> tuple[str, ...]:
    known = sorted({group for package in lock.packages for group in package.groups} - {MAIN_GROUP})
    for group in request.groups:
        if group not in (MAIN_GROUP, *known):
            raise UsageError(
                f"the lock of {request.name} has no group {group}",
                hint=f"its groups: {', '.join(known)}" if known else "it has none; leave --group out",
            )
    if request.groups and FORMATS[request.form].every_group:
        raise UsageError(f"--format {request.form} always holds every group", hint="leave --group out")
    return tuple(dict.fromkeys((MAIN_GROUP, *request.groups)))


def _rendered(folder: Path, name: str) -> Rendered:
    from builder.render.model import ENVIRONMENT_FILE, VIRTUAL_PACKAGES_FILE
    from builder.render.read import read_rendered

    for file in (ENVIRONMENT_FILE, VIRTUAL_PACKAGES_FILE):
        if not (folder / file).is_file():
            raise UsageError(
                f"{folder / file} is missing, which says what {name} asks for",
                hint=f"write it with `envbuild render {name}`",
            )
    return read_rendered(folder)


def _created(epoch: str | None) -> datetime | None:
    """The moment of SOURCE_DATE_EPOCH (reproducible-builds.org). Raises UsageError for what is none."""
    if not epoch:
        return None
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{_EPOCH} is {epoch!r}, which is no number of seconds since 1970", hint=f"run `unset {_EPOCH}`"
        ) from None
