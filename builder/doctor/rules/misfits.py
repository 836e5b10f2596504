"""Class D: packages that are known not to work together, by the versions that are recorded.

`verify` judges the environment that is meant by its binaries, which says more. This is for those that it does not read:
what only a program or a kernel runs, and what is known of another machine by its records alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.doctor import headers
from builder.doctor.installed import conda_packages
from builder.doctor.model import Diagnosis, Interpreter, Place, Presence
from builder.doctor.rules.broken import examined
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.compat.model import Relation
    from builder.doctor.case import Case


def diagnose(case: Case) -> Iterator[Diagnosis]:
    for interpreter in examined(case):
        prefix = interpreter.prefix
        verified = case.meant is not None and case.same(interpreter, case.meant.interpreter) and not interpreter.outline
        if prefix is None or verified or interpreter.presence is not Presence.PRESENT or not case.has(interpreter):
            continue
        found = list(_misfits(case, interpreter))
        if not found:
            continue
        first, both = found[0]
        yield Diagnosis(
            check="env.facts",
            klass="D",
            sentence=f"{case.show(prefix)} has {both}, which do not work together: {first.cause.partition(';')[0]}",
            decided_by=(Place(file=prefix),),
            remedy=Remedy(first.remedy or "take versions that fit each other, as `envbuild compat` shows them"),
            evidence=tuple(
                line
                for one, _ in found
                for line in (one.cause, f"fact {one.id}: {one.established}, {one.date}; source: {one.source}")
            ),
            subject=str(prefix),
        )


def _misfits(case: Case, interpreter: Interpreter) -> Iterator[tuple[Relation, str]]:
    """Each relation that fails, with the two packages it is about as they are installed."""
    from builder.compat.load import load_facts
    from builder.compat.together import together
    from builder.frameworks import registry

    assert interpreter.prefix is not None
    recorded = {name: version for name, (version, _) in conda_packages(case.around.disk, interpreter.prefix).items()}
    packages = {
        ("conda" if recorded.get(name) == version else "pip", name): version
        for name, version in interpreter.packages.items()
    }
    if interpreter.version is not None:
        packages["conda", "python"] = interpreter.version
    facts = load_facts(also=registry.fact_folders())
    installed = {facts.subject(name): f"{name} {version}" for (_, name), version in packages.items()}
    target = headers.platform(interpreter.arch, is_mac=case.around.machine.is_mac)
    for relation in together(packages, facts=facts, subdir=target).fails:
        yield relation, " and ".join(installed[side.package] for side in (relation.left, relation.right))
