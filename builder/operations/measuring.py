"""Measure a pair for which no fact exists: do the wheels of the one find in the other all that they bind?"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from builder.errors import SourceUnreachableError, UnsatisfiableError, UsageError
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.binaries.dyld import Process
    from builder.checks.survey import Survey
    from builder.compat.model import Relation
    from builder.workspace import Workspace

#: The newest macOS whose wheels are taken: what they need of the system is another question.
_MACOS: Final = "26.0"
#: What stands in a fact of the lines that say what is missing.
_KEPT: Final = 6


@dataclass(frozen=True, kw_only=True)
class MeasureRequest:
    """Two exact versions, as `tensorflow==2.22.0`, on a Mac with Apple silicon."""

    packages: tuple[str, ...]
    python: str | None = None
    """A minor; default: the newest that both have wheels for."""


@dataclass(frozen=True, kw_only=True)
class MeasureResult:
    """What the comparison shows. `kept` is the fact and where it is, None where neither binds anything of the other."""

    versions: dict[str, str]
    python: str
    verdict: Literal["links", "fails", "unrelated"]
    bound: int
    """Symbols that the one binds and the other, or the libraries beside it, must have."""
    missing: tuple[str, ...]
    statement: str
    file: Path | None


def measure(workspace: Workspace, request: MeasureRequest) -> MeasureResult:
    """Unpack the wheels of both for osx-arm64, and look up in the one what the other's binaries bind; keep the answer.

    Any machine can do it: nothing is run. That everything is there means that it loads, not that it computes rightly.
    Raises UsageError, UnsatisfiableError where there are no such wheels, SourceUnreachableError.
    """
    from builder.checks.survey import Survey
    from builder.environment.environment import Environment
    from builder.scratch import scratch

    versions = dict(map(_parsed, request.packages))
    if len(versions) != 2 or len(request.packages) != 2:
        raise UsageError(
            "a measurement is of two packages with exact versions",
            hint="envbuild compat measure tensorflow==2.22.0 tensorflow-metal==1.3.0",
        )
    with scratch("envbuild-measure-") as folder:
        python = _unpack(workspace, versions, request.python, folder / "wheels")
        workspace.progress.update("measure", "looking up symbols")
        survey = Survey(Environment(folder / "wheels", subdir=Subdir.OSX_ARM64))
        bound, missing = _compared(survey, tuple(versions))
        workspace.progress.done("measure", f"{bound} symbols looked up")
    relation = _relation(workspace, versions, python, bound=bound, missing=missing) if bound or missing else None
    file = None
    if relation is not None:
        from builder.compat.own import keep

        file = keep(relation, workspace.facts_folder)
    names = " and ".join(f"{name} {version}" for name, version in versions.items())
    return MeasureResult(
        versions=versions,
        python=python,
        verdict="fails" if missing else "links" if bound else "unrelated",
        bound=bound,
        missing=missing,
        statement=relation.cause if relation is not None else f"neither of {names} binds symbols of the other",
        file=file,
    )


def _parsed(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"\s*([A-Za-z0-9][\w.-]*)\s*==?\s*(\d[\w.+!]*)\s*", text)
    if match is None:
        raise UsageError(f"{text!r} is not package==version", hint="write for instance tensorflow==2.22.0")
    return match[1].lower().replace("_", "-"), match[2]


def _unpack(workspace: Workspace, versions: dict[str, str], python: str | None, target: Path) -> str:
    """Both packages' wheels, and nothing else, unpacked; for which Python."""
    from builder.plan.catalogue import PYTHONS
    from builder.uv import Uv, UvFailure, is_unreachable, platform_name

    uv = Uv(environ=workspace.environ, project=workspace.project.root)
    pins = [f"{name}=={version}" for name, version in versions.items()]
    reason = ""
    for minor in (python,) if python is not None else PYTHONS:
        workspace.progress.update("measure", f"fetching {' and '.join(pins)} for Python {minor}")
        arguments = (
            "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", str(target),
            "--python-platform", platform_name(Subdir.OSX_ARM64), "--python-version", minor, *pins,
        )  # fmt: skip
        try:
            with uv.scratch() as (_, cwd):
                asyncio.run(uv.run(arguments, cwd=cwd, macos=_MACOS))
        except UvFailure as failure:
            if is_unreachable(failure.reason):
                raise SourceUnreachableError(f"the wheels cannot be fetched: {failure.reason}") from None
            reason = failure.reason
            continue
        return minor
    raise UnsatisfiableError(
        f"PyPI has no wheels of {' and '.join(pins)} for osx-arm64 and one Python: {reason.splitlines()[-1:]}",
        hint="check the versions; `--python` names another minor",
    )


def _compared(survey: Survey, names: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """How many symbols the binaries of either bind that the other's have to do with, and what is missing of them."""
    bound = 0
    missing: list[str] = []
    for process, owner in _entries(survey, names):
        others = {survey.packages.owner(image.rel) for image, _ in process.images.values()} - {owner}
        lines = survey.unbound(process)
        plugin = survey.packages.top_level(process.entry.rel) != owner
        if others & set(names) or (plugin and lines):
            bound += len(process.entry.imports)
            missing += [f"{process.entry.rel}: {line}" for line in lines]
    return bound, tuple(dict.fromkeys(missing))


def _entries(survey: Survey, names: tuple[str, ...]) -> Iterator[tuple[Process, str]]:
    for process in survey.processes:
        owner = survey.packages.owner(process.entry.rel)
        if owner in names:
            yield process, owner


def _relation(
    workspace: Workspace, versions: dict[str, str], python: str, *, bound: int, missing: tuple[str, ...]
) -> Relation:
    from builder.compat.model import Relation, Side

    facts = workspace.facts
    (left, left_version), (right, right_version) = (
        (facts.subject(name), version) for name, version in versions.items()
    )
    first, second = facts.display(left, left_version), facts.display(right, right_version)
    if missing:
        cause = f"{first} and {second} do not load together: {'; '.join(missing[:_KEPT])}"
    else:
        cause = f"all {bound} symbols that {first} and {second} bind are there"
    return Relation(
        id=f"own-{left}-{left_version}-{right}-{right_version}-cp{python.replace('.', '')}".lower(),
        source="envbuild compat measure, from the wheels that the index gave",
        established="measured",
        date=workspace.clock().date().isoformat(),
        measured_on=f"wheels for osx-arm64 and Python {python}, read on this machine",
        left=Side(package=left, versions=f"=={left_version}", origin="pypi"),
        right=Side(package=right, versions=f"=={right_version}", origin="pypi"),
        verdict="fails" if missing else "links",
        cause=cause,
        pythons=(python,),
    )
