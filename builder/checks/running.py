"""The runtime half of verification: run the probes, turn what they say into findings."""

from __future__ import annotations

import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.checks import conda_tools, failures, imports, locked, numerics, process, user
from builder.checks.judge import Case
from builder.checks.level import Level
from builder.checks.registry import Check, claimed
from builder.checks.remedy import Packages
from builder.finding import Finding, Status
from builder.frameworks import registry
from builder.probes import harness
from builder.probes.schedule import Task, tasks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.checks.context import Context
    from builder.checks.judge import Judge
    from builder.checks.level import Progress
    from builder.probes.harness import Outcome

CHECKS: Final = (
    *process.CHECKS,
    *user.CHECKS,
    *locked.CHECKS,
    *conda_tools.CHECKS,
    *imports.CHECKS,
    *numerics.CHECKS,
    *(claimed(claim) for claim in registry.claims() if claim.match is None),
    Check(
        id="runtime.messages",
        area="process",
        catches="Errors that a library only prints while it goes on (another NumPy ABI, two HDF5 versions).",
        otherwise="A warning in the scroll-back, and wrong results or a crash later.",
    ),
    Check(
        id="runtime.exit",
        area="process",
        catches="Processes that do their work and then crash or hang instead of ending; time and memory of each probe.",
        otherwise="`Segmentation fault` after the last line of a script; CI jobs that fail although all is done.",
    ),
)
JUDGES: Final[dict[str, Judge]] = (
    process.JUDGES
    | imports.JUDGES
    | numerics.JUDGES
    | {claim.id: claim.judge for claim in registry.claims() if claim.judge is not None}
)

#: Probes that run at once: each keeps about one core busy while it imports.
_AT_ONCE: Final = 2


def findings(context: Context, *, progress: Progress, limit: float | None = None) -> list[Finding]:
    """All runtime findings of a prefix whose platform runs on this host, in the order of the schedule."""
    owned = Packages(context.prefix)
    found = [locked.locked(context.prefix, owned)]
    if context.level is Level.FULL and (seen := conda_tools.agreement(context.prefix, context.environ)) is not None:
        found.append(seen)
    with tempfile.TemporaryDirectory(prefix="envbuild-verify-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        environ = harness.clean_environment(context.environ, prefix=context.prefix.path, scratch=scratch)
        progress("starting the interpreter")
        alive, first = _interpreter(context, owned, environ=environ, scratch=scratch, limit=min(limit or 30, 30))
        found += first
        found += [user.variables(context), *_settings(context)]
        if not alive:
            return found + [_not_run(task) for task in tasks(context, scratch=scratch)]

        cancelled = threading.Event()

        def run(task: Task) -> tuple[Task, Outcome]:
            progress(task.doing)
            return task, harness.run(
                context.python,
                task.probe,
                environ=environ,
                cwd=scratch,
                limit=task.limit,
                arguments=task.arguments,
                folder=task.folder or harness.PROBES,
                cancelled=cancelled,
            )

        scheduled = tasks(context, scratch=scratch, limit=limit)
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, os.cpu_count() or 1)) as pool:
            try:
                outcomes = list(pool.map(run, (task for task in scheduled if not task.exclusive)))
            except BaseException:  # Ctrl-C above all: the probes that run are ended, the others not begun
                cancelled.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        outcomes += [run(task) for task in scheduled if task.exclusive]
    for task, outcome in outcomes:
        found += judged(outcome, task, context, owned)
    found += _ended_well(outcomes)
    # Two probes may say the same of the same module; evidence (times, paths) may differ.
    return list({(finding.check, finding.status, finding.title): finding for finding in found}.values())


def _settings(context: Context) -> list[Finding]:
    """What the user's own settings do to the libraries of the environment."""
    claims = (claim.settings for claim in registry.claims() if claim.settings is not None)
    return [finding for settings in claims for finding in settings(context)]


def _ended_well(outcomes: list[tuple[Task, Outcome]]) -> list[Finding]:
    """One pass for all probes that came to their end, with what each took."""
    well = [(task, outcome) for task, outcome in outcomes if outcome.finished and outcome.returncode == 0]
    if not well:
        return []
    return [
        Finding(
            check="runtime.exit",
            status=Status.PASS,
            title=f"{len(well)} of {len(outcomes)} probes ended as a program should.",
            evidence=tuple(
                f"{task.doing or task.probe}: {outcome.seconds:.1f} s, {outcome.peak_mib:.0f} MiB"
                for task, outcome in well
            ),
        )
    ]


def _interpreter(
    context: Context, owned: Packages, *, environ: dict[str, str], scratch: Path, limit: float
) -> tuple[bool, list[Finding]]:
    """The two runs of the process probe: isolated, and as the user runs Python. Whether the interpreter works."""
    names = sorted({*owned.modules, *(module.partition(".")[0] for module in context.modules)})
    arguments = {"check": "process.interpreter", "names": names}
    answers = tuple((check, "") for check in ("process.interpreter", "process.prefix", "process.shadow"))
    task = Task(probe="process", answers=answers[:1], arguments=arguments, limit=limit)
    try:
        outcome = harness.run(
            context.python, "process", environ=environ, cwd=scratch, limit=task.limit, arguments=arguments
        )
    except OSError as error:
        return False, [_cannot_start(error, context, owned)]
    found = judged(outcome, task, context, owned)
    step = next((step for step in outcome.steps if step.how == "done"), None)
    if step is None:
        return False, found
    for check, _ in answers[1:]:
        also = harness.Step(check=check, subject="", how="done", facts=step.facts)
        finding = _judge(Case(step=also, context=context, packages=owned))
        found += [finding] if finding else []
    lenient = harness.run(
        context.python,
        "process",
        environ=dict(context.environ),
        cwd=context.cwd if context.cwd.is_dir() else scratch,
        limit=limit,
        arguments=arguments | {"as_user": True, "cwd": str(context.cwd), "check": "process.user-site"},
        flags=(),
    )
    for step_as_user in lenient.steps:
        if step_as_user.how == "done":
            case = Case(step=step_as_user, context=context, packages=owned)
            found += user.judge_as_user(case, step.facts)
        else:
            found.append(failures.failure(step_as_user, lenient, context, owned))
    if not lenient.steps:
        found.append(_user_settings_kill(lenient))
    return True, found


