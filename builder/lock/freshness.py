"""Is a lock still the lock of its recipe? Answered from hashes, without solving and without the network."""

from __future__ import annotations

import codecs
import hashlib
import itertools
from typing import TYPE_CHECKING, Final

from builder.errors import LockfileError
from builder.files import read_ordinary
from builder.lock.content_hash import content_hashes
from builder.lock.groups import groups_asked_for, unreached
from builder.lock.model import InputHash
from builder.lock.provided import provided_distributions
from builder.names import canonical
from builder.plan.terms import MAIN_GROUP
from builder.wording import listing
from builder.yamlio import conflict_mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from builder.lock.model import Lock
    from builder.render.model import Rendered

#: Of a rendered file. The largest seen has 4 kB.
_MOST: Final = 1_000_000
#: How many packages are named of those in other groups than the recipe's, or in none.
_TOLD: Final = 3


def input_hashes(files: Mapping[str, str]) -> dict[str, InputHash]:
    """The hashes of each rendered file: what tells later, without solving, whether a lock is stale."""
    return {
        file: InputHash(
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            md5=hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
        )
        for file, text in sorted(files.items())
    }


def stale_reasons(lock: Lock, rendered: Rendered, folder: Path) -> tuple[str, ...]:
    """Why `lock`, kept in `folder`, is not the lock of `rendered`; empty when it is.

    `rendered` is what the recipe renders to now. The files in the folder are compared with it, and the
    hashes in the lock with both. A lock that stock conda-lock has written over records no input hashes; it is judged
    by conda-lock's content hashes, which may need the slow import of conda-lock. Of other locks those are compared
    where they can be told without it.
    """
    reasons: list[str] = []
    for file, text in rendered.files.items():
        what = _what_is_wrong(folder / file, text, lock.inputs.get(file))
        if what is not None:
            reasons.append(f"{file} {what}")
    if set(lock.platforms) != {specs.subdir for specs in rendered.platforms}:
        reasons.append("the lock is for other platforms: " + ", ".join(lock.platforms))
    elif lock.inputs:
        now = input_hashes(rendered.files)
        changed = sorted(file for file in now.keys() | lock.inputs.keys() if now.get(file) != lock.inputs.get(file))
        reasons += [f"the lock was made from a different {file}" for file in changed]
        if not reasons and content_hashes(rendered) not in (None, lock.content_hash):
            reasons.append("conda-lock's `content_hash` in it is not that of these files")
    elif _content_hashes(rendered) != dict(lock.content_hash):
        reasons.append("conda-lock's content hash differs")
    return tuple(reasons or _absent(lock, rendered) or _led_to_by_others(lock, rendered))


def _absent(lock: Lock, rendered: Rendered) -> list[str]:
    """What the rendered files ask for and the lock does not have, or not for those who ask: by a bad merge, by hand."""
    absent: dict[tuple[str, str], list[str]] = {}
    for specs in rendered.platforms:
        there = lock.on(specs.subdir)
        groups = {(one.manager, canonical(one.name)): one.groups for one in there}
        for line in (*specs.conda, *specs.pip):
            name = canonical(line.name)
            if {line.group, MAIN_GROUP} & {*groups.get((line.manager, name), ())}:
                continue
            if line.manager == "conda" or name not in provided_distributions(there):
                absent.setdefault((line.name, line.group), []).append(specs.subdir)
    return [
        f"the lock does not have {name}{'' if group == MAIN_GROUP else f' for the group {group}'} on {listing(subdirs)}"
        for (name, group), subdirs in absent.items()
    ]


def _led_to_by_others(lock: Lock, rendered: Rendered) -> list[str]:
    """The packages that nothing leads to, and those that the lock installs for other groups than those that do.

    Of a lock that stock conda-lock has written nothing is said: it may give groups in its own way.
    """
    if not lock.inputs:
        return []
    apart: dict[str, list[str]] = {}
    for specs in rendered.platforms:
        there, lines = lock.on(specs.subdir), (*specs.conda, *specs.pip)
        strays = unreached(there, lines)
        told = {one.name: f"nothing that is asked for leads to {one.name}, which is in it" for one in strays}
        for one, asked in zip(there, groups_asked_for(there, lines), strict=True):
            if one.groups != asked and one.name not in told:
                told[one.name] = f"{one.name} is in {_phrase(one.groups)}, and is asked for in {_phrase(asked)}"
        for reason in told.values():
            apart.setdefault(reason, []).append(specs.subdir)
    found = [f"{reason} (on {listing(subdirs)})" for reason, subdirs in apart.items()]
    return found if len(found) <= _TOLD else [*found[:_TOLD], f"{len(found) - _TOLD} more like that"]


def _phrase(groups: Sequence[str]) -> str:
    return f"the group{'' if len(groups) == 1 else 's'} {listing(groups)}"


def _what_is_wrong(file: Path, text: str, noted: InputHash | None) -> str | None:
    """What `file` is other than `text`, in words that follow its name; None where it is the same but for line ends.

    `noted` is the hash of what the lock was made from.
    """
    try:
        content = read_ordinary(file, limit=_MOST, error=LockfileError)
    except LockfileError as error:
        reason = error.plain.removeprefix("cannot be read: ")
        return f"cannot be read ({reason})" if file.exists() else "is missing"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "is UTF-16, and not the UTF-8 that was rendered"
    if content.startswith(codecs.BOM_UTF8):
        return "begins with a byte order mark, which an editor has put there"
    try:
        written = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return f"is not UTF-8 text (byte {error.start})"
    if written == text:
        return None
    if noted is None or noted.sha256 != _digest(written):
        if (line := conflict_mark(written)) is not None:
            return f"has both sides of a merge in it (line {line})"
        if not written.strip("\0 \n"):
            return "is empty"
        if text.startswith(written):
            return f"ends after line {len(written.splitlines())}: the rest of it is gone"
        if noted is not None and noted.sha256 == _digest(text):
            line = _first_difference(written, text)
            return f"was changed after locking: line {line} is not what the recipe renders to"
    return "is out of date: the recipe renders to something else now"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _first_difference(one: str, other: str) -> int:
    """The first line (1-based) that two different texts do not share."""
    pairs = itertools.zip_longest(one.splitlines(), other.splitlines())
    return next(number for number, (here, there) in enumerate(pairs, start=1) if here != there)


def _content_hashes(rendered: Rendered) -> dict[str, str]:
    from builder.lock import condalock

    return {subdir.value: digest for subdir, digest in condalock.content_hashes(rendered).items()}
