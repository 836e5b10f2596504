"""`envbuild verify`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.session import Outcome, verb
from builder.errors import ChecksFailedError, UsageError
from builder.platforms import TARGETS, Subdir
from builder.verify.progress import Level

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.verify.finding import Report


@verb("verify")
@click.argument("environment")
@click.option("--quick", "level", flag_value="quick", help="Only what ends within 10 seconds.")
@click.option("--full", "level", flag_value="full", help="Also what is slow: long trainings, every operation.")
@click.option("--static", "only_static", is_flag=True, help="Read the files, run nothing.")
@click.option("--platform", type=click.Choice([subdir.value for subdir in TARGETS]), help="Judge it for this platform.")
@click.option("--timeout", type=click.FloatRange(min=1), help="Seconds each probe may take.")
def command(
    session: Session,
    *,
    environment: str,
    level: str | None,
    only_static: bool,
    platform: str | None,
    timeout: float | None,
) -> Outcome:
    """Prove that an environment works: read its binaries, then run it.

    ENVIRONMENT is the name of an environment or the path of a prefix (or of a folder of unpacked wheels).
    Ends with 1 when a check fails.

    \b
    Examples:
      envbuild verify ml-m1
      envbuild verify ml-m1 --quick
      envbuild verify ./prefix --static --platform osx-arm64
    """
    from builder.verify import verify
    from builder.verify.report.text import render

    prefix = find_prefix(environment, home=Path.home())
    chosen = Level(level or "default")
    with status_line(session) as tell:
        report = verify(
            prefix,
            level=chosen,
            runtime=not only_static,
            subdir=Subdir(platform) if platform else None,
            progress=tell,
            limit=timeout,
        )
    return Outcome(
        result=report.to_json(),
        text=render(report, details=session.verbose),
        exit_code=0 if report.ok else 1,
        errors=_errors(report) if session.json else (),
    )


def find_prefix(environment: str, *, home: Path) -> Path:
    """The folder meant: a path if there is such a folder, else an environment of that name in ~/.conda/envs."""
    named = home / ".conda" / "envs" / environment
    path = Path(environment)
    looks_like_path = "/" in environment or environment.startswith((".", "~"))
    if not looks_like_path and named.is_dir():
        return named
    if path.expanduser().is_dir():
        return path.expanduser().resolve()
    if looks_like_path:
        raise UsageError(f"{environment}: no such folder")
    raise UsageError(
        f"there is no environment {environment!r} in {named.parent}, and no folder of that name here",
        hint=f"`envbuild create {environment}` builds it; `envbuild list` shows the recipes",
    )


def _errors(report: Report) -> tuple[ChecksFailedError, ...]:
    if report.ok:
        return ()
    return (ChecksFailedError(f"{report.counts()['fail']} checks failed", hint="each finding names its remedy"),)


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
