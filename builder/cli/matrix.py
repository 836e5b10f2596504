"""`envbuild matrix`"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from builder.cli import draw_matrix, options
from builder.cli.session import Output, verb
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from builder.cli.session import Session


def _runners(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> dict[Subdir, tuple[tuple[str, ...], ...]]:
    """`osx-arm64=self-hosted,ARM64` as a platform and labels; several of a platform are several runners."""
    runners: dict[Subdir, tuple[tuple[str, ...], ...]] = {}
    for pair in given:
        platform, equals, text = pair.partition("=")
        labels = tuple(label.strip() for label in text.split(",") if label.strip())
        if not equals or not labels or platform not in TARGETS:
            raise click.BadParameter(f"{pair!r} is not PLATFORM=LABEL, for instance osx-arm64=macos-15")
        runners[Subdir(platform)] = (*runners.get(Subdir(platform), ()), labels)
    return runners


@verb("matrix")
@click.argument("names", metavar="[RECIPE]...", nargs=-1, shell_complete=options.complete_recipe)
@click.option("--since", metavar="REV", help="Only what has changed since this git revision.")
@options.platform_option
@click.option(
    "--runner",
    "runners",
    multiple=True,
    callback=_runners,
    metavar="PLATFORM=LABEL[,LABEL]",
    help="A runner of this platform (repeatable).",
)
@click.option(
    "--format", "form", type=click.Choice(["github", "gitlab", "buildkite", "json"]), help="For which service."
)
@click.option("--setup", metavar="COMMAND", help="What a job runs first, to install envbuild (gitlab, buildkite).")
def command(
    session: Session,
    *,
    names: tuple[str, ...],
    since: str | None,
    platforms: tuple[Subdir, ...],
    runners: dict[Subdir, tuple[tuple[str, ...], ...]],
    form: str | None,
    setup: str | None,
) -> Output:
    """Print what continuous integration has to build: every environment on every platform of its lock.

    With --since only what has changed: environments whose recipe (or one that it builds on) is another, and platforms
    whose packages are. Each job has a name for a cache, which stays the same while its packages do. Nothing is solved,
    and nobody is asked; the runners share the work.

    \b
    Examples:
      envbuild matrix --since origin/main
      echo "matrix=$(envbuild matrix --format github)" >> "$GITHUB_OUTPUT"
      envbuild matrix --format gitlab --setup "pip install ." > child-pipeline.yml
      envbuild matrix --format buildkite --runner osx-arm64=mac-minis | buildkite-agent pipeline upload
      envbuild matrix ml-m1 --runner osx-arm64=macos-14 --runner osx-arm64=macos-15
    """
    from builder.operations.ci_matrix import MatrixRequest, matrix

    request = MatrixRequest(recipes=names, platforms=platforms, since=since, runners=runners)
    jobs = matrix(session.workspace(), request).jobs
    if form == "github":
        text = draw_matrix.github(jobs)
        if len(json.loads(text)["include"]) > draw_matrix.GITHUB_MOST:
            session.warn(f"GitHub takes {draw_matrix.GITHUB_MOST} jobs from one matrix; name recipes, or use --since")
    elif form == "gitlab":
        text = draw_matrix.gitlab(jobs, setup=setup)
    elif form == "buildkite":
        text = draw_matrix.buildkite(jobs, setup=setup)
    elif form == "json":
        text = json.dumps(draw_matrix.plain(jobs), indent=1)
    else:
        text = "\n".join(f"{job.environment} on {job.platform}: {job.why}" for job in jobs) or "nothing has changed"
    return Output(result={"jobs": draw_matrix.plain(jobs)}, text=text, verbatim=form is not None)
