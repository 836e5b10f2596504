"""Verify an environment: from its name or path to the report."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.checks.subject import User
from builder.checks.verification import EVERYTHING, STATIC, verified
from builder.environment.environment import Environment
from builder.environment.place import Place, hold, is_locked
from builder.environment.stamp import Verdict, read_stamp
from builder.errors import ChecksFailedError, UsageError
from builder.finding import Status
from builder.install.transaction import write_stamp
from builder.operations.expectations import asks_for_others
from builder.operations.locked import stamp_of
from builder.operations.outputs import require_writable, write_output
from builder.operations.warnings import Warnings
from builder.probes.level import Level

if TYPE_CHECKING:
    from pathlib import Path

    from builder.binaries.system_symbols import MacOS
    from builder.checks.engine import Reading
    from builder.environment.stamp import Stamp
    from builder.finding import Report
    from builder.operations.seen import Seen, Unread
    from builder.platforms import Subdir
    from builder.report.compare import Comparison
    from builder.workspace import Workspace

#: The task of the progress that says what is being checked.
_TASK: Final = "verify"


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """Which environment to verify (a name or a path), how thoroughly, and which reports to write."""

    environment: str
    level: Level = Level.DEFAULT
    only_static: bool = False
    """Read the files, run nothing."""
    platform: Subdir | None = None
    """Judge it for this platform; default: what its stamp or its packages say."""
    macos: str | None = None
    """Judge it for this release of macOS; default: the recipe's oldest, or this Mac's."""
    limit: float | None = None
    """Seconds that each probe may take; default: each probe's own limit."""
    against: Path | None = None
    """An earlier report (the JSON of `verify`) to compare with."""
    html: Path | None = None
    junit: Path | None = None
    fix: bool = False
    """Where something fails, restore the packages and files concerned from the lock, and verify again."""


@dataclass(frozen=True, kw_only=True)
class VerifyResult:
    """The report, and the comparison with an earlier one if that was asked for."""

    prefix: Path
    report: Report
    comparison: Comparison | None = None
    warnings: tuple[str, ...] = ()
    before: Report | None = None
    """With `fix`, what was found before the repair; None where nothing was repaired."""
    unread: Unread | None = None
    """That the files were not read again, since they are as they were when they were right."""


def verify(workspace: Workspace, request: VerifyRequest) -> VerifyResult:
    """Check an environment and say everything that is wrong with it; write the reports that were asked for.

    Raises UsageError when there is no such environment, or a report cannot be read or written; ChecksFailedError when
    it was begun and not finished.
    """
    from builder.report.compare import compare, load

    prefix = _finished(workspace, request.environment)
    html, junit, against = (
        None if file is None else workspace.path(file) for file in (request.html, request.junit, request.against)
    )
    require_writable(html, junit)
    earlier = None if against is None else load(against)
    warn = Warnings(workspace.progress)
    warn(*_moved_on(workspace, prefix))

    seen: Seen | None = None

    def report_now() -> Report:
        nonlocal seen
        seen = _seen(workspace, prefix, request)
        return verify_prefix(
            workspace,
            prefix,
            level=request.level,
            runtime=not request.only_static,
            subdir=request.platform,
            limit=request.limit,
            macos=released(request.macos),
            reading=seen.read if seen is not None else lambda work: work(),
        )

    if request.fix:
        stamp_of(prefix, hint="leave --fix out; each failed check names its remedy")
    report, before = report_now(), None
    if request.fix and not report.ok and _repaired(workspace, prefix, report):
        repaired = read_stamp(prefix)
        before, report = report, report_now()
        if repaired is not None and is_proof(request, report):
            _note_proof(prefix, repaired, report, level=request.level)
    comparison = compare(earlier, report) if earlier is not None else None
    if html is not None:
        from builder.checks.survey import Survey
        from builder.report.drawing import draw
        from builder.report.html import render as render_html
        from builder.report.linking import linking

        survey = Survey(Environment(prefix, subdir=request.platform), looks_up_symbols=False)
        write_output(
            html,
            render_html(
                report,
                made=workspace.made(),
                drawing=draw(survey),
                linking=linking(survey),
                comparison=comparison,
            ),
        )
    if junit is not None:
        from builder.report.junit import render as render_junit

        write_output(junit, render_junit(report))
    unread = seen.unread if seen is not None else None
    if unread is not None:
        workspace.progress.note(unread.told)
    return VerifyResult(
        prefix=prefix, report=report, comparison=comparison, warnings=warn.given, before=before, unread=unread
    )


def _seen(workspace: Workspace, prefix: Path, request: VerifyRequest) -> Seen | None:
    """What earlier runs saw of these files; None where they are to be read in any case."""
    from builder.operations.seen import Seen

    if request.fix or request.level.includes(Level.FULL) or read_stamp(prefix) is None:
        return None
    asked = (request.level, request.platform, request.macos, workspace.host, sorted(workspace.host_packages.items()))
    return Seen(workspace, prefix, question=repr(asked))


