"""The packages of a lock that lies on disk as we and conda-lock write it, read line by line.

YAML is a large language, and PyYAML takes about ten times as long for a lock as what stands here. A lock that nobody
has written by hand uses a small part of it: one entry after the other, always with the same fields in the same order.
What is read here is read as PyYAML reads it; of anything else, `read_lines` gives None, and `lock.read` asks PyYAML.
The tests compare the two on mutated locks.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final, Literal, NamedTuple, cast

import yaml


class Entry(NamedTuple):
    """An entry of a lock's `package:`, as it is written."""

    name: str
    version: str
    manager: Literal["conda", "pip"]
    platform: str
    dependencies: dict[str, str]
    url: str
    md5: str | None
    sha256: str | None
    category: str


class Lines(NamedTuple):
    """A lock's entries, and the YAML text of all that stands before them."""

    head: str
    entries: list[Entry]


#: A scalar that is quoted, or plain and without what could end or begin something else.
_SCALAR: Final = r"(?:'[ -&(-~]*'|[A-Za-z0-9_=<~./][A-Za-z0-9_.+!*<>=,~|/-]*)"
_WORD: Final = r"[A-Za-z_][A-Za-z0-9_.+-]*"
_ENTRY: Final = re.compile(
    rf"- name: ({_WORD})\n"
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
    r"  optional: (?:true|false)\n"
)
#: Comments, then the first key: what follows are further keys of the same mapping.
_HEAD: Final = re.compile(r"(?:#[ -~]*\n)*version: 1\n[\n -~]*")
_VERSION: Final = re.compile(r"[A-Za-z0-9_.!+~*-]+")
_LETTER: Final = re.compile(r"^[0-9a-f]*[ac-f]")
_DOCUMENT: Final = re.compile(r"^(?:---|\.\.\.|%)", re.MULTILINE)
_START: Final = "\npackage:\n"
_TEXT: Final = "tag:yaml.org,2002:str"


def read_lines(text: str) -> Lines | None:
    """The entries of a lock in the layout that is always written; None for any other text."""
    end = text.find(_START) + 1
    head = text[:end]
    if not end or _HEAD.fullmatch(head) is None or _DOCUMENT.search(head) is not None:
        return None
    place, entries = end + len(_START) - 1, []
    try:
        while place < len(text):
            found = _ENTRY.match(text, place)
            if found is None:
                return None
            place = found.end()
            entries.append(_entry(found))
    except ValueError:
        return None
    return Lines(head, entries) if entries else None


def _entry(found: re.Match[str]) -> Entry:
    name, version, manager, platform, dependencies, url, md5, sha256, category = found.groups()
    version = _text(version)
    if _VERSION.fullmatch(version) is None:
        raise ValueError(version)
    needs = {}
    for line in dependencies.splitlines() if dependencies is not None else ():
        key, _, value = line[4:].partition(": ")
        needs[_text(key)] = _text(value)
    return Entry(
        name=_text(name),
        version=version,
        manager=cast("Literal['conda', 'pip']", manager),
        platform=_text(platform),
        dependencies=needs,
        url=url,
        md5=_hash(md5),
        sha256=_hash(sha256),
        category=_text(category),
    )


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
