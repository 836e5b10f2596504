"""What fits what: tables of the facts, and the explanation of exact versions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.compat.explain import explain_by_origin
from builder.errors import UsageError
from builder.frameworks import registry
from builder.operations.outputs import require_writable, write_output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from builder.compat.explain import Explanation
    from builder.compat.model import BlasVariant
    from builder.compat.tables import Grid, ReleaseRow
    from builder.platforms import Subdir
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CompatRequest:
    """Which tables: those about `packages` (empty: all), at one `version` of the first of them, on one platform."""

    packages: tuple[str, ...] = ()
    version: str | None = None
    platform: Subdir | None = None
    html: Path | None = None
    """Also write the tables as heat maps to this file."""


@dataclass(frozen=True, kw_only=True)
class CompatResult:
    """The tables; `packages` are the names as the facts have them."""

    packages: tuple[str, ...]
    grids: tuple[Grid, ...]
    releases: tuple[ReleaseRow, ...]
    blas: tuple[BlasVariant, ...]
    as_of: str
    """The day of the newest fact."""


@dataclass(frozen=True, kw_only=True)
class ExplainRequest:
    """Exact versions as people write them: `tensorflow=2.18`, `python=3.12`."""

    versions: tuple[str, ...]
    platform: Subdir | None = None
    macos: str | None = None
    """The macOS that is to run it; also `macos=14.0` among the versions."""


@dataclass(frozen=True, kw_only=True)
class ExplainResult:
    """The answer for each origin that facts know the packages from, with every reason."""

    explanations: tuple[Explanation, ...]


def explain(workspace: Workspace, request: ExplainRequest) -> ExplainResult:
    """Why versions do or do not fit each other. Raises UsageError."""
    from builder.compat.explain import parse

    if not request.versions:
        raise UsageError("nothing to explain", hint="envbuild compat explain tensorflow=2.18 tensorflow-metal=1.1.0")
    facts = workspace.facts
    versions = parse((*request.versions, *([f"macos={request.macos}"] if request.macos else [])), facts)
    return ExplainResult(explanations=explain_by_origin(versions, subdir=request.platform, facts=facts))


def compat(workspace: Workspace, request: CompatRequest) -> CompatResult:
    """The tables about some packages or all. Raises UsageError where no fact is about what was asked."""
    from builder.compat.tables import grids, releases

    html = None if request.html is None else workspace.path(request.html)
    require_writable(html)
    facts = workspace.facts
    names = tuple(map(facts.subject, request.packages))
    for name in names:
        if name not in facts.packages:
            raise UsageError(f"no fact is about {name!r}", hint=f"facts are about {', '.join(sorted(facts.packages))}")
    version, platform = request.version, request.platform
    if version is not None:
        _check_version(version, names)
    found = tuple(grids(facts, packages=names, version=version))
    mains = tuple(entry.main for entry in registry.all_frameworks() if entry.main)
    rows = tuple(releases(facts, packages=names or mains, version=version, platform=platform))
    if not found and not rows:
        asked = f"{names[0]} {version}" if version else names[0]
        place = f" on {platform}" if platform else ""
        raise UsageError(f"no fact is about {asked}{place}", hint=f"envbuild compat --package {names[0]}")
    if html is not None:
        from builder.compat.page import page

        made = replace(workspace.made(), machine="")  # facts hold on any
        write_output(html, page(found, made=made, as_of=facts.newest_date))
        workspace.progress.note(f"{len(found)} heat maps written to {html}")
    return CompatResult(packages=names, grids=found, releases=rows, blas=tuple(facts.blas), as_of=facts.newest_date)


def _check_version(text: str, names: Sequence[str]) -> None:
    from packaging.version import InvalidVersion, Version

    if not names:
        raise UsageError("--version narrows the tables of a --package", hint="add for instance --package tensorflow")
    try:
        Version(text)
    except InvalidVersion:
        raise UsageError(f"{text!r} is not a version", hint="write for instance 2.18 or 2.18.1") from None
