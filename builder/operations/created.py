"""How a `create` ended: what there is now, and what that means for whoever asked for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.errors import ChecksFailedError, InterruptedByUserError

if TYPE_CHECKING:
    from pathlib import Path

    from builder.environment.stamp import Stamp
    from builder.finding import Report
    from builder.install.create import CreateRequest as Build
    from builder.install.create import Result as Ending
    from builder.operations.locks import UsableLock
    from builder.operations.proving import Prover
    from builder.operations.warnings import Warnings
    from builder.platforms import Subdir
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CreateResult:
    """How a `create` ended that raised nothing. `problem` says that the proof failed, and what was done then."""

    name: str
    prefix: Path
    platform: Subdir
    runs_here: bool
    """Whether it is for this machine's platform."""
    activated_by: str
    """What `conda activate` takes: its name where every conda knows it by that, else its path."""
    lock: Path
    ending: Ending
    report: Report | None
    problem: ChecksFailedError | None
    warnings: tuple[str, ...]
    proof: str | None = None
    """What was proven of the lock before anything was built: `proven on osx-arm64, macOS ≥ 14.0`."""
    registered: tuple[str, ...] = ()
    """What was done for each program it was made known to, in a sentence."""

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    @property
    def changed(self) -> bool:
        """Whether the prefix holds something else than before."""
        from builder.install.create import Result

        return self.ending in (Result.BUILT, Result.UPDATED, Result.UNPROVEN)


def present(
    workspace: Workspace, build: Build, there: Stamp | None, *, lock: UsableLock, warn: Warnings, proof: str | None
) -> CreateResult:
    """What is there matches its lock, and is left alone. That it failed its proof is said all the same."""
    from builder.environment.stamp import Verdict
    from builder.install.create import Result

    if there is not None and there.expecting(build.expectations).verdict is Verdict.FAILED:
        warn(f"the last verification of {build.prefix} failed, and with --no-verify it is not made again")
    return finished_with(workspace, build, Result.PRESENT, lock=lock, prover=None, warn=warn, proof=proof)


def finished_with(
    workspace: Workspace,
    build: Build,
    ending: Ending,
    *,
    lock: UsableLock,
    prover: Prover | None,
    warn: Warnings,
    proof: str | None,
) -> CreateResult:
    from builder.install.create import Result

    runs_here = build.subdir is build.host
    if ending is not Result.RESTORED and runs_here and (warning := workspace.store.register(build.prefix)):
        warn(warning)
    return CreateResult(
        name=build.name,
        prefix=build.prefix,
        platform=build.subdir,
        runs_here=runs_here,
        activated_by=workspace.store.activated_by(build.prefix),
        lock=lock.file,
        ending=ending,
        report=prover.report if prover is not None else None,
        problem=not_proven(build, ending, blameless=prover is not None and prover.is_blameless),
        warnings=tuple(dict.fromkeys((*lock.warnings, *warn.given))),
        proof=proof,
    )


def not_proven(build: Build, ending: Ending, *, blameless: bool) -> ChecksFailedError | None:
    from builder.install.create import Result

    if blameless and ending in (Result.UNPROVEN, Result.FAILING):
        return ChecksFailedError(
            f"{build.prefix} is sound; what failed lies in your own settings around it, and breaks its use",
            hint="each failed check above names its remedy",
        )

    match ending:
        case Result.PRESENT | Result.PROVEN | Result.BUILT | Result.UPDATED:
            return None
        case Result.RESTORED:
            return ChecksFailedError(
                f"verification failed; the previous environment is back at {build.prefix}",
                hint="each failed check above names its remedy; --no-verify builds it all the same",
            )
        case Result.FAILING:
            return ChecksFailedError(
                f"verification of {build.prefix} failed; it is as its lock says, and nothing was changed",
                hint="each failed check above names its remedy",
            )
        case Result.UNPROVEN:
            return ChecksFailedError(
                f"verification failed; the environment is kept at {build.prefix} so that it can be looked at",
                hint="each failed check above names its remedy",
            )


def identity(prefix: Path) -> int | None:
    """What tells the folder at `prefix` from another one that was put in its place; None where there is none."""
    try:
        return prefix.stat().st_ino
    except OSError:
        return None


def interrupted(build: Build, before: int | None) -> InterruptedByUserError:
    """What is there after Ctrl-C, which may have come when the new environment was already in place."""
    from builder.environment.place import Place
    from builder.environment.stamp import read_stamp

    prefix, stamp = build.prefix, read_stamp(build.prefix)
    place = Place(prefix)
    trash = place.leftovers()
    left = f"; {trash[0]} is still to be deleted" if trash else ""
    later = "`envbuild clean` deletes it, and so does the next `envbuild create`" if trash else None
    if stamp is None or place.is_building:
        begun = f"what was begun at {prefix}"
        ended = f"{begun} is gone from there{left}" if trash else f"nothing is left of {begun}"
        return InterruptedByUserError(f"interrupted; {ended}", hint=later)
    if identity(prefix) == before:
        return InterruptedByUserError(
            f"interrupted; the environment that was at {prefix} before is still there{left}", hint=later
        )
    return InterruptedByUserError(
        f"interrupted; the new environment is in place at {prefix}"
        + ("" if stamp.verdict is not None else ", and not verified yet")
        + left,
        hint=f"run `{shlex.join(stamp.create_command(prefix))}` again, which goes on from there",
    )
