"""`envbuild verify`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from builder.cli.session import Outcome, verb
from builder.errors import ChecksFailedError, UsageError
from builder.files import write_atomically
from builder.platforms import TARGETS, Subdir
from builder.probes.level import Level
from builder.wording import plural

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.finding import Report


_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@verb("verify")
@click.argument("environment")
@click.option("--quick", "level", flag_value="quick", help="Only what takes about 10 seconds.")
@click.option("--full", "level", flag_value="full", help="Also what is slow: long trainings, every operation.")
@click.option("--static", "only_static", is_flag=True, help="Read the files, run nothing.")
@click.option("--platform", type=click.Choice([subdir.value for subdir in TARGETS]), help="Judge it for this platform.")
@click.option("--against", type=_FILE, metavar="REPORT", help="Show what changed since this report (of --json).")
@click.option("--html", "html_file", type=_FILE, help="Write one self-contained page.")
@click.option("--junit", "junit_file", type=_FILE, help="Write JUnit XML, for CI services.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds each probe may take.")
def command(
    session: Session,
    *,
    environment: str,
    level: str | None,
    only_static: bool,
    platform: str | None,
    against: Path | None,
    html_file: Path | None,
    junit_file: Path | None,
    timeout: float | None,
) -> Outcome:
    """Prove that an environment works: read its binaries, then run it.

    ENVIRONMENT is the name of an environment or the path of a prefix (or of a folder of unpacked wheels).
    Ends with 1 when a check fails, or when there is nothing to check.

    \b
    Examples:
      envbuild verify ml-m1
      envbuild verify ml-m1 --quick
      envbuild verify ./prefix --static --platform osx-arm64
      envbuild verify ml-m1 --json > report.json
      envbuild verify ml-m1 --against report.json --html report.html
    """
    from builder.config import load_config
    from builder.environment.store import store
    from builder.operations.verify import verify
    from builder.report.compare import compare, load
    from builder.report.text import render

    envs_dir = load_config(session.environ).envs_dir
    prefix = store(home=Path.home(), environ=session.environ, cwd=Path.cwd(), envs_dir=envs_dir).find(environment)
    earlier = load(against) if against is not None else None
    chosen = Level(level or "default")
    subdir = Subdir(platform) if platform else None
    with status_line(session) as tell:
        report = verify(
            prefix,
            level=chosen,
            runtime=not only_static,
            subdir=subdir,
            progress=tell,
            limit=timeout,
        )
    comparison = compare(earlier, report) if earlier is not None else None
    if html_file is not None:
        from builder.environment.environment import Environment
        from builder.report.drawing import drawing
        from builder.report.html import render as render_html

        _write(
            html_file, render_html(report, drawing=drawing(Environment(prefix, subdir=subdir)), comparison=comparison)
        )
    if junit_file is not None:
        from builder.report.junit import render as render_junit

        _write(junit_file, render_junit(report))
    return Outcome(
        result=report.to_json() | ({"comparison": comparison.to_json()} if comparison is not None else {}),
        text=render(report, details=session.verbose, comparison=comparison),
        exit_code=0 if report.ok else 1,
        errors=_errors(report) if session.json else (),
    )


def _write(file: Path, text: str) -> None:
    try:
        write_atomically(file, text)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written ({error.strerror or error})") from error


def _errors(report: Report) -> tuple[ChecksFailedError, ...]:
    if report.ok:
        return ()
    failed = report.counts()["fail"]
    if not failed:
        return (ChecksFailedError("nothing could be checked", hint="name an environment, or the folder of one"),)
    return (ChecksFailedError(plural(failed, "check") + " failed", hint="each finding names its remedy"),)


class status_line:  # noqa: N801 - used as a context manager function
    """A moving line on stderr with what is being checked, where one may be drawn; notes with `--verbose` otherwise."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._status = session.err.status("reading the environment") if session.live else None

    def __enter__(self) -> status_line:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, phrase: str) -> None:
        if self._status is not None:
            self._status.update(phrase)
        else:
            self._session.detail(phrase)
