"""Two sides of a merge: which versions a new lock is to stay at, which proofs still hold, what conflict marks mean."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from builder.lock.diff import Change, Kind
from builder.lock.proof import packages_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from builder.lock.model import Lock, LockedPackage
    from builder.lock.proof import PlatformProof

#: The lines that git sets around the two sides of a conflict; `|` begins what both come from, in some styles.
_MARK: Final = re.compile(rb"(<{7}|\|{7}|={7}|>{7})(?: .*)?\r?")

Key = tuple[str, str, str]


def pins_of_both(base: Lock | None, ours: Lock | None, theirs: Lock | None) -> Lock | None:
    """A lock to prefer (`Previous`), and not one to install: package by package what the two sides moved to.

    What one side alone has moved, or has alone, is as that side has it. Of what both have moved, the newer version;
    where neither is newer, ours. None where neither side has a lock. `base` is what both come from.
    """
    if ours is None or theirs is None:
        return ours or theirs
    old = _by_key(base.packages) if base is not None else {}
    one, other = _by_key(ours.packages), _by_key(theirs.packages)
    chosen = (_pin(old.get(key), one.get(key), other.get(key)) for key in sorted(one.keys() | other.keys()))
    return replace(
        ours,
        platforms=tuple(dict.fromkeys((*ours.platforms, *theirs.platforms))),
        packages=tuple(package for package in chosen if package is not None),
    )


def _pin(base: LockedPackage | None, ours: LockedPackage | None, theirs: LockedPackage | None) -> LockedPackage | None:
    if ours is None or theirs is None:
        return ours or theirs
    if base is not None and _same(ours, base):
        return theirs
    if _same(ours, theirs) or (base is not None and _same(theirs, base)):
        return ours
    return theirs if Change(before=ours, after=theirs).kind is Kind.UP else ours


def _same(one: LockedPackage, other: LockedPackage) -> bool:
    return (one.version, one.without_names, one.sha256) == (other.version, other.without_names, other.sha256)


def _by_key(packages: Iterable[LockedPackage]) -> dict[Key, LockedPackage]:
    return {(package.subdir.value, package.manager, package.name): package for package in packages}


def proofs_that_hold(lock: Lock, sides: Iterable[Mapping[str, PlatformProof]]) -> dict[str, PlatformProof]:
    """Of both sides' proofs those that are of exactly the packages of `lock`, platform by platform."""
    held: dict[str, PlatformProof] = {}
    for subdir in lock.platforms:
        digest = packages_digest(lock.on(subdir))
        for proofs in sides:
            proof = proofs.get(subdir.value)
            if proof is not None and proof.digest == digest:
                held.setdefault(subdir.value, proof)
    return held


def sides_in(content: bytes) -> tuple[bytes, bytes] | None:
    """Both sides of a file with conflict marks, ours first, in any of git's styles; None where it has no marks.

    Marks that do not belong together (a part of the file is gone) count as none.
    """
    ours: list[bytes] = []
    theirs: list[bytes] = []
    inside, found = b"", False
    for line in content.splitlines(keepends=True):
        mark = _MARK.fullmatch(line.rstrip(b"\r\n"))
        kind = mark[1][:1] if mark else b""
        following = {b"": b"<", b"<": b"|=", b"|": b"=", b"=": b">"}[inside]
        if kind and kind in following:
            inside, found = (b"" if kind == b">" else kind), True
        elif kind in (b"<", b">"):
            return None
        else:
            if inside in (b"", b"<"):
                ours.append(line)
            if inside in (b"", b"="):
                theirs.append(line)
    return (b"".join(ours), b"".join(theirs)) if found and not inside else None
