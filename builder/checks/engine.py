"""The engine: runs the checks whose needs a subject meets, and makes of their findings one list in the checks' order.

Files are read in one thread (the interpreter's lock leaves no use for more; hashing is done by other processes)
beside the environment's own processes, which are waited for in another.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from builder.checks.causes import gathered
from builder.checks.check import Needs
from builder.finding import Finding, Remedy, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.checks.check import Check
    from builder.checks.subject import Subject

#: Told what is being done (`importing keras (import.alone)`), as which of how many; may be called from several threads.
Progress = Callable[[str, int, int], None]
#: Given what reads the files; gives its findings, or what it gave of the very same files.
Reading = Callable[[Callable[[], list[Finding]]], list[Finding]]

_EVERYTHING: Final = frozenset(Needs)
_CRASHED: Final = "The check itself failed"


class UnknownCheckError(LookupError):
    """A finding under an id that is not its check's: a defect of the check."""


def examine(
    subject: Subject,
    *,
    checks: Sequence[Check],
    needs: frozenset[Needs] = _EVERYTHING,
    progress: Progress = lambda _name, _begun, _total: None,
    reading: Reading = lambda work: work(),
) -> tuple[Finding, ...]:
    """Every finding of the checks that the subject can be asked (`observed`), a defect and its consequences as one.

    What the plan made mandatory and did not pass counts as failed.
    """
    found = observed(subject, checks=checks, needs=needs, progress=progress, reading=reading)
    return gathered(_demanded(found, subject))


def observed(
    subject: Subject,
    *,
    checks: Sequence[Check],
    needs: frozenset[Needs] = _EVERYTHING,
    progress: Progress = lambda _name, _begun, _total: None,
    reading: Reading = lambda work: work(),
) -> tuple[Finding, ...]:
    """Run every one of `checks` that needs no more than `needs` and than the subject offers, at the subject's level.

    Findings come in the order of `checks`. Where nothing of the environment could be run although it was asked for,
    one finding says so. Raises UnknownCheckError for a finding whose check is not registered; whatever else a check
    raises is a finding about that check.
    """
    offered = subject.offers & needs
    chosen = [check for check in checks if check.needs in offered and subject.level.includes(check.level)]
    of_files = [check for check in chosen if check.needs is Needs.FILES]
    running = [check for check in chosen if check.needs is not Needs.FILES]
    counter = _Counter(progress)
    if Needs.PROCESS in offered:
        subject.runs.tell = counter.begin
        counter.total = subject.runs.count
    counter.total += len(of_files) + sum(check.needs is Needs.MACHINE for check in running)
    found: list[Finding] = []
    if Needs.PROCESS in needs and subject.why_not_run is not None:
        found.append(_not_run(subject.why_not_run))
    beside = _in_background(lambda: reading(lambda: _read(subject, of_files, counter))) if of_files else None
    found += [finding for check in running for finding in _run(check, subject, counter)]
    if beside is not None:
        found += beside.result()
    known = {check.id: place for place, check in enumerate(checks)}
    if strange := {finding.check for finding in found} - set(known):
        raise UnknownCheckError(f"no check is called {', '.join(sorted(strange))}")
    return tuple(sorted(_each_once(found), key=lambda finding: known[finding.check]))


class _Counter:
    """Tells `n of m` as things begin."""

    def __init__(self, progress: Progress) -> None:
        self.total = 0
        self._begun = 0
        self._progress = progress
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        with self._lock:
            self._begun += 1
            self._progress(name, self._begun, self.total)


def _read(subject: Subject, checks: list[Check], counter: _Counter) -> list[Finding]:
    """The findings of checks that read files; those that wait for hashes come last."""
    hashing = any(check.hashes for check in checks)
    try:
        if hashing:
            subject.files.begin()
        ordered = sorted(checks, key=lambda check: check.hashes)
        return [finding for check in ordered for finding in _run(check, subject, counter)]
    finally:
        if hashing:
            subject.files.end()


def _run(check: Check, subject: Subject, counter: _Counter) -> list[Finding]:
    """The findings of one check; a check that crashes is a finding, and no reason to lose the others."""
    if check.needs is not Needs.PROCESS:  # of processes, the runs tell
        counter.begin(check.doing)
    try:
        found = list(check.run(subject))
    except Exception as error:  # noqa: BLE001 - a defect of ours, or something no check has foreseen
        return [_crashed(check, error)]
    if strange := {finding.check for finding in found} - {check.id}:
        raise UnknownCheckError(f"{check.id} reports under the id {', '.join(sorted(strange))}")
    return [_sentence(finding) for finding in found]


def is_crash(finding: Finding) -> bool:
    """Whether a check crashed, which may not happen again."""
    return finding.status is Status.SKIP and finding.title.startswith(_CRASHED)


def _crashed(check: Check, error: Exception) -> Finding:
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Finding(
        check=check.id,
        status=Status.SKIP,
        title=f"{_CRASHED} ({type(error).__name__}: {error}); this is a defect of envbuild.",
        evidence=(f"{where.filename}:{where.lineno} in {where.name}",),
    )


def _not_run(reason: str) -> Finding:
    return Finding(
        check="process.interpreter",
        status=Status.SKIP,
        title=f"Nothing of this environment was run: {reason}; this result is from reading its files only.",
    )


def _in_background(work: Callable[[], list[Finding]]) -> Future[list[Finding]]:
    """Do `work` in a daemon thread: Ctrl-C need not wait for it."""
    future: Future[list[Finding]] = Future()

    def settle() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=settle, daemon=True).start()
    return future


def _each_once(found: Iterable[Finding]) -> Iterable[Finding]:
    """Two probes may say the same of the same module; evidence (times, paths) may differ."""
    return {(finding.check, finding.status, finding.title): finding for finding in found}.values()


def _sentence(finding: Finding) -> Finding:
    """The finding with a full stop after its title, whoever wrote it."""
    return finding if finding.title.endswith((".", "!", "?")) else replace(finding, title=f"{finding.title}.")


def _demanded(found: Iterable[Finding], subject: Subject) -> tuple[Finding, ...]:
    """Checks that the plan made mandatory: one that did not run, or was skipped, counts as failed."""
    found = tuple(found)
    mandatory = subject.expectations.mandatory
    present = {finding.check for finding in found}
    elsewhere = Remedy(f"Run {subject.repair.full_proof} on a machine of the environment's platform.")
    demanded = tuple(
        replace(
            finding,
            status=Status.FAIL,
            title=f"A mandatory check could not run. {finding.title}",
            remedy=finding.remedy or elsewhere,
        )
        if finding.check in mandatory and finding.status is Status.SKIP
        else finding
        for finding in found
    )
    return demanded + tuple(
        Finding(
            check=check,
            status=Status.FAIL,
            title="A check that the recipe's versions make mandatory did not run.",
            evidence=("they were chosen although a published defect concerns them",),
            remedy=elsewhere,
        )
        for check in mandatory
        if check not in present
    )