def judged(outcome: Outcome, task: Task, context: Context, owned: Packages) -> list[Finding]:
    """The findings of one finished probe process."""
    found: list[Finding] = []
    for step in outcome.steps:
        if step.how != "done":
            found.append(failures.failure(step, outcome, context, owned))
        elif (finding := _judge(Case(step=step, context=context, packages=owned))) is not None:
            found.append(finding)
    found += _right_numbers(outcome, found)
    reached = {(step.check, step.subject) for step in outcome.steps}
    missing = [answer for answer in task.answers if answer not in reached]
    if not outcome.finished and outcome.unfinished is None:
        # It ended between two steps: the probe itself raised, or something ran an exit handler.
        check, subject = missing.pop(0) if missing else ("runtime.exit", task.probe)
        found.append(_between_steps(outcome, check, subject, context, owned))
    found += [_not_reached(check, subject, outcome) for check, subject in missing]
    if outcome.finished and (outcome.returncode != 0 or outcome.timed_out):
        found.append(_died_at_exit(outcome, task))
    found += _survived(outcome, task, context, owned)
    return found


def _judge(case: Case) -> Finding | None:
    """The judge's finding. Facts come from a foreign interpreter: what cannot be judged is a skip, not a traceback."""
    judge = JUDGES.get(case.step.check)
    if judge is None:
        return None
    try:
        return judge(case)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return case.skipped(
            f"What {case.step.check} reported cannot be judged ({type(error).__name__}: {error}).",
            str(case.facts)[:2000],
        )


def _right_numbers(outcome: Outcome, found: Iterable[Finding]) -> list[Finding]:
    failed = {finding.check for finding in found if finding.status is Status.FAIL}
    return [
        Finding(
            check=check,
            status=Status.PASS,
            title=f"{count} known answers of {check.rpartition('.')[2]} are right.",
            evidence=(f"largest relative error {worst:.2g}",),
        )
        for check, (count, worst) in numerics.summaries(list(outcome.steps)).items()
        if check not in failed
    ]


def _survived(outcome: Outcome, task: Task, context: Context, owned: Packages) -> list[Finding]:
    """Errors that libraries only print: the process went on, the user's results may be wrong."""
    match = failures.known(outcome.stderr, context, owned, survived=True)
    if match is None or not outcome.finished:
        return []
    return [
        Finding(
            check="runtime.messages",
            status=Status.WARN,
            title=f"While {task.doing or task.probe}: {match.cause}",
            evidence=(match.line,),
            remedy=match.remedy,
        )
    ]


def _user_settings_kill(outcome: Outcome) -> Finding:
    """Isolated the interpreter runs, with the user's own variables it does not get as far as running code."""
    return Finding(
        check="process.variables",
        status=Status.FAIL,
        title="Python does not start with your own settings, although the environment is sound.",
        evidence=tuple(outcome.stderr.splitlines()[-8:]),
        remedy="unset PYTHONHOME PYTHONPATH PYTHONSTARTUP LD_PRELOAD DYLD_INSERT_LIBRARIES, then try again",
    )


def _cannot_start(error: OSError, context: Context, owned: Packages) -> Finding:
    return Finding(
        check="process.interpreter",
        status=Status.FAIL,
        title="The environment's interpreter cannot be started.",
        evidence=(f"{context.python}: {error.strerror or error}",),
        remedy=owned.rebuild(),
    )


def _between_steps(outcome: Outcome, check: str, subject: str, context: Context, owned: Packages) -> Finding:
    step = harness.Step(check=check, subject=subject, how="unfinished")
    return failures.failure(step, outcome, context, owned)


def _not_reached(check: str, subject: str, outcome: Outcome) -> Finding:
    """A check the probe did not come to: because its process ended, or because an earlier step failed."""
    name = f"{check} ({subject})" if subject else check
    last = outcome.steps[-1].check if outcome.steps else "its start"
    why = "an earlier step failed" if outcome.finished else f"the process ended during {last}"
    return Finding(check=check, status=Status.SKIP, title=f"Not reached: {name}; {why}.")


def _died_at_exit(outcome: Outcome, task: Task) -> Finding:
    how = "hung" if outcome.timed_out else f"ended with status {outcome.returncode}"
    if outcome.returncode < 0 and not outcome.timed_out:
        how = f"died by {failures.signal_name(outcome.returncode)}"
    return Finding(
        check="runtime.exit",
        status=Status.WARN,
        title=f"All went well while {task.doing or task.probe}, but then the process {how} instead of ending.",
        evidence=tuple(outcome.stderr.splitlines()[-8:]),
        remedy="scripts will seem to fail although their work is done; end them with os._exit(0) until the package "
        "named in the evidence is updated",
    )


def _not_run(task: Task) -> Finding:
    check, subject = task.answers[0]
    return Finding(
        check=check,
        status=Status.SKIP,
        title=f"Not run, because the interpreter does not work: {task.doing or subject}.",
    )
