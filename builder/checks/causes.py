"""One cause, one finding: what follows from a defect that was found becomes evidence of it.

A file that was changed makes the same five imports fail in three processes. The reader has one thing to mend, and what
the other checks met of it proves that it matters. Findings are related by what they are `about`: packages, files, and
the error that was raised (`error_of`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from builder.finding import Finding, Status
from builder.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Says that an environment is only half built: what else fails in it is no news.
_UNFINISHED: Final = "env.finished"
#: Checks that name a damaged file or package, the nearest to the cause first. All others see what comes of it.
_CAUSES: Final = (
    _UNFINISHED,
    "env.pyvenv",
    "env.links",
    "pkg.locked",
    "pkg.integrity",
    "pkg.bytecode",
    "pkg.clobber",
    "process.prefix",
    "process.shadow",
    "arch.binary",
    "arch.interpreter",
    "sign.adhoc",
    "link.missing-library",
    "link.symbols",
    "link.numpy-abi",
    "pkg.metadata",
    # What runs at start-up can be the cause of anything, so it is the last to be suspected.
    "env.startup",
    "user.startup",
    "process.startup",
)
#: What findings are about that may come from code that runs when Python starts, in the environment or of the user.
STARTUP: Final = "startup"
USER_STARTUP: Final = "startup of the user"
_ERROR: Final = "error: "
_GONE_FILE: Final = "gone: "


def error_of(text: str) -> str:
    """What a finding is `about` because of the error that was raised: its last line."""
    return f"{_ERROR}{text}"


def gone_file(rel: str) -> str:
    """What a finding is `about` because a file is gone that it names: nearer to the cause than what merely fails."""
    return f"{_GONE_FILE}{rel}"


def gathered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings with failures that follow from another made evidence of it, in the order they came."""
    found = _lacking_what_is_damaged(list(findings))
    leaders: list[int] = []
    consequences: dict[int, list[Finding]] = {}
    abouts: dict[int, frozenset[str]] = {}
    for place in sorted(range(len(found)), key=lambda place: (_rank(found[place]), place)):
        one = found[place]
        if one.status not in (Status.FAIL, Status.WARN):
            continue
        leader = next((first for first in leaders if _follows(one, replace(found[first], about=abouts[first]))), None)
        if leader is None:
            leaders.append(place)
            abouts[place] = one.about
        else:
            consequences.setdefault(leader, []).append(one)
            abouts[leader] |= one.about if _rank(one) < len(_CAUSES) else frozenset()
    gone = {id(one) for follow in consequences.values() for one in follow}
    return tuple(_with(one, consequences.get(place, [])) for place, one in enumerate(found) if id(one) not in gone)


def _lacking_what_is_damaged(findings: list[Finding]) -> list[Finding]:
    """The findings, those about missing symbols also about the binaries that cannot be read: these may define them."""
    damaged: frozenset[str] = frozenset().union(
        *(one.about for one in findings if one.check == "arch.binary" and one.status is Status.FAIL)
    )
    return [
        replace(one, about=one.about | damaged) if one.check == "link.symbols" and one.status is Status.FAIL else one
        for one in findings
    ]


def _rank(finding: Finding) -> int:
    if finding.check in _CAUSES:
        return _CAUSES.index(finding.check)
    return len(_CAUSES) + (not any(name.startswith(_GONE_FILE) for name in finding.about))


def _follows(one: Finding, leader: Finding) -> bool:
    """Whether the failure `one` is what became of `leader`."""
    if leader.check == _UNFINISHED and one.status is Status.FAIL and USER_STARTUP not in one.about:
        return True
    shared = one.about & leader.about
    is_cause = _rank(one) < len(_CAUSES)
    if one.status is not Status.FAIL and not is_cause:
        return False
    if _rank(leader) < _rank(one) and shared:
        return True
    if is_cause:
        return False
    if leader.status is Status.FAIL and _are_healed_alike(one, leader):
        return True
    if any(name.startswith((_ERROR, _GONE_FILE)) for name in shared):
        return True
    # What cannot be imported is missed by everything that needs it.
    if shared and leader.status is Status.FAIL and _imports(leader) and not _imports(one):
        return True
    same = one.check == leader.check and one.remedy == leader.remedy
    return same and leader.status is Status.FAIL and one.about == leader.about


def _imports(finding: Finding) -> bool:
    return finding.check.startswith("import.")


def _are_healed_alike(one: Finding, other: Finding) -> bool:
    """Whether the same commands heal both. That both need the whole environment built again says nothing."""
    mine, others = (finding.remedy.commands if finding.remedy is not None else () for finding in (one, other))
    return mine == others != () and not any(command.startswith("envbuild ") for command in mine)


def _with(cause: Finding, consequences: list[Finding]) -> Finding:
    if not consequences:
        return cause
    # What a process said is kept: it is what the user has seen, and often names the line.
    said = next((one.evidence for one in consequences if one.evidence), ())
    worst = Status.FAIL if any(one.status is Status.FAIL for one in consequences) else cause.status
    return replace(
        cause,
        status=worst,
        evidence=(*cause.evidence, *listed(list(_told(consequences)), most=8), *(f"  {line}" for line in said[-6:])),
        about=cause.about.union(*(one.about for one in consequences)),
    )


def _told(consequences: list[Finding]) -> Iterator[str]:
    """A line each; one for all that a check says in the same words of several things (models, modules)."""
    alike: dict[tuple[str, Status, str], list[str]] = {}
    for one in consequences:
        titles = alike.setdefault((one.check, one.status, one.title.partition(": ")[2] or one.title), [])
        if one.title not in titles:
            titles.append(one.title)
    for (check, status, _), titles in alike.items():
        more = f" (and {len(titles) - 1} more)" if len(titles) > 1 else ""
        yield f"so {check} {'failed' if status is Status.FAIL else 'warns'}: {titles[0].removesuffix('.')}{more}."
