"""A verification: one environment, the checks that were asked for, and the report of what they found."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from builder.checks.catalogue import catalogue
from builder.checks.check import Needs
from builder.checks.engine import examine
from builder.checks.subject import Subject
from builder.finding import Identity, Report
from builder.frameworks import registry
from builder.probes.level import Level

if TYPE_CHECKING:
    from builder.binaries.system_symbols import MacOS
    from builder.checks.engine import Progress, Reading
    from builder.checks.subject import User
    from builder.environment.environment import Environment
    from builder.platforms import Subdir

#: What `verify --static` and `prove` select: nothing of the environment is run.
STATIC: Final = frozenset((Needs.FILES,))
EVERYTHING: Final = frozenset(Needs)


def verified(
    environment: Environment,
    *,
    host: Subdir | None,
    user: User | None,
    level: Level = Level.DEFAULT,
    needs: frozenset[Needs] = EVERYTHING,
    limit: float | None = None,
    building: bool = False,
    macos: MacOS | None = None,
    host_macos: MacOS | None = None,
    glibc: tuple[int, ...] | None = None,
    progress: Progress = lambda _name, _begun, _total: None,
    reading: Reading = lambda work: work(),
) -> Report:
    """Run the checks that need no more than `needs` and say everything that is wrong with `environment`.

    Probes run only where the environment can run on `host`; elsewhere one finding says that nothing was run. `limit`
    replaces the seconds each probe may take; `macos` is the release to judge for (default: the recipe's oldest, or
    `host_macos`, this Mac's), `glibc` the oldest that a Linux environment must run on; `building`: it is not finished,
    as it is verified before that. `progress` is told what is being done, from several threads; `reading` may give what
    reading the very same files showed before.
    """
    begun = time.monotonic()
    subject = Subject(
        environment,
        level=level,
        host=host,
        user=user,
        limit=limit,
        building=building,
        macos=macos,
        host_macos=host_macos,
        glibc=glibc,
    )
    findings = examine(subject, checks=catalogue(), needs=needs, progress=progress, reading=reading)
    return Report(
        identity=identity_of(environment, host=host if needs - STATIC else None),
        findings=findings,
        seconds=time.monotonic() - begun,
    )


def identity_of(environment: Environment, *, host: Subdir | None) -> Identity:
    """Name, kind, platform, lock and main versions of an environment, from its files.

    `host` is the platform where they do not say one.
    """
    names = registry.telling_packages()
    versions = {name: dist.version for name in names if (dist := environment.distribution(name)) is not None}
    interpreter = environment.interpreter
    if interpreter is not None and interpreter.version is not None:
        versions = {"python": interpreter.version} | versions
    stamp = environment.stamp
    return Identity(
        prefix=str(environment.path),
        name=stamp.name if stamp else None,
        kind=environment.kind.value,
        subdir=environment.subdir or host,
        lock_sha256=stamp.lock_sha256 if stamp else None,
        versions=versions,
    )
