"""Verify an environment: from its name or path to the report."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from builder.checks.context import Context, expectations_of
from builder.checks.level import Level
from builder.checks.reading import findings as static_findings
from builder.checks.running import findings as runtime_findings
from builder.checks.survey import Scope
from builder.environment.environment import Environment
from builder.errors import UsageError
from builder.finding import Finding, Identity, Report, Status
from builder.operations.outputs import require_writable, write_output
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.checks.level import Progress as Tell
    from builder.report.compare import Comparison
    from builder.workspace import Workspace

#: The task of the progress that says what is being checked.
_TASK: Final = "verify"
#: Distributions whose versions identify an environment in a report.
_NAMED_VERSIONS: Final = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-macos",
    "tensorflow-metal",
    "keras",
    "tf-keras",
    "torch",
    "jax",
    "jaxlib",
    "mlx",
    "numpy",
    "scipy",
)


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """Which environment to verify (a name or a path), how thoroughly, and which reports to write."""

    environment: str
    level: Level = Level.DEFAULT
    only_static: bool = False
    """Read the files, run nothing."""
    platform: Subdir | None = None
    """Judge it for this platform; default: what its stamp or its packages say."""
    limit: float | None = None
    """Seconds that each probe may take; default: each probe's own limit."""
    against: Path | None = None
    """An earlier report (the JSON of `verify`) to compare with."""
    html: Path | None = None
    junit: Path | None = None


@dataclass(frozen=True, kw_only=True)
class VerifyResult:
    """The report, and the comparison with an earlier one if that was asked for."""

    prefix: Path
    report: Report
    comparison: Comparison | None = None


def verify(workspace: Workspace, request: VerifyRequest) -> VerifyResult:
    """Check an environment and say everything that is wrong with it; write the reports that were asked for.

    Raises UsageError when there is no such environment, or a report cannot be read or written.
    """
    from builder.report.compare import compare, load

    prefix = workspace.store.find(request.environment)
    html, junit, against = (
        None if file is None else workspace.path(file) for file in (request.html, request.junit, request.against)
    )
    require_writable(html, junit)
    earlier = None if against is None else load(against)
    report = verify_prefix(
        workspace,
        prefix,
        level=request.level,
        runtime=not request.only_static,
        subdir=request.platform,
        limit=request.limit,
    )
    comparison = compare(earlier, report) if earlier is not None else None
    if html is not None:
        from builder.report.drawing import drawing
        from builder.report.html import render as render_html

        drawn = drawing(Environment(prefix, subdir=request.platform))
        write_output(html, render_html(report, drawing=drawn, comparison=comparison))
    if junit is not None:
        from builder.report.junit import render as render_junit

        write_output(junit, render_junit(report))
    return VerifyResult(prefix=prefix, report=report, comparison=comparison)


