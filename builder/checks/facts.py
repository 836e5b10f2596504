"""Every pair of installed packages that facts are about, wherever each of them came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.checks.check import Check, Needs
from builder.compat.model import OPENMP_CHECK
from builder.finding import Finding, Remedy, Status
from builder.frameworks import registry
from builder.wording import capital, listed, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.subject import Subject
    from builder.compat.model import Relation
    from builder.environment.environment import Environment

_ID: Final = "pkg.facts"


def _facts(subject: Subject) -> Iterator[Finding]:
    from builder.compat.load import load_facts
    from builder.compat.together import together

    environment = subject.environment
    packages = _packages(environment)
    if not packages:
        yield Finding(check=_ID, status=Status.SKIP, title="There are no packages here that facts could be about")
        return
    facts = load_facts(also=registry.fact_folders())
    target = subject.survey.target
    found = together(packages, facts=facts, subdir=target)
    # Of these, checks of their own say more: what the plug-in binds, what the other declares.
    told = {plugin.name for plugin in registry.gpu_plugins()} | registry.matched()
    fails = [one for one in found.fails if not told & _sides(one)]
    unsafe = [one for one in found.unsafe if not told & _sides(one) and one.check != OPENMP_CHECK]
    for relation in fails:
        yield _finding(relation, Status.FAIL, capital(relation.cause))
    for relation in unsafe:
        yield _finding(relation, Status.WARN, f"Known to give wrong results: {relation.cause}")
    if not fails and not unsafe:
        about = len({facts.subject(name) for _, name in packages} & facts.packages)
        yield Finding(
            check=_ID,
            status=Status.PASS if about > 1 else Status.SKIP,
            title=f"No fact speaks against any pair of the {plural(about, 'package')} here that facts are about"
            if about > 1
            else "Facts are about fewer than two of the packages here",
            evidence=listed([f"unproven: {text}" for text in found.unproven], most=6),
        )


def _packages(environment: Environment) -> dict[tuple[str, str], str]:
    """(conda or pip, name) → version, as a lock would have them."""
    found = {("conda", record.name): record.version for record in environment.conda_records}
    of_conda = {record.name for record in environment.conda_records}
    for dist in environment.distributions:
        owner = environment.owners.owner_of_distribution(dist)
        if owner.manager == "pip" and not (dist.name in of_conda and dist.installer == "conda"):
            found["pip", dist.name] = dist.version
    return found


def _sides(relation: Relation) -> set[str]:
    return {relation.left.package, relation.right.package}


def _finding(relation: Relation, status: Status, title: str) -> Finding:
    on = f" on {relation.measured_on}" if relation.measured_on else ""
    return Finding(
        check=_ID,
        status=status,
        title=title,
        evidence=(f"fact {relation.id}: {relation.established}{on}, {relation.date}; source: {relation.source}",),
        remedy=Remedy(f"{capital(relation.remedy)}.") if relation.remedy else None,
        about=frozenset(_sides(relation)),
    )


CHECKS: Final = (
    Check(
        id=_ID,
        area="packages",
        needs=Needs.FILES,
        catches="Two packages that are known not to work, or to compute wrongly, together; facts have their sources.",
        otherwise="Whatever the fact is about: an import that fails, or a number that is wrong without any message.",
        run=_facts,
    ),
)
