"""`envbuild doctor`"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from builder.cli.session import Output, verb
from builder.errors import ChecksFailedError, UsageError
from builder.files import write_atomically

if TYPE_CHECKING:
    from builder.cli.session import Session
    from builder.doctor.examine import Patient, Request
    from builder.doctor.model import Examination, Ide
    from builder.workspace import Workspace

_IDES: Final = ("dataspell", "pycharm", "intellij", "vscode", "cursor", "jupyter", "spyder", "all")
_FILE: Final = click.Path(path_type=Path, dir_okay=False)


@verb("doctor")
@click.argument("environment", required=False)
@click.option(
    "--ide", "ides", multiple=True, type=click.Choice(_IDES), help="Only what this program runs (repeatable)."
)
@click.option("--static", is_flag=True, help="Read files only; run nothing that is found.")
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
    from builder.doctor.checks import CHECKS, selection

    if list_checks:
        chosen = selection(only, skip)
        shown = [check for check in CHECKS if check.id in chosen]
        width = max((len(check.id) for check in shown), default=0)
        return Output(
            result={"checks": [{"id": check.id, "class": check.klass, "catches": check.catches} for check in shown]},
            text="\n".join(f"{check.klass}  {check.id.ljust(width)}  {check.catches}" for check in shown),
        )
    from builder.doctor.examine import Patient, Request, examine
    from builder.doctor.machine import load, this_machine

    style = _Style(strict=strict, share=share, html=html_file)

    if asked is not None:
        return _ask(session, asked, environment)
    if undo:
        from builder.doctor.fix import undo as put_back

        file = put_back(_record(session.workspace()))
        return Output(result={"restored": str(file)}, text=f"{file} is as it was before the last --fix")
    if bundle_file is not None:
        others = (("--machine", machine_file), ("--collect", collect_file), ("--fix", fix), ("--dry-run", dry_run))
        if given := [name for name, value in others if value]:
            raise UsageError(f"--from and {given[0]} do not go together: a bundle is another machine's")
        return _of_bundle(session, bundle_file, only=only, skip=skip, style=style)
    workspace = session.workspace()
    project = workspace.path(session.project_dir) if session.project_dir is not None else None
    machine = load(machine_file) if machine_file is not None else this_machine(workspace.environ)
    patient = Patient(home=workspace.home, cwd=workspace.cwd, machine=machine)
    request = Request(
        environment=environment,
        project=project,
        ides=_chosen(ides),
        static=static,
        only=only,
        skip=skip,
    )
    if fix or dry_run:
        return _fix(session, request, patient, dry_run=dry_run, yes=yes, style=style)
    if collect_file is not None:
        return _collect(session, request, patient, collect_file, yes=yes)
    found = examine(request, patient)
    if found.problems or found.notes:
        from builder.doctor.fix import repairs, with_automatic

        found = with_automatic(found, repairs(request, patient))
    return _answer(session, found, patient.home, style=style)


@dataclass(frozen=True, kw_only=True)
class _Style:
    """How an examination is answered."""

    strict: bool
    share: bool
    html: Path | None


def _answer(session: Session, found: Examination, home: Path, *, style: _Style) -> Output:
    from builder.doctor.text import Names, render

    names = Names(home, aliases=found.home_names, root=found.root, share=style.share)
    code = exit_code(found, strict=style.strict)
    if style.html is not None:
        from builder.doctor.page import render as render_page

        write_atomically(style.html, render_page(found, names=names))
    result = found.to_json()
    return Output(
        result={key: names.value(value) for key, value in result.items()} if style.share else result,
        text=render(found, names=names, verbose=session.verbose, quiet=session.quiet),
        exit_code=code,
        errors=_errors(found, code) if session.json else (),
    )


def _ask(session: Session, asked: str, environment: str | None) -> Output:
    """What is known of a pasted text; 1 unless it turns out to be harmless."""
    from builder.doctor.ask import ask, read_environment, rendered
    from builder.doctor.pasted import given

    text = given(asked, stdin=sys.stdin)
    installed = read_environment(session.workspace().store.find(environment)) if environment is not None else None
    answer = ask(text, environment=installed)
    if answer.verdict == "empty":
        raise UsageError("there is no text to look at", hint=answer.remedy)
    harmless = answer.verdict == "harmless"
    found = () if harmless else (ChecksFailedError(answer.cause, hint=answer.remedy),)
    return Output(
        result=answer.to_json(),
        text=rendered(answer),
        exit_code=0 if harmless else 1,
        errors=found if session.json else (),
    )


def _record(workspace: Workspace) -> Path:
    """Where repairs are written down, for --undo."""
    return workspace.project.state / "doctor" / "repairs.json"


def _fix(session: Session, request: Request, patient: Patient, *, dry_run: bool, yes: bool, style: _Style) -> Output:
    """Show the changes, ask, make them one by one, and answer with the examination after the last."""
    from builder.doctor.examine import examine
    from builder.doctor.fix import mend, repairs, with_automatic

    workspace = session.workspace()
    available = repairs(request, patient)
    for repair in available:
        click.echo(harmless_lines(repair.diff()), err=True)
    if not available or dry_run:
        if not available:
            session.note("nothing here can be mended automatically; the remedies say what to do by hand")
        found = with_automatic(examine(request, patient), available)
        outcome = _answer(session, found, patient.home, style=style)
        return replace(outcome, exit_code=1) if available else outcome
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nothing was changed: there is no terminal to ask on", hint="add --yes, or --dry-run")
        click.confirm(f"Change {len(available)} file(s)?", abort=True, err=True)
    done, found = mend(available, request, patient, record=_record(workspace), now=workspace.clock)
    for mended in done:
        kept = f" (before: {mended.backup})" if mended.backup is not None else ""
        session.note(f"{mended.outcome}: {mended.repair.file}{kept}")
    outcome = _answer(session, found, patient.home, style=style)
    fixed = [{"file": str(item.repair.file), "outcome": item.outcome} for item in done]
    return replace(outcome, result=outcome.result | {"fixed": fixed})


def harmless_lines(text: str) -> str:
    """A diff for a terminal: its lines stay, whatever could act on the terminal is written out."""
    from builder.doctor.formats import harmless

    return "\n".join(harmless(line) for line in text.splitlines())


def _of_bundle(session: Session, file: Path, *, only: tuple[str, ...], skip: tuple[str, ...], style: _Style) -> Output:
    """Lay a bundle out in a folder that is gone afterwards, and judge it there."""
    import tempfile
    import time

    from builder.doctor.bundle import load, unpack
    from builder.doctor.examine import examine

    with tempfile.TemporaryDirectory(prefix="envbuild-doctor-") as folder:
        request, patient = unpack(load(file), Path(folder), clock=time.monotonic)
        found = examine(replace(request, only=only, skip=skip), patient)
        return _answer(session, found, patient.home, style=style)


def _collect(session: Session, request: Request, patient: Patient, file: Path, *, yes: bool) -> Output:
    """Show what would be in the bundle, ask, and write it."""
    from builder.doctor.bundle import collect

    bundle = collect(request, patient)
    names = bundle.contents
    session.note("\n".join([f"the bundle would hold, reduced to what the doctor reads of it ({len(names)}):", *names]))
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("nothing was written: there is no terminal to ask on", hint="add --yes")
        click.confirm(f"Write {file}?", abort=True, err=True)
    write_atomically(file, bundle.text())
    return Output(result={"bundle": str(file), "files": names}, text=f"wrote {file}; judge it with --from {file}")


def _chosen(ides: tuple[str, ...]) -> frozenset[Ide] | None:
    from builder.doctor.model import Ide

    return None if not ides or "all" in ides else frozenset(Ide(name) for name in ides)


def exit_code(found: Examination, *, strict: bool) -> int:
    """0 no problem, 1 a problem (with `strict` also a note), 2 nothing could be looked at."""
    if found.problems or (strict and found.notes):
        return 1
    return 0 if found.looked else 2


def _errors(found: Examination, code: int) -> tuple[ChecksFailedError | UsageError, ...]:
    if code == 0:
        return ()
    if code == 2:
        return (UsageError("nothing could be looked at", hint="name an environment, or a project with --project"),)
    return tuple(
        ChecksFailedError(problem.sentence, hint=problem.remedy.text if problem.remedy else None)
        for problem in found.problems
    )