def verify_prefix(
    workspace: Workspace,
    path: Path,
    *,
    level: Level = Level.DEFAULT,
    static: bool = True,
    runtime: bool = True,
    subdir: Subdir | None = None,
    limit: float | None = None,
) -> Report:
    """Check the environment at `path` and say everything that is wrong with it.

    `subdir` is the platform to judge it for (default: what its stamp or packages say). Probes run only where the
    environment can run on the workspace's host; elsewhere they are `skip`. `limit` replaces the seconds each probe may
    take. Raises UsageError when `path` is no folder.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: there is no environment here", hint="`envbuild create NAME` builds one")
    begun = time.monotonic()
    prefix = Environment(path, subdir=subdir)

    def tell(phrase: str) -> None:
        workspace.progress.update(_TASK, phrase)

    tell("reading the environment")
    reading: Future[tuple[Finding, ...]] = Future()
    if static:
        scope = Scope.QUICK if level is Level.QUICK else Scope.FULL
        _in_background(reading, lambda: static_findings(prefix, scope=scope, progress=tell))
    else:
        reading.set_result(())
    found = _runtime(workspace, prefix, level, tell, limit=limit) if runtime else []
    found = [*reading.result(), *found]
    found = [_sentence(finding) for finding in _demand(found, prefix)]
    report = Report(
        identity=identity_of(prefix, host=workspace.host if runtime else None),
        findings=tuple(found),
        seconds=time.monotonic() - begun,
    )
    workspace.progress.done(_TASK, f"verified {prefix.path} in {report.seconds:.0f} s")
    return report


def _in_background(future: Future[tuple[Finding, ...]], work: Callable[[], tuple[Finding, ...]]) -> None:
    """Read beside the probes, which are processes of their own. A daemon: Ctrl-C need not wait for it."""

    def settle() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=settle, daemon=True).start()


def _runtime(
    workspace: Workspace, prefix: Environment, level: Level, tell: Tell, *, limit: float | None
) -> list[Finding]:
    """The probes' findings, or one `skip` saying why nothing of this prefix can be run here."""
    host = workspace.host
    subdir = prefix.subdir or host
    reason = _cannot_run(prefix, subdir, host)
    if reason is not None or prefix.python is None or subdir is None or host is None:
        return [
            Finding(
                check="process.interpreter",
                status=Status.SKIP,
                title=f"Nothing of this environment was run: {reason}; this result is from reading its files only.",
            )
        ]
    context = Context(
        prefix=prefix,
        python=prefix.python,
        expectations=expectations_of(prefix),
        subdir=subdir,
        level=level,
        environ=workspace.environ,
        home=workspace.home,
        cwd=workspace.cwd,
    )
    return runtime_findings(context, progress=tell, limit=limit)


def _cannot_run(prefix: Environment, subdir: Subdir | None, host: Subdir | None) -> str | None:
    if host is None:
        return "envbuild does not know this machine's platform"
    # On Apple silicon an osx-64 environment runs, through Rosetta; the interpreter check says so.
    if subdir != host and not (host is Subdir.OSX_ARM64 and subdir is Subdir.OSX_64):
        return f"it is for {subdir} and this machine is {host}"
    if prefix.python is None:
        return "it has no bin/python"
    return None


def _sentence(finding: Finding) -> Finding:
    """The finding with a full stop after its title, whoever wrote it."""
    return finding if finding.title.endswith((".", "!", "?")) else replace(finding, title=f"{finding.title}.")


def _demand(found: list[Finding], prefix: Environment) -> list[Finding]:
    """Checks that the plan made mandatory: one that did not run, or was skipped, counts as failed."""
    mandatory = prefix.stamp.expectations.mandatory if prefix.stamp else ()
    present = {finding.check for finding in found}
    demanded = [
        replace(
            finding,
            status=Status.FAIL,
            title=f"A mandatory check could not run. {finding.title}",
            remedy=finding.remedy or "run `envbuild verify` on a machine of the environment's platform",
        )
        if finding.check in mandatory and finding.status is Status.SKIP
        else finding
        for finding in found
    ]
    return demanded + [
        Finding(
            check=check,
            status=Status.FAIL,
            title="A check that the recipe's versions make mandatory did not run.",
            evidence=("they were chosen although a published defect concerns them",),
            remedy="run `envbuild verify NAME --full` on a machine of the environment's platform",
        )
        for check in mandatory
        if check not in present
    ]


def identity_of(prefix: Environment, *, host: Subdir | None) -> Identity:
    """Name, platform, lock and main versions of a prefix, from its files; `host` where they do not say a platform."""
    versions = {name: dist.version for name in _NAMED_VERSIONS if (dist := prefix.distribution(name)) is not None}
    if prefix.python_version is not None:
        conda = next((record.version for record in prefix.conda_records if record.name == "python"), None)
        versions = {"python": conda or ".".join(map(str, prefix.python_version))} | versions
    stamp = prefix.stamp
    return Identity(
        prefix=str(prefix.path),
        name=stamp.name if stamp else None,
        subdir=prefix.subdir or host,
        lock_sha256=stamp.lock_sha256 if stamp else None,
        versions=versions,
    )
