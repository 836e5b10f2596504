"""What the compatibility facts say about versions that are installed: the half of a match that no symbol shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from builder.compat.fit import Judgement, Setting, judge_pair

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.compat.facts import Facts
    from builder.compat.model import Fact
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment


@dataclass(frozen=True, kw_only=True)
class Known:
    """What facts say about pairs, as lines for a finding; each names its source.

    `refused` and `unsafe` are (sentence, line with the source, remedy or None); `lines` what supports the pair, or says
    that nothing does.
    """

    refused: tuple[tuple[str, str, str | None], ...] = ()
    unsafe: tuple[tuple[str, str, str | None], ...] = ()
    lines: tuple[str, ...] = ()


def known_about(
    prefix: Environment,
    pairs: Iterable[tuple[Distribution, Distribution]],
    *,
    python: str | None,
    facts: Facts | None = None,
) -> Known:
    """What is known about each pair of installed distributions together, on the prefix's platform and `python` minor.

    Only about the pairs: that a version exists for the platform, its being installed shows better than a fact. A
    distribution whose version cannot be read is left out.
    """
    pairs = tuple(pairs)
    if not pairs:
        return Known()
    if facts is None:
        from builder.compat.load import load_facts  # here, for its time: few prefixes hold such pairs

        facts = load_facts()
    of_conda = {record.name for record in prefix.conda_records}
    setting = Setting(
        subdir=prefix.subdir,
        python=python,
        origins={
            facts.subject(dist.name): "conda-forge" for pair in pairs for dist in pair if _is_conda(dist, of_conda)
        },
    )
    found = Judgement()
    for left, right in pairs:
        known = _named(left, facts), _named(right, facts)
        if known[0] is not None and known[1] is not None:
            found += judge_pair(known[0], known[1], setting=setting, facts=facts)
    return _told(found)


def _told(found: Judgement) -> Known:
    proofs = dict.fromkeys(fact for fact in found.proofs if hasattr(fact, "cause"))
    return Known(
        refused=tuple(
            (refusal.statement, _sourced(refusal.facts[0], ""), refusal.remedy)
            for refusal in found.refusals
            if refusal.facts
        ),
        unsafe=tuple((relation.cause, _sourced(relation, ""), relation.remedy) for relation in found.unsafe),
        lines=(
            *[_sourced(fact, f"{getattr(fact, 'cause', '')}; ") for fact in proofs][:3],
            *(f"unproven: {text}" for text in dict.fromkeys(found.unproven)),
        ),
    )


def _sourced(fact: Fact, said: str) -> str:
    on = f" on {fact.measured_on}" if fact.measured_on else ""
    return f"fact {fact.id}: {said}{fact.established}{on}, {fact.date}; source: {fact.source}"


def _named(dist: Distribution, facts: Facts) -> tuple[str, Version] | None:
    """Name and version as facts have them: without a local part, which `+cpu` builds carry."""
    try:
        return facts.subject(dist.name), Version(Version(dist.version).public)
    except InvalidVersion:
        return None


def _is_conda(dist: Distribution, of_conda: set[str]) -> bool:
    return dist.installer == "conda" or (dist.name in of_conda and not re.fullmatch("uv|pip", dist.installer))
