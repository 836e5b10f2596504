"""One verification from the prefix to the report."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder.checks.context import Context, expectations_of
from builder.checks.level import Level
from builder.checks.reading import findings as static_findings
from builder.checks.running import findings as runtime_findings
from builder.checks.survey import Scope
from builder.environment.prefix import Prefix
from builder.errors import UsageError
from builder.finding import Finding, Identity, Report, Status
from builder.frameworks import registry
from builder.platforms import Subdir, host_subdir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from builder.checks.level import Progress


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The user's side of a verification, injected so that tests need not touch the machine."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    home: Path = field(default_factory=Path.home)
    cwd: Path = field(default_factory=Path.cwd)


def verify(
    path: Path,
    *,
    level: Level = Level.DEFAULT,
    static: bool = True,
    runtime: bool = True,
    subdir: Subdir | None = None,
    host: Subdir | None = None,
    progress: Progress | None = None,
    limit: float | None = None,
    surroundings: Surroundings | None = None,
) -> Report:
    """Check the environment at `path` and say everything that is wrong with it.

    `subdir` is the platform to judge it for (default: what its stamp or packages say), `host` the platform this
    machine is (default: detected). Probes run only where the environment can run on the host; elsewhere they
    are `skip`. `limit` replaces the seconds each probe may take. Raises UsageError when `path` is no folder.
    """
    if not path.is_dir():
        raise UsageError(f"{path}: there is no environment here", hint="`envbuild create NAME` builds one")
    begun = time.monotonic()
    prefix = Prefix(path, subdir=subdir)
    host = host or host_subdir()
    tell: Progress = progress or (lambda _phrase: None)
    reading: Future[tuple[Finding, ...]] = Future()
    if static:
        scope = Scope.QUICK if level is Level.QUICK else Scope.FULL
        own = Prefix(path, subdir=subdir)  # its caches are not made for two threads
        _in_background(reading, lambda: static_findings(own, scope=scope, progress=tell))
    else:
        reading.set_result(())
    found = _runtime(prefix, level, host, tell, limit=limit, around=surroundings or Surroundings()) if runtime else []
    found = [*reading.result(), *found]
    found = [_sentence(finding) for finding in _demand(found, prefix)]
    return Report(
        identity=identity_of(prefix, host=host if runtime else None),
        findings=tuple(found),
        seconds=time.monotonic() - begun,
    )


def _in_background(future: Future[tuple[Finding, ...]], work: Callable[[], tuple[Finding, ...]]) -> None:
    """Read beside the probes, which are processes of their own. A daemon: Ctrl-C need not wait for it."""

    def settle() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=settle, daemon=True).start()


def _runtime(
    prefix: Prefix, level: Level, host: Subdir | None, progress: Progress, *, limit: float | None, around: Surroundings
) -> list[Finding]:
    """The probes' findings, or one `skip` saying why nothing of this prefix can be run here."""
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
        environ=around.environ,
        home=around.home,
        cwd=around.cwd,
    )
    return runtime_findings(context, progress=progress, limit=limit)


def _cannot_run(prefix: Prefix, subdir: Subdir | None, host: Subdir | None) -> str | None:
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


def _demand(found: list[Finding], prefix: Prefix) -> list[Finding]:
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
            remedy="run `envbuild verify --full` on a machine of the environment's platform",
        )
        for check in mandatory
        if check not in present
    ]


def identity_of(prefix: Prefix, *, host: Subdir | None) -> Identity:
    """Name, platform, lock and main versions of a prefix, from its files; `host` where they do not say a platform."""
    versions = {name: dist.version for name in registry.telling_packages() if (dist := prefix.dist(name)) is not None}
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
