"""From which macOS a symbol of macOS's own libraries exists: facts derived from the stubs of Apple's SDKs.

Since macOS 11 these libraries live in dyld's shared cache and not on disk, so that what they export is read from the
stubs (`.tbd` files) that each SDK has for them. The facts are package data, made by `tools/system_symbols.py`; a
library is read when it is first asked for. Sources: `data/README.md`.

A fact is an interval: the newest SDK that provably lacks a symbol, and the oldest that lists it. What lies between, and
what no SDK examined tells, is undecided: neither present nor absent.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final

#: (major, minor) of a macOS release.
MacOS = tuple[int, int]

DATA: Final = Path(__file__).parent / "data" / "system-symbols.zip"
#: The oldest SDK examined is that of 11.3; what it lists is taken as present on every macOS 11, the first for arm64.
OLDEST: Final[MacOS] = (11, 0)
_NEVER: Final[MacOS] = (999, 0)
#: The two symbols of an Objective-C class.
CLASS: Final = "_OBJC_CLASS_$_"
METACLASS: Final = "_OBJC_METACLASS_$_"
_FRAMEWORK: Final = re.compile(r"(.*/([^/]+)\.framework)/(?:Versions/[^/]+/)?([^/]+)")


class Presence(StrEnum):
    """Whether a macOS release has a symbol."""

    PRESENT = "present"
    ABSENT = "absent"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Since:
    """What is known of one symbol: it came after `absent_in` (None: not known to be absent anywhere) and is there from
    `present_in` on (None: in no SDK examined). `evidence` is the kind of source, as in `data/README.md`.
    """

    absent_in: MacOS | None = None
    present_in: MacOS | None = None
    evidence: str = ""

    def on(self, macos: tuple[int, ...]) -> Presence:
        """Whether macOS `macos` (major, minor, perhaps more) has the symbol."""
        release = (macos[0], macos[1] if len(macos) > 1 else 0)
        if self.present_in is not None and release >= self.present_in:
            return Presence.PRESENT
        if self.absent_in is not None and release <= self.absent_in:
            return Presence.ABSENT
        return Presence.UNDECIDED


UNKNOWN: Final = Since()


@dataclass(frozen=True)
class _Library:
    """One library: the symbols of its own, what it re-exports, and the newest SDK with a complete list of both."""

    symbols: dict[str, Since]
    reexports: tuple[str, ...]
    complete: MacOS | None


def release(text: str) -> MacOS:
    """`14.2` → (14, 2); `14` → (14, 0). Raises ValueError for what is no version of macOS."""
    match = re.fullmatch(r"(\d{1,3})(?:\.(\d{1,3}))?(?:\.\d{1,3})?", text)
    if match is None:
        raise ValueError(f"{text!r} is not a version of macOS, such as 14.2")
    return int(match[1]), int(match[2] or 0)


def read_symbols(text: str) -> dict[str, Since]:
    """A member of the archive: lines `@ ABSENT PRESENT EVIDENCE` (`-`: none), each followed by its symbols."""
    symbols: dict[str, Since] = {}
    since = UNKNOWN
    for line in text.splitlines():
        if line.startswith("@ "):
            absent, present, evidence = line[2:].split(" ", 2)
            since = Since(
                absent_in=None if absent == "-" else release(absent),
                present_in=None if present == "-" else release(present),
                evidence=evidence,
            )
        else:
            symbols[line] = since
    return symbols


class SystemSymbols:
    """The facts. Reads the index once and each library when it is asked for; safe to keep for a whole run."""

    def __init__(self, archive: Path = DATA) -> None:
        self._archive = archive
        self._libraries: dict[str, _Library] = {}

    @cached_property
    def _index(self) -> dict[str, Any]:
        with zipfile.ZipFile(self._archive) as opened:
            index: dict[str, Any] = json.loads(opened.read("index.json"))
        return index

    @property
    def date(self) -> str:
        """When the facts were derived (YYYY-MM-DD)."""
        return str(self._index["date"])

    @property
    def newest(self) -> MacOS:
        """The newest SDK among the sources: about later releases nothing is known."""
        return max(map(release, self._index["releases"]))

    def next_release(self, macos: MacOS) -> MacOS | None:
        """The oldest release examined that is newer than `macos`; None where there is none."""
        return min((found for text in self._index["releases"] if (found := release(text)) > macos), default=None)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Install name, and each framework without its version, → install name."""
        names: dict[str, str] = {}
        for name in self._index["libraries"]:
            names[name] = name
            match = _FRAMEWORK.fullmatch(name)
            if match is not None and match[2] == match[3]:
                names[f"{match[1]}/{match[3]}"] = name
        return names

    def _name(self, library: str) -> str | None:
        match = _FRAMEWORK.fullmatch(library)
        return self._names.get(library) or (self._names.get(f"{match[1]}/{match[3]}") if match else None)

    def _library(self, name: str) -> _Library:
        if name not in self._libraries:
            entry = self._index["libraries"][name]
            with zipfile.ZipFile(self._archive) as opened:
                text = opened.read(entry["member"]).decode()
            self._libraries[name] = _Library(
                symbols=read_symbols(text),
                reexports=tuple(entry["reexports"]),
                complete=release(entry["complete"]) if entry["complete"] else None,
            )
        return self._libraries[name]

    def _closure(self, name: str) -> dict[str, _Library]:
        """The library and all that it re-exports, by name."""
        found: dict[str, _Library] = {}
        pending = [name]
        while pending:
            current = pending.pop()
            if current not in found:
                found[current] = self._library(current)
                pending += found[current].reexports
        return found

    def since(self, library: str, symbol: bytes) -> Since:
        """What is known of `symbol` (as in the binary, with its underscore) of the library with that install name."""
        name = self._name(library)
        if name is None:
            return UNKNOWN
        text = symbol.decode("utf-8", "surrogateescape")
        found = [since for part in self._closure(name).values() if (since := _listed(part, text)) is not None]
        if found:
            return min(found, key=lambda since: (since.present_in or _NEVER, since.absent_in or OLDEST))
        complete = self._library(name).complete
        return UNKNOWN if complete is None else Since(absent_in=complete, evidence="sdk")

    def first_macos(self, library: str, symbol: bytes) -> MacOS | Presence:
        """The oldest release known to have the symbol; ABSENT where no SDK examined has it and the newest one provably
        lacks it; UNDECIDED where the sources do not tell.
        """
        found = self.since(library, symbol)
        if found.present_in is not None:
            return found.present_in
        return Presence.ABSENT if found.absent_in is not None and found.absent_in >= self.newest else Presence.UNDECIDED

    def with_reexports(self, library: str) -> frozenset[str]:
        """The library, by the name the facts know it by, and all that it re-exports; nothing for an unknown one."""
        name = self._name(library)
        return frozenset() if name is None else frozenset(self._closure(name))

    def providers(self, symbol: bytes) -> dict[str, Since]:
        """Install name → what is known, for every library that lists the symbol: for names looked up flat."""
        text = symbol.decode("utf-8", "surrogateescape")
        libraries = ((name, self._library(name)) for name in self._index["libraries"])
        return {name: since for name, library in libraries if (since := _listed(library, text)) is not None}


def _listed(library: _Library, symbol: str) -> Since | None:
    """What the library's own list says; a metaclass is listed only where it did not come with its class."""
    found = library.symbols.get(symbol)
    if found is None and symbol.startswith(METACLASS):
        found = library.symbols.get(CLASS + symbol.removeprefix(METACLASS))
    return found
