"""`envbuild doctor`"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from builder.cli.environments import environment_argument
from builder.cli.session import Output, verb
from builder.errors import ChecksFailedError, UsageError
from builder.files import write_atomically
from builder.wording import plural

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.doctor.model import Ide
    from builder.operations.doctoring import DoctorRequest, DoctorResult

_IDES: Final = ("dataspell", "pycharm", "intellij", "vscode", "cursor", "jupyter", "spyder", "all")
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@verb(
    "doctor",
    left=lambda options: (
        "no file is half changed; `envbuild doctor --undo` takes back what was"
        if options["fix"] and not options["dry_run"]
        else "nothing was changed"
    ),
)
@environment_argument(required=False, metavar="[ENVIRONMENT]")
@click.option(
    "--ide",
    "ides",
    metavar="PROGRAM",
    multiple=True,
    type=click.Choice(_IDES),
    help=f"Only what this program runs (repeatable): {', '.join(_IDES[:-1])}, or {_IDES[-1]}.",
)
@click.option("--static", is_flag=True, help="Read files only; run nothing that is found.")
@click.option("--run-shell", is_flag=True, help="Start a login shell to see which Python a new terminal gets.")
@click.option("--machine", "machine_file", type=_FILE, help="Take the machine's facts from this JSON file.")
@click.option("--collect", "collect_file", type=_FILE, help="Write a bundle of what was looked at, without secrets.")
@click.option("--from", "bundle_file", type=_FILE, help="Judge a bundle of another machine.")
@click.option("--fix", is_flag=True, help="Mend what can be mended safely: show it, ask, look again.")
@click.option("--dry-run", is_flag=True, help="With --fix: only show what would be changed.")
@click.option("--undo", is_flag=True, help="Put back what the last --fix changed.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before writing.")
@click.option(
    "--ask",
    "asked",
    is_flag=False,
    flag_value="-",
    metavar="TEXT|FILE|-",
    help="What a pasted error, traceback or log means (alone: read it from standard input).",
)
@click.option("--only", multiple=True, metavar="CHECK", help="Only this check (repeatable).")
@click.option("--skip", multiple=True, metavar="CHECK", help="All but this check (repeatable).")
@click.option("--html", "html_file", type=_FILE, help="Write one page for a colleague.")
@click.option("--list", "list_checks", is_flag=True, help="Show the names of all checks.")
@click.option("--strict", is_flag=True, help="End with 1 for notes too.")
@click.option("--share", is_flag=True, help="Leave your name and home out, for a public report.")
def command(
    session: Session,
    *,
    environment: str | None,
    ides: tuple[str, ...],
    static: bool,
    run_shell: bool,
    machine_file: Path | None,
    collect_file: Path | None,
    bundle_file: Path | None,
    asked: str | None,
    fix: bool,
    dry_run: bool,
    undo: bool,
    yes: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    html_file: Path | None,
    list_checks: bool,
    strict: bool,
    share: bool,
) -> Output:
    """Say why Keras does not import in the IDE: who runs which Python, and which file decides.

    ENVIRONMENT is the one you mean, by name or folder; without it the doctor finds out which. Nothing is changed.
    Ends with 0 when no problem was found (notes do not count), 1 when one was, 2 when nothing could be looked at.

    \b
    Examples:
      envbuild doctor
      envbuild doctor ml-m1 --ide dataspell --project ~/mnist
      envbuild doctor --static --share
      envbuild doctor ml-m1 --ask error.log
      envbuild doctor --fix --dry-run
      envbuild doctor --collect bundle.json
      envbuild doctor --from bundle.json
      envbuild doctor --json
    """
    if list_checks:
        return _list(only, skip)
    if asked is not None:
        return _ask(session, asked, environment)
    from builder.operations import doctoring

    if undo:
        if fix or dry_run:
            raise UsageError("--undo takes back what --fix changed: give one of the two")
        files = [str(file) for file in doctoring.undo(session.workspace())]
        return Output(
            result={"restored": files}, text="\n".join(f"{file} is as it was before the last --fix" for file in files)
        )
    if bundle_file is not None:
        others = (("--machine", machine_file), ("--collect", collect_file), ("--fix", fix), ("--dry-run", dry_run))
        if given := [name for name, value in others if value]:
            raise UsageError(f"--from and {given[0]} do not go together: a bundle is another machine's")
    request = doctoring.DoctorRequest(
        environment=environment,
        project=session.project_dir,
        ides=_chosen(ides),
        static=static,
        run_shell=run_shell,
        only=only,
        skip=skip,
        machine=machine_file,
        bundle=bundle_file,
        share=share,
        html=html_file,
    )
    if fix or dry_run:
        return _fix(session, request, dry_run=dry_run, yes=yes, strict=strict)
    if collect_file is not None:
        return _collect(session, request, collect_file, yes=yes)
    return _answer(session, doctoring.doctor(session.workspace(), request), strict=strict)


def _answer(session: Session, answer: DoctorResult, *, strict: bool) -> Output:
    from builder.doctor.text import render

    code = answer.exit_code(strict=strict)
    return Output(
        result=answer.to_json(),
        text=render(answer.found, names=answer.names, verbose=session.verbose, quiet=session.quiet),
        exit_code=code,
        errors=_errors(answer, code) if session.json else (),
    )


def _errors(answer: DoctorResult, code: int) -> tuple[ChecksFailedError | UsageError, ...]:
    if code == 0:
        return ()
    if code == 2:
        return (UsageError("nothing could be looked at", hint="name an environment, or a project with --project"),)
    return tuple(
        ChecksFailedError(
            answer.names.text(problem.sentence),
            hint=answer.names.text(problem.remedy.say) if problem.remedy else None,
        )
        for problem in answer.found.problems
    )


def _list(only: tuple[str, ...], skip: tuple[str, ...]) -> Output:
    from builder.doctor.checks import CHECKS, selection

    chosen = selection(only, skip)
    shown = [check for check in CHECKS if check.id in chosen]
    width = max((len(check.id) for check in shown), default=0)
    return Output(
        result={"checks": [{"id": check.id, "class": check.klass, "catches": check.catches} for check in shown]},
        text="\n".join(f"{check.klass}  {check.id.ljust(width)}  {check.catches}" for check in shown),
    )


def _ask(session: Session, asked: str, environment: str | None) -> Output:
    """What is known of a pasted text; 1 unless it turns out to be harmless."""
    from builder.doctor.ask import rendered
    from builder.doctor.pasted import given
    from builder.operations.doctoring import ask

    answer = ask(session.workspace(), given(asked, stdin=sys.stdin), environment)
    harmless = answer.verdict == "harmless"
    found = () if harmless else (ChecksFailedError(answer.cause, hint=answer.remedy),)
    return Output(
        result=answer.to_json(),
        text=rendered(answer),
        exit_code=0 if harmless else 1,
        errors=found if session.json else (),
    )


def _fix(session: Session, request: DoctorRequest, *, dry_run: bool, yes: bool, strict: bool) -> Output:
    """Show the changes, ask, make them one by one, and answer with the examination after the last."""
    from builder.operations import doctoring

    workspace = session.workspace()
    available = doctoring.repairs(workspace, request)
    session.close()
    for repair in available:
        click.echo(_harmless_lines(repair.diff()), err=True)
    if not available or dry_run:
        found = doctoring.doctor(workspace, request)
        if found.found.problems and not available:
            session.note("nothing here can be mended automatically; the remedies say what to do by hand")
        elif not available:
            session.note("there is nothing to mend")
        outcome = _answer(session, found, strict=strict)
        return replace(outcome, exit_code=1) if available else outcome
    session.confirm(f"change {plural(len(available), 'file')}?", yes=yes)
    answer = doctoring.mend(workspace, request)
    for mended in answer.mended:
        kept = f" (before: {mended.backup})" if mended.backup is not None else ""
        session.note(f"{mended.outcome}: {mended.repair.file}{kept}")
    return _answer(session, answer, strict=strict)


def _collect(session: Session, request: DoctorRequest, file: Path, *, yes: bool) -> Output:
    """Show what would be in the bundle, ask, and write it."""
    from builder.operations.doctoring import collect

    bundle = collect(session.workspace(), request)
    names = list(bundle.contents)
    session.note("\n".join([f"the bundle would hold, reduced to what the doctor reads of it ({len(names)}):", *names]))
    session.confirm(f"write {file}?", yes=yes)
    write_atomically(file, bundle.text)
    return Output(result={"bundle": str(file), "files": names}, text=f"wrote {file}; judge it with --from {file}")


def _harmless_lines(text: str) -> str:
    """A diff for a terminal: its lines stay, whatever could act on the terminal is written out."""
    from builder.doctor.formats import harmless

    return "\n".join(harmless(line) for line in text.splitlines())


def _chosen(ides: tuple[str, ...]) -> frozenset[Ide] | None:
    from builder.doctor.model import Ide

    return None if not ides or "all" in ides else frozenset(Ide(name) for name in ides)
