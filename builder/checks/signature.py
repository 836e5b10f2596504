"""Code signatures: will Apple silicon run these binaries at all?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.checks.registry import Check
from builder.finding import Finding, Status
from builder.wording import listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.binaries.hashing import Answer
    from builder.binaries.macho import SliceVerdict
    from builder.checks.survey import Survey

CHECKS: Final = (
    Check(
        id="sign.adhoc",
        area="signature",
        catches="arm64 binaries without a code signature, or edited after signing (prefix replacement, patching).",
        otherwise="zsh: killed     python (exit status 137, EXC_BAD_ACCESS Code Signature Invalid), with no message.",
    ),
)


def check(survey: Survey, answers: dict[tuple[str, str], Answer]) -> Iterator[Finding]:
    if not survey.is_mac:
        return
    if survey.arch != "arm64":
        yield Finding(check="sign.adhoc", status=Status.SKIP, title="Intel code needs no signature")
        return
    bad: list[str] = []
    pages = signed = 0
    for binary in survey.inventory.binaries:
        answer = answers.get(("pages", binary.path))
        if answer is None:
            continue
        if answer.verdicts is None:
            bad.append(f"{binary.rel}: {answer.error}")
            continue
        for verdict in answer.verdicts:
            if verdict.arch in ("arm64", "arm64e"):
                signed += 1
                pages += verdict.pages
                if not verdict.ok:
                    bad.append(f"{binary.rel}: {_problem(verdict)}")
    if bad:
        yield Finding(
            check="sign.adhoc",
            status=Status.FAIL,
            title=f"macOS kills what loads {plural(len(bad), 'binary', 'binaries')}: the code signature does not hold",
            evidence=listed(bad),
            remedy="Install the package again, or sign the file on the Mac: codesign --force --sign - FILE",
        )
    else:
        yield Finding(
            check="sign.adhoc",
            status=Status.PASS if signed else Status.SKIP,
            title=f"All {plural(signed, 'binary is', 'binaries are')} signed, and their pages are as they were signed"
            if signed
            else "No arm64 binary is there to look at",
            evidence=(f"{pages:,} pages hashed",) if signed else (),
        )


def _problem(verdict: SliceVerdict) -> str:
    if not verdict.present:
        return "no code signature"
    if verdict.problem is not None:
        return verdict.problem
    first = ", ".join(map(str, verdict.wrong_pages))
    return f"{plural(verdict.wrong_count, 'page')} of {verdict.pages:,} changed since it was signed (first: {first})"
