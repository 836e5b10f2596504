"""`envbuild verify`"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from builder.cli import options
from builder.cli.environments import environment_argument
from builder.cli.session import Output, verb
from builder.errors import ChecksFailedError, UsageError
from builder.wording import plural

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.finding import Report


_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@verb(
    "verify",
    left=lambda options: (
        "a repair is made whole or not at all; `envbuild status` says how the environment stands"
        if options["fix"]
        else "the environment is as it was, and nothing was proven"
    ),
)
@environment_argument(metavar="ENVIRONMENT")
@click.option("--quick", is_flag=True, help="Only what takes about 10 seconds.")
@click.option("--full", is_flag=True, help="Also what is slow: long trainings, every operation.")
@click.option("--static", "only_static", is_flag=True, help="Read the files, run nothing.")
@click.option("--platform", type=options.SUBDIR, help="Judge it for this platform.")
@click.option(
    "--macos", metavar="VERSION", help="Judge it for this macOS (default: the recipe's oldest, or this Mac's)."
)
@click.option("--against", type=_FILE, metavar="REPORT", help="Show what changed since this report (of --json).")
@click.option("--html", "html_file", type=_FILE, help="Write one self-contained page.")
@click.option("--junit", "junit_file", type=_FILE, help="Write JUnit XML, for CI services.")
@click.option("--fix", is_flag=True, help="Restore what fails from the lock (as sync does), and verify again.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds each probe may take.")
def command(
    session: Session,
    *,
    environment: str,
    quick: bool,
    full: bool,
    only_static: bool,
    platform: str | None,
    macos: str | None,
    against: Path | None,
    html_file: Path | None,
    junit_file: Path | None,
    fix: bool,
    timeout: float | None,
) -> Output:
    """Prove that an environment works: read its binaries, then run it.

    ENVIRONMENT is the name of an environment or the path of a prefix (or of a folder of unpacked wheels).
    Ends with 1 when a check fails, or when there is nothing to check.

    \b
    Examples:
      envbuild verify ml-m1
      envbuild verify ml-m1 --quick
      envbuild verify ./prefix --static --platform osx-arm64
      envbuild verify ml-m1 --fix
      envbuild verify ml-m1 --json > report.json
      envbuild verify ml-m1 --against report.json --html report.html
    """
    from builder.operations.verifying import VerifyRequest, verify
    from builder.platforms import Subdir
    from builder.probes.level import Level
    from builder.report.text import brief, render

    if quick and full:
        raise UsageError("--quick and --full contradict each other", hint="leave one of the two out")
    request = VerifyRequest(
        environment=environment,
        level=Level.QUICK if quick else Level.FULL if full else Level.DEFAULT,
        only_static=only_static,
        platform=Subdir(platform) if platform else None,
        macos=macos,
        limit=timeout,
        against=against,
        html=html_file,
        junit=junit_file,
        fix=fix,
    )
    verified = verify(session.workspace(), request)
    report, comparison = verified.report, verified.comparison
    return Output(
        result=report.to_json()
        | ({"before": verified.before.to_json()} if verified.before is not None else {})
        | ({"comparison": comparison.to_json()} if comparison is not None else {})
        | ({"unread": asdict(verified.unread)} if verified.unread is not None else {}),
        text=brief(report) if session.quiet else render(report, details=session.verbose, comparison=comparison),
        exit_code=0 if report.ok else 1,
        errors=_errors(report) if session.json else (),
    )


def _errors(report: Report) -> tuple[ChecksFailedError, ...]:
    if report.ok:
        return ()
    failed = report.counts()["fail"]
    if not failed:
        return (ChecksFailedError("nothing could be checked", hint="name an environment, or the folder of one"),)
    return (ChecksFailedError(plural(failed, "check") + " failed", hint="each finding names its remedy"),)
