"""From what probes said to findings: a check that runs processes is a judge of the steps reported under its id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from builder.checks import failures
from builder.checks.case import Case
from builder.checks.check import Area, Check, Needs
from builder.finding import Finding, Status
from builder.probes.harness import Step
from builder.probes.level import Level
from builder.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.runs import Ran
    from builder.checks.subject import Subject
    from builder.probes.harness import Outcome

#: Turns the facts of a finished step into a finding; None when it has nothing to say.
Judge = Callable[[Case], Finding | None]


def probed(
    *,
    id: str,  # noqa: A002 - the field of Check
    area: Area,
    catches: str,
    otherwise: str,
    judge: Judge | None = None,
) -> Check:
    """A check of what probes report as steps called `id`. Without a judge only their failures count."""
    return Check(
        id=id,
        area=area,
        needs=Needs.PROCESS,
        level=Level.QUICK,
        catches=catches,
        otherwise=otherwise,
        run=partial(_judged, id, judge),
    )


def _judged(check: str, judge: Judge | None, subject: Subject) -> Iterator[Finding]:
    results = subject.runs.results
    found = [finding for ran in results.probes for finding in _of_one(check, judge, ran, subject)]
    suspects = results.doubts | _exercised(check, subject)
    yield from (
        replace(finding, about=finding.about | suspects) if finding.status is Status.FAIL else finding
        for finding in found
    )
    if not any(finding.status is Status.FAIL for finding in found):
        yield from _right_answers(check, subject)


def _exercised(check: str, subject: Subject) -> frozenset[str]:
    """The package that a check exercises: Keras for `keras.fit`, NumPy for `numerics.numpy`."""
    area, _, what = check.partition(".")
    owner = subject.repair.module_owner(what if area == "numerics" else area)
    return frozenset({owner.name} if owner is not None else ())


def _of_one(check: str, judge: Judge | None, ran: Ran, subject: Subject) -> Iterator[Finding]:
    """What one probe says about a check."""
    expected = [about for answered, about in ran.task.answers if answered == check]
    outcome = ran.outcome
    if outcome is None:
        if expected:
            yield _skipped(check, f"Not run, because {ran.why_not}: {ran.task.doing}.")
        return
    steps = [step for step in outcome.steps if step.check == check]
    for step in steps:
        if step.how != "done":
            yield failures.failure(step, outcome, subject)
        elif (finding := judged(Case(step=step, whole=subject), judge)) is not None:
            yield finding
    missing = [about for about in expected if about not in {step.subject for step in steps}]
    if missing and _first_missing(ran, outcome) == (check, missing[0]) and _ended_between_steps(outcome):
        yield failures.failure(Step(check=check, subject=missing.pop(0), how="unfinished"), outcome, subject)
    last = outcome.steps[-1].check if outcome.steps else "its start"
    why = "an earlier step failed" if outcome.finished else f"the process ended during {last}"
    for about in missing:
        yield _skipped(check, f"Not reached: {f'{check} ({about})' if about else check}; {why}.")


def judged(case: Case, judge: Judge | None) -> Finding | None:
    """The judge's finding. Facts come from a foreign interpreter: what cannot be judged is a skip, not a traceback."""
    if judge is None:
        return None
    try:
        return judge(case)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return case.skipped(
            f"What {case.check} reported cannot be judged ({type(error).__name__}: {error}).", str(case.facts)[:2000]
        )


def _ended_between_steps(outcome: Outcome) -> bool:
    """It ended without being at any step: the probe itself raised, or something ran an exit handler."""
    return not outcome.finished and outcome.unfinished is None


def _first_missing(ran: Ran, outcome: Outcome) -> tuple[str, str] | None:
    reached = {(step.check, step.subject) for step in outcome.steps}
    return next((answer for answer in ran.task.answers if answer not in reached), None)


def _right_answers(check: str, subject: Subject) -> Iterator[Finding]:
    """One pass for all known answers of a check (steps with a fact `error`) that came out right."""
    errors = [
        step.facts["error"]
        for ran in subject.runs.results.probes
        if ran.outcome is not None
        for step in ran.outcome.steps
        if step.check == check and step.how == "done" and isinstance(step.facts.get("error"), int | float)
    ]
    if errors:
        yield Finding(
            check=check,
            status=Status.PASS,
            title=f"{plural(len(errors), 'known answer')} of {check.rpartition('.')[2]} "
            f"{'is' if len(errors) == 1 else 'are'} right.",
            evidence=(f"largest relative error {max(errors):.2g}",),
        )


def _skipped(check: str, title: str) -> Finding:
    return Finding(check=check, status=Status.SKIP, title=title)
