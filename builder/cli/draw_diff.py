"""A diff of locks as text, as Markdown for a pull request, and as `--json` gives it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from builder.lock.diff import Kind, Rank
from builder.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.lock.diff import Change
    from builder.lock.model import LockedPackage
    from builder.operations.diffing import Comparison, Download

_SIGNS: Final = {
    Kind.ADDED: "+",
    Kind.REMOVED: "-",
    Kind.UP: "↑",
    Kind.DOWN: "↓",
    Kind.CHANGED: "~",
    Kind.REBUILT: "=",
}
_MANAGERS: Final = {"conda": "conda", "pip": "PyPI"}


def text(comparison: Comparison) -> str:
    """For a terminal: one line a change, what matters most first, platforms that agree together."""
    return "\n".join(_lines(comparison))


def markdown(comparison: Comparison) -> str:
    """For a pull request: a heading, a table, and what is to be downloaded."""
    return "\n".join(_markdown(comparison))


def as_json(comparison: Comparison) -> dict[str, Any]:
    from builder.operations.diffing import changes_of

    return {
        "name": comparison.name,
        "before": comparison.before,
        "after": comparison.after,
        "same": comparison.diff.same,
        "platforms": {
            "added": [subdir.value for subdir in comparison.diff.added],
            "removed": [subdir.value for subdir in comparison.diff.removed],
        },
        "changes": [
            {
                "platform": subdir.value,
                "name": change.name,
                "kind": change.kind.value,
                "rank": change.rank.value,
                "before": _side(change.before),
                "after": _side(change.after),
            }
            for subdir, change in changes_of(comparison)
        ],
        "downloads": {
            subdir.value: {"bytes": download.size, "packages": download.packages, "unknown": download.unknown}
            for subdir, download in comparison.downloads.items()
        },
    }


def _side(package: LockedPackage | None) -> dict[str, str] | None:
    if package is None:
        return None
    return {"version": package.version, "build": package.build, "manager": package.manager}


def _title(comparison: Comparison) -> str:
    name = f"{comparison.name}: " if comparison.name else ""
    return f"{name}{comparison.before} → {comparison.after}"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield _title(comparison)
    diff = comparison.diff
    if diff.same:
        yield "  no difference"
        return
    yield from (f"  + platform {subdir}" for subdir in diff.added)
    yield from (f"  - platform {subdir}" for subdir in diff.removed)
    several = len(diff.changes) > 1
    # Builds may differ where the lines do not.
    told: dict[str, list[str]] = {}
    for folded in diff.folded():
        change = folded.change
        line = f"  {_SIGNS[change.kind]} {change.name} {_versions(change, comparison)}"
        told.setdefault(line, []).extend(folded.subdirs)
    yield from (f"{line}  ({', '.join(subdirs)})" if several else line for line, subdirs in told.items())
    for subdir, download in comparison.downloads.items():
        yield f"  download for {subdir}: {_amount(download)}"


def _versions(change: Change, comparison: Comparison) -> str:
    before, after = change.before, change.after
    if before is None or after is None:
        side = comparison.before if after is None else comparison.after
        only = f", only on {side}" if comparison.between_platforms else ""
        return f"{change.package.version}{_from_pypi(change)}{only}"
    if before.version != after.version:
        return f"{before.version} → {after.version}{_from_pypi(change)}"
    if before.manager != after.manager:
        return f"{after.version}{_from_pypi(change)}"
    # Of all others the build is a hash that says nothing to a reader, and may differ between folded platforms.
    builds = f": {before.build} → {after.build}" if change.rank is not Rank.OTHER and before.build else ""
    return f"{after.version} rebuilt{builds}"


def _from_pypi(change: Change) -> str:
    before, after = change.before, change.after
    if before is not None and after is not None and before.manager != after.manager:
        return f" (from {_MANAGERS[before.manager]} to {_MANAGERS[after.manager]})"
    return " (PyPI)" if change.package.manager == "pip" else ""


def _markdown(comparison: Comparison) -> Iterator[str]:
    yield f"### {_escaped(_title(comparison))}"
    yield ""
    diff = comparison.diff
    if diff.same:
        yield "No difference."
        return
    for word, subdirs in (("added", diff.added), ("removed", diff.removed)):
        if subdirs:
            yield f"Platforms {word}: {', '.join(subdirs)}"
            yield ""
    yield "| | package | before | after | platforms |"
    yield "|---|---|---|---|---|"
    for folded in diff.folded():
        change = folded.change
        name = f"**{_escaped(change.name)}**" if change.rank is not Rank.OTHER else _escaped(change.name)
        before, after = (_cell(package, change) for package in (change.before, change.after))
        yield f"| {change.kind} | {name} | {before} | {after} | {', '.join(folded.subdirs)} |"
    if comparison.downloads:
        yield ""
        amounts = (f"{_amount(download)} for {subdir}" for subdir, download in comparison.downloads.items())
        yield f"Download: {'; '.join(amounts)}."


def _cell(package: LockedPackage | None, change: Change) -> str:
    if package is None:
        return ""
    build = f" {package.build}" if change.kind is Kind.REBUILT and change.rank is not Rank.OTHER else ""
    pypi = " (PyPI)" if package.manager == "pip" else ""
    return _escaped(f"{package.version}{build}{pypi}")


def _escaped(told: str) -> str:
    """Text that Markdown shows as it is: names of locks and revisions are anybody's."""
    return re.sub(r"([\\`*_{}\[\]<>#|~@&])", r"\\\1", told.replace("\n", " "))


def _amount(download: Download) -> str:
    packages = plural(download.packages, "package")
    if download.unknown == download.packages:
        return f"{packages}, size not known"
    size = f"{download.size / 1e6:,.1f} MB" if download.size >= 100_000 else f"{download.size / 1e3:,.1f} kB"
    unknown = f", of which the size of {download.unknown} is not known" if download.unknown else ""
    return f"{size} in {packages}{unknown}"
