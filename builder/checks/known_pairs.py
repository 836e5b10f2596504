"""What the compatibility facts say about versions that are installed: the half of a match that no symbol shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.version import InvalidVersion, Version

from builder.checks.architecture import usual_python

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.compat.fit import Judgement
    from builder.compat.model import Fact
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment

#: Distributions that facts know by another name.
_NAMES: Final = {
    "tensorflow-macos": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-intel": "tensorflow",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What facts say about pairs, as lines for a finding; each names its source.

    `refused` and `unsafe` are (sentence, line with the source, remedy or None); `lines` what supports the pair, or says
    that nothing does.
    """

    refused: tuple[tuple[str, str, str | None], ...] = ()
    unsafe: tuple[tuple[str, str, str | None], ...] = ()
    lines: tuple[str, ...] = ()


def verdict(prefix: Environment, pairs: Iterable[tuple[Distribution, Distribution]]) -> Verdict:
    """What is known about each pair of installed distributions together, on the prefix's platform and Python.

    Only about the pairs: that a version exists for the platform, its being installed shows better than a fact. A
    distribution whose version cannot be read is left out.
    """
    from builder.compat.fit import Judgement, Setting, judge_pair  # here, for its time: few prefixes hold such pairs
    from builder.compat.load import load_facts

    pairs = tuple(pairs)
    if not pairs:
        return Verdict()
    facts = load_facts()
    python = prefix.python_version or usual_python(prefix.distributions)
    of_conda = {record.name for record in prefix.conda_records}
    setting = Setting(
        subdir=prefix.subdir,
        python=f"{python[0]}.{python[1]}" if python else None,
        origins={_name(dist): "conda-forge" for pair in pairs for dist in pair if _is_conda(dist, of_conda)},
    )
    found = Judgement()
    for left, right in pairs:
        known = _known(left), _known(right)
        if known[0] is not None and known[1] is not None:
            found += judge_pair(known[0], known[1], setting=setting, facts=facts)
    return _told(found)


def _told(found: Judgement) -> Verdict:
    proofs = dict.fromkeys(fact for fact in found.proofs if hasattr(fact, "cause"))
    return Verdict(
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


def _known(dist: Distribution) -> tuple[str, Version] | None:
    """Name and version as facts have them: without a local part, which `+cpu` builds carry."""
    try:
        return _name(dist), Version(Version(dist.version).public)
    except InvalidVersion:
        return None


def _name(dist: Distribution) -> str:
    return _NAMES.get(dist.name, dist.name)


def _is_conda(dist: Distribution, of_conda: set[str]) -> bool:
    return dist.installer == "conda" or (dist.name in of_conda and not re.fullmatch("uv|pip", dist.installer))
