"""The packages of a lock that lies on disk as we and conda-lock write it, read line by line.

YAML is a large language, and PyYAML takes about ten times as long for a lock as what stands here. A lock that nobody
has written by hand uses a small part of it: one entry after the other, always with the same fields in the same order.
What is read here is read as PyYAML reads it; of anything else, `read_lines` gives None, and `lock.read` asks PyYAML.
The tests compare the two on mutated locks.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, Final, Literal, NamedTuple, cast

import yaml

from builder.lock.model import LockedPackage
from builder.platforms import TARGETS


class Lines(NamedTuple):
    """A lock's entries, and the YAML text of all that stands before them."""

    head: str
    entries: list[LockedPackage]
    """As they are written: a package that several groups need has an entry for each."""


#: A scalar that is quoted, or plain and without what could end or begin something else.
_SCALAR: Final = r"(?:'[ -&(-~]*'|[A-Za-z0-9_=<~./][A-Za-z0-9_.+!*<>=,~|/-]*)"
_WORD: Final = r"[A-Za-z_][A-Za-z0-9_.+-]*"
_FIRST: Final = "- name: "
_ENTRY: Final = re.compile(
    rf"({_WORD})\n"
    rf"  version: ({_SCALAR})\n"
    r"  manager: (conda|pip)\n"
    rf"  platform: ({_WORD})\n"
    rf"  dependencies:(?: {{}}\n|\n((?:    {_WORD}: {_SCALAR}\n)+))"
    r"  url: ([a-z]+://[!-Z\\^-~]*[!-9;-Z\\^-~])\n"
    # Without either below it, `hash` is null.
    r"  hash:\n(?=    (?:md5|sha256): )"
    r"(?:    md5: ([0-9a-f]{32}|'[0-9a-f]{32}')\n)?"
    r"(?:    sha256: ([0-9a-f]{64}|'[0-9a-f]{64}')\n)?"
    rf"  category: ({_WORD})\n"
    r"  optional: (?:true|false)"
)
#: Comments, then the first key: what follows are further keys of the same mapping.
_HEAD: Final = re.compile(r"(?:#[ -~]*\n)*version: 1\n[\n -~]*")
_VERSION: Final = re.compile(r"[A-Za-z0-9_.!+~*-]+")
_LETTER: Final = re.compile(r"^[0-9a-f]*[ac-f]")
_DOCUMENT: Final = re.compile(r"^(?:---|\.\.\.|%)", re.MULTILINE)
_START: Final = "\npackage:\n"
#: Locks of one team have most entries in common; those that were read last are kept for the next lock: some 20 MB.
_MOST_KEPT: Final = 1 << 14
_SUBDIRS: Final = {subdir.value: subdir for subdir in TARGETS}
_TEXT: Final = "tag:yaml.org,2002:str"


def read_lines(text: str) -> Lines | None:
    """The entries of a lock in the layout that is always written; None for any other text."""
    end = text.find(_START) + 1
    head = text[:end]
    if not end or _HEAD.fullmatch(head) is None or _DOCUMENT.search(head) is not None:
        return None
    before, *entries = text[end + len(_START) - 2 :].split(f"\n{_FIRST}")
    if before or not entries or not entries[-1].endswith("\n"):
        return None
    entries[-1] = entries[-1].removesuffix("\n")
    try:
        return Lines(head, [_entry(entry) for entry in entries])
    except ValueError:
        return None


@lru_cache(maxsize=_MOST_KEPT)
def _entry(written: str) -> LockedPackage:
    """An entry without `- name: ` and its last line break. Raises ValueError for what PyYAML is to read."""
    found = _ENTRY.fullmatch(written)
    if found is None:
        raise ValueError(written)
    name, version, manager, platform, dependencies, url, md5, sha256, category = found.groups()
    version = _text(version)
    if _VERSION.fullmatch(version) is None or platform not in _SUBDIRS:
        raise ValueError(written)
    return LockedPackage(
        manager=cast("Literal['conda', 'pip']", manager),
        name=_text(name),
        version=version,
        subdir=_SUBDIRS[platform],
        url=url,
        sha256=_hash(sha256),
        md5=_hash(md5),
        dependencies=_dependencies(dependencies or ""),
        groups=(_text(category),),
    )


@lru_cache(maxsize=_MOST_KEPT)
def _dependencies(written: str) -> dict[str, str]:
    pairs = (line[4:].partition(": ") for line in written.splitlines())
    return {_text(key): _text(value) for key, _, value in pairs}


def _hash(written: str | None) -> str | None:
    # Of digits and `b` alone it may be a number to YAML.
    return written if written is None or _LETTER.search(written) else _text(written)


@cache
def _text(written: str) -> str:
    """The string that a scalar is read as. Raises ValueError for one that is read as something else (`1.5`, `yes`)."""
    if written.startswith("'"):
        return written[1:-1]
    if not is_text(written):
        raise ValueError(written)
    return written


def is_text(plain: str) -> bool:
    """Whether YAML reads a scalar without quotation marks as text, not as a number, a date, a truth or null."""
    tag: str = _resolver().resolve(yaml.ScalarNode, plain, (True, False))
    return tag == _TEXT


@cache
def _resolver() -> Any:
    return yaml.SafeLoader("")
