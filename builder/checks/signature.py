"""Code signatures: will Apple silicon run these binaries at all?"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from builder.checks.check import Check, Needs
from builder.finding import Finding, Remedy, Status
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.macho import SliceVerdict
    from builder.checks.subject import Subject


def _signatures(subject: Subject) -> Iterator[Finding]:
    survey = subject.survey
    if not survey.is_mac:
        return
    if survey.arch != "arm64":
        yield Finding(check="sign.adhoc", status=Status.SKIP, title="Intel code needs no signature")
        return
    bad: dict[str, str] = {}
    pages = signed = 0
    for binary in survey.inventory.binaries:
        answer = subject.files.pages(binary.path)
        if answer is None or binary.rel in survey.reach.never:
            continue
        if answer.verdicts is None:
            bad[binary.rel] = f"{binary.rel}: {answer.error}"
            continue
        for verdict in answer.verdicts:
            if verdict.arch in ("arm64", "arm64e"):
                signed += 1
                pages += verdict.pages
                if not verdict.ok:
                    bad[binary.rel] = f"{binary.rel}: {_problem(verdict)}"
    if bad:
        verb = "has an invalid signature" if len(bad) == 1 else "have invalid signatures"
        yield Finding(
            check="sign.adhoc",
            status=Status.FAIL,
            title=f"{plural(len(bad), 'binary', 'binaries')} {verb}; macOS will kill processes that load "
            f"{'it' if len(bad) == 1 else 'them'}",
            evidence=listed(list(bad.values())),
            remedy=_remedy(subject, list(bad)),
            about=frozenset((*bad, *map(survey.packages.owner, bad))),
        )
    elif signed:
        yield Finding(
            check="sign.adhoc",
            status=Status.PASS,
            title=f"All {plural(signed, 'binary has a valid signature', 'binaries have valid signatures')}",
            evidence=(f"{pages:,} pages hashed",),
        )
    else:
        yield Finding(check="sign.adhoc", status=Status.SKIP, title="No binaries to check")


def _remedy(subject: Subject, rels: list[str]) -> Remedy:
    """Sound files where the lock says which; else a new signature, which is all that the kernel asks for."""
    if subject.environment.stamp is not None or len(rels) > 20:
        return subject.repair.restore(map(subject.survey.packages.package, rels))
    files = [str(subject.environment.path / rel) for rel in rels]
    return Remedy(
        "Reinstall the packages of these files, or sign the files on the Mac.",
        (shlex.join(("codesign", "--force", "--sign", "-", *files)),),
    )


def _problem(verdict: SliceVerdict) -> str:
    if not verdict.present:
        return "no code signature"
    if verdict.problem is not None:
        return verdict.problem
    first = ", ".join(map(str, verdict.wrong_pages))
    return f"{plural(verdict.wrong_count, 'page')} of {verdict.pages:,} changed since it was signed (first: {first})"


CHECKS: Final = (
    Check(
        id="sign.adhoc",
        area="signature",
        needs=Needs.FILES,
        hashes=True,
        catches="arm64 binaries without a code signature, or edited after signing (prefix replacement, patching).",
        otherwise="zsh: killed     python (exit status 137, EXC_BAD_ACCESS Code Signature Invalid), with no message.",
        run=_signatures,
    ),
)
