"""What a new plan keeps of the lock there is: its framework, plug-in and Python, where they still fit.

Facts and channels grow every week. A lock that is made again because somebody has added a package should not move to
another TensorFlow for that alone; `envbuild update` is how one asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, structs
from packaging.specifiers import SpecifierSet

from builder.plan.pins import Pin
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.version import Version

    from builder.plan.question import Question


class Held(Struct, frozen=True):
    """A package of the lock there is."""

    manager: Literal["conda", "pip"]
    version: Version


#: By platform what a lock has: the name that facts have for a package → the package. What may move is left out.
Kept = Mapping[Subdir, Mapping[str, Held]]


def staying(question: Question, kept: Kept) -> Iterator[Question]:
    """The question with less and less of what the lock has fixed: framework and Python, the framework, the Python.

    Nothing where the framework comes from another place than the question's provider takes it from.
    """
    framework, provider = question.framework, question.targets[0].provider
    python = _same(question, kept, "python")
    minors = tuple(minor for minor in question.minors if python is not None and _minor(python) == minor)
    main = _same(question, kept, framework.main)
    plugin = _same(question, kept, question.plugin or "", of_plugin=True)
    if framework.main and any(framework.main in kept.get(target.subdir, {}) for target in question.targets):
        held = next(h for t in question.targets if (h := kept.get(t.subdir, {}).get(framework.main)) is not None)
        if held.manager != provider.manager or (plugin is not None) != any(t.plugin for t in question.targets):
            return
    if main is not None:
        fixed = _fixed(question, {framework.main: main, **({question.plugin or "": plugin} if plugin else {})})
        if minors:
            yield replace(fixed, minors=minors)
        yield fixed
    if minors and minors != question.minors:
        yield replace(question, minors=minors)


def _same(question: Question, kept: Kept, package: str, *, of_plugin: bool = False) -> Held | None:
    """What the lock has of a package on all platforms (that want the plug-in), where that is one version."""
    targets = [target for target in question.targets if target.plugin or not of_plugin]
    found = {kept.get(target.subdir, {}).get(package) for target in targets}
    return found.pop() if len(found) == 1 else None


def _minor(python: Held) -> str:
    return f"{python.version.major}.{python.version.minor}"


def _fixed(question: Question, versions: Mapping[str, Held]) -> Question:
    pins = tuple(
        Pin(package=package, versions=(SpecifierSet(f"=={held.version}"),), text=f"=={held.version}", where="the lock")
        for package, held in versions.items()
    )
    return replace(
        question, targets=tuple(structs.replace(target, pins=(*target.pins, *pins)) for target in question.targets)
    )