def _repaired(workspace: Workspace, prefix: Path, report: Report) -> bool:
    """Restore from the lock what the failed checks are about; whether there was anything of it to restore."""
    from builder.operations.syncing import SyncRequest, sync

    about = frozenset().union(*(finding.about for finding in report.findings if finding.status is Status.FAIL))
    return sync(workspace, SyncRequest(environment=str(prefix), only=about, prove=False)).changed


def is_proof(request: VerifyRequest, report: Report) -> bool:
    """Whether a verification says as much as the one of `create`, or no: less than that proves nothing."""
    if request.only_static or request.platform is not None or request.macos is not None:
        return False
    return request.level.includes(Level.DEFAULT) or not report.ok


def _note_proof(prefix: Path, repaired: Stamp, report: Report, *, level: Level) -> None:
    """Have the stamp say what was found, unless somebody else is at work there or has been since the repair."""
    place = Place(prefix)
    try:
        held = hold(prefix)
    except OSError:
        return
    try:
        if read_stamp(prefix) == repaired and not place.is_building:
            verdict = Verdict.PASSED if report.ok else Verdict.FAILED
            write_stamp(place, repaired.proven(level=level, verdict=verdict))
    finally:
        os.close(held)


def _finished(workspace: Workspace, environment: str) -> Path:
    """The environment that is meant. Raises UsageError where there is none; ChecksFailedError where a `create` is at
    work on it, or has moved it aside and was killed: what is there now says nothing about what was meant.
    """
    try:
        prefix = workspace.store.find(environment)
    except UsageError:
        prefix = workspace.path(environment) if "/" in environment else workspace.store.prefix_for(environment)
        if not Place(prefix).old.exists():
            raise
    place = Place(prefix)
    moved = place.old.exists() and place.is_free
    if (moved or place.is_building) and is_locked(place):
        raise ChecksFailedError(f"{prefix} is being built at this moment", hint="verify it once that has ended")
    if moved:
        stamp = read_stamp(place.old)
        again = shlex.join(stamp.create_command(prefix)) if stamp is not None else "envbuild create NAME"
        raise ChecksFailedError(
            f"{prefix} was moved aside by a `create` that was killed, and is kept at {place.old}",
            hint=f"run `{again}`, which brings it back",
        )
    return prefix


def _moved_on(workspace: Workspace, prefix: Path) -> tuple[str, ...]:
    """That the recipe of an environment asks for other checks by now than those that are made."""
    stamp = read_stamp(prefix)
    if stamp is None or not asks_for_others(workspace, stamp):
        return ()
    again = f"run `{shlex.join(stamp.create_command(prefix))}` to prove what it asks for now"
    return (f"`verify:` of the recipe {stamp.recipe} has changed since {prefix} was built; {again}",)


def verify_prefix(
    workspace: Workspace,
    path: Path,
    *,
    level: Level = Level.DEFAULT,
    static: bool = True,
    runtime: bool = True,
    subdir: Subdir | None = None,
    limit: float | None = None,
    building: bool = False,
    macos: MacOS | None = None,
    reading: Reading = lambda work: work(),
) -> Report:
    """Check the environment at `path` and say everything that is wrong with it.

    `subdir` is the platform to judge it for (default: what its stamp or packages say). Probes run only where the
    environment can run on the workspace's host; elsewhere they are `skip`. `limit` replaces the seconds each probe may
    take; `macos` is the release to judge for; `building`: it is verified by what is building it; `reading` may give
    what reading the very same files showed before. Raises UsageError when `path` is no folder.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: there is no environment here", hint="`envbuild create NAME` builds one")
    environment = Environment(path, subdir=subdir)

    def tell(name: str, begun: int, total: int) -> None:
        workspace.progress.update(_TASK, f"check {begun} of {total}: {name}", completed=begun - 1, total=total)

    workspace.progress.update(_TASK, "reading the environment")
    needs = (STATIC if static else frozenset()) | (EVERYTHING - STATIC if runtime else frozenset())
    report = verified(
        environment,
        host=workspace.host,
        user=User(environ=workspace.environ, home=workspace.home, cwd=workspace.cwd),
        level=level,
        needs=needs,
        limit=limit,
        building=building,
        macos=macos,
        host_macos=released(workspace.host_packages.get("__osx")),
        glibc=released(workspace.host_packages.get("__glibc")) if environment.subdir == workspace.host else None,
        progress=tell,
        reading=reading,
    )
    workspace.progress.done(_TASK, f"verified {environment.path}")
    return report


def released(text: str | None) -> MacOS | None:
    from builder.binaries.system_symbols import release

    try:
        return release(text) if text is not None else None
    except ValueError as error:
        raise UsageError(str(error), hint="write it as `--macos 14.0`") from None
