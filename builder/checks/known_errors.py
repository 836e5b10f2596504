"""Known error texts → cause → remedy (`data/known_errors.yaml`): one table and one matcher for verification and doctor.

Which of several entries that fit a text is the answer (tested in tests/unit/checks/test_known_errors.py):

1. the more specific level: `exact` (one cause), `general` (what failed, not why), `consequence` (a wrapper that says
   that something else failed), `harmless`;
2. errors before warnings that the process survives;
3. the one whose line comes first: in a chain of exceptions and in an installer's log the cause is printed before its
   consequences;
4. the one that stands first in the table.

Matching takes linear time. A pattern is tried only around its `hints`, literal texts that are found by `str.find`, in a
window of a few thousand characters, and around a limited number of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
import yaml

from builder.errors import FactsError
from builder.models import Check, Model, validated
from builder.names import distribution_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_FILE: Final = "known_errors.yaml"
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Level = Literal["exact", "general", "consequence", "harmless"]
System = Literal["osx", "linux", "windows"]

#: The more specific ones first.
_LEVELS: Final[tuple[Level, ...]] = ("exact", "general", "consequence", "harmless")

#: Characters around a hint in which its pattern is searched. dyld names every path it tried on one line.
_BEFORE: Final = 1_500
_AFTER: Final = 4_000
#: So many occurrences of a hint are looked at from the start of a text, and as many from its end.
_OCCURRENCES: Final = 16
#: Where a match begins with such a line, the one that it ends in is shown.
_SAYS_NOTHING: Final = re.compile(r"Traceback \(most recent call last\)|^(?:Cell|Input) In ?\[")
#: Longer texts were copied, not typed: in them capital letters are what they are. Patterns are slower without that.
_LONGEST_BY_HAND: Final = 2_000
#: A shorter hint would be found everywhere.
_SHORTEST_HINT: Final = 5

#: Stands for a group that is not in the text, until what it leaves is taken out.
_ABSENT: Final = "\x00"
_LEFT_BY_ABSENT: Final = re.compile(r" ?[(']\x00(?:[ ,;:]{0,2}\x00){0,5}[)']| ?\x00")


def _compiles(pattern: str) -> str:
    re.compile(pattern)
    return pattern


class KnownError(Model, dict=True):
    """One entry of the table.

    `pattern` is searched in what the process wrote and raised (multi-line, `.` stops at a newline); its named
    groups, and the values that the head of the file lists, may be used in `cause` and `remedy` as `{name}`.
    """

    id: str
    pattern: Annotated[str, Check(_compiles)] | None = None
    hints: tuple[str, ...] = ()
    """Literal texts of which one is in every text that `pattern` fits; needed where it does not begin with one."""
    also: tuple[str, ...] = ()
    """Literal texts that must all occur somewhere in the text."""
    unless: tuple[str, ...] = ()
    """Literal texts that must not occur anywhere in the text."""
    signal: str | None = None
    """For death by this signal, where no text matched."""
    level: Level = "exact"
    platform: System | None = None
    """Only for environments of this system; None: all."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    """Distribution → version specifier with which the error is known; an environment may contradict it."""
    survivable: bool = False
    """The text also means something when the process went on (a warning on stderr)."""
    pasted: bool = False
    """Only for texts that a person shows: verification knows more about the environment than this entry says."""
    cause: str
    remedy: str
    sources: tuple[str, ...]
    established: Literal["measured", "published", "source"]
    how: str
    """On what it was measured, or who published it."""
    example: str | None = None
    """The text as a user sees it; the pattern is tested on it."""

    def check_fields(self) -> None:
        if any(len(hint) < _SHORTEST_HINT for hint in self.found_by):
            raise ValueError(f"{self.id}: the pattern begins with no text of {_SHORTEST_HINT} characters; give `hints`")

    @cached_property
    def found_by(self) -> tuple[str, ...]:
        """The literal texts that lead to this entry."""
        if self.pattern is None:
            return ()
        return self.hints or (_leading_text(self.pattern),)

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern or "(?!)", re.MULTILINE)


class _Table(Model):
    entries: tuple[KnownError, ...]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An entry whose pattern occurs in a text."""

    known: KnownError
    position: int
    """Where the line begins that the match begins in: of entries that fit the same line the table's order decides."""
    groups: Mapping[str, str]
    line: str
    """The line of the text that tells: where the match begins, or where it ends if it begins with a heading."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """An entry that fits, with the groups of its pattern filled in."""

    known: KnownError
    cause: str
    remedy: str
    line: str
    """The line of the text that matched (empty for a signal)."""


@cache
def table() -> tuple[KnownError, ...]:
    """All entries, in the order of the file. Raises FactsError when the shipped data is malformed."""
    text = resources.files("builder.checks").joinpath(_FILE).read_text(encoding="utf-8")
    try:
        entries = yaml.load(text, Loader=_Loader)  # noqa: S506 - the C loader is a safe loader too
        return validated({"entries": entries}, _Table).entries
    except (yaml.YAMLError, ValueError) as error:
        raise FactsError(f"the table of known errors is malformed: {error}", file=_FILE) from error


def find(text: str, *, systems: frozenset[System], any_case: bool = False) -> tuple[Hit, ...]:
    """Every entry for one of `systems` that occurs in `text`, the answer first (ranked as this module's head says).

    With `any_case`, capital and small letters are the same: for texts that were typed by hand.
    """
    searched = text.lower() if any_case else text
    if (any_case and len(text) > _LONGEST_BY_HAND) or len(searched) != len(text):
        return ()
    ranked: list[tuple[tuple[int, bool, int, int], Hit]] = []
    for index, known in enumerate(table()):
        if known.platform is not None and known.platform not in systems:
            continue
        if (hit := _first_hit(known, text, searched, any_case=any_case)) is not None:
            ranked.append(((_LEVELS.index(known.level), known.survivable, hit.position, index), hit))
    return tuple(hit for _, hit in sorted(ranked, key=lambda pair: pair[0]))


def match_text(
    text: str,
    *,
    is_osx: bool,
    values: Mapping[str, str],
    survived: bool = False,
    describe: Callable[[str, str], str] = lambda _name, value: value,
) -> Match | None:
    """The known error that `text` shows; with `survived`, only one marked `survivable`. Harmless texts are none.

    `describe` gets each named group and its text and says how to put it into cause and remedy.
    """
    for hit in find(text, systems=frozenset({_here(is_osx=is_osx)})):
        known = hit.known
        if known.level != "harmless" and not known.pasted and (known.survivable or not survived):
            return filled(hit, values=values, describe=describe)
    return None


def filled(
    hit: Hit, *, values: Mapping[str, str], describe: Callable[[str, str], str] = lambda _name, value: value
) -> Match:
    """Cause and remedy of a hit, with `values` and the groups of its pattern put in."""
    groups = {f"{name}_path": value or "the file" for name, value in hit.groups.items() if name.startswith("file")}
    for name, value in hit.groups.items():
        groups[name] = describe(name, value) if value else ("a file" if name.startswith("file") else _ABSENT)
    if "module" in hit.groups:
        groups["distribution"] = distribution(hit.groups["module"])
    return _filled(hit.known, {**values, **groups}, line=hit.line)


def distribution(module: str) -> str:
    """The distribution on PyPI that brings a module: `scikit-learn` for `sklearn.svm`."""
    return distribution_of(module.partition(".")[0])


def match_signal(name: str, *, is_osx: bool, values: Mapping[str, str]) -> Match | None:
    """The entry for death by the signal `name` (`SIGILL`…)."""
    here = _here(is_osx=is_osx)
    fitting = (known for known in table() if known.signal == name and known.platform in (None, here))
    return next((_filled(known, values, line="") for known in fitting), None)


def _here(*, is_osx: bool) -> System:
    return "osx" if is_osx else "linux"


def _first_hit(known: KnownError, text: str, searched: str, *, any_case: bool) -> Hit | None:
    """`searched` is the text, or the same in small letters: literal texts are looked for in that."""
    places = [place for hint in known.found_by for place in _places(hint.lower() if any_case else hint, searched)]
    if not places or not _occur(known.also, searched, any_case=any_case, quantity=all):
        return None
    pattern = re.compile(known.compiled.pattern, re.MULTILINE | re.IGNORECASE) if any_case else known.compiled
    found = next(
        (
            match
            for place in sorted(places)
            if (match := pattern.search(text, max(0, place - _BEFORE), place + _AFTER)) is not None
        ),
        None,
    )
    if found is None or _occur(known.unless, searched, any_case=any_case, quantity=any):
        return None
    line = _line(text, found.start())
    return Hit(
        known=known,
        position=text.rfind("\n", 0, found.start()) + 1,
        groups={name: value or "" for name, value in found.groupdict().items()},
        line=_line(text, found.end() - 1) if _SAYS_NOTHING.search(line) else line,
    )


def _line(text: str, place: int) -> str:
    end = text.find("\n", place)
    return text[text.rfind("\n", 0, place) + 1 : end if end >= 0 else None].strip()


def _occur(
    words: tuple[str, ...], searched: str, *, any_case: bool, quantity: Callable[[Iterable[bool]], bool]
) -> bool:
    return quantity((word.lower() if any_case else word) in searched for word in words)


def _places(hint: str, text: str) -> Iterator[int]:
    """Where `hint` occurs: the first few places, then the last few."""
    place = -1
    for _ in range(_OCCURRENCES):
        place = text.find(hint, place + 1)
        if place < 0:
            return
        yield place
    last = [len(text)]
    for _ in range(_OCCURRENCES):
        earlier = text.rfind(hint, place + 1, last[-1] + len(hint) - 1)
        if earlier < 0:
            break
        last.append(earlier)
    yield from reversed(last[1:])


def _leading_text(pattern: str) -> str:
    r"""The literal text a regular expression begins with (`No module named '` of `^No module named '(?P<x>\w+)'`)."""
    characters: list[str] = []
    rest = pattern.removeprefix("^")
    index = 0
    while index < len(rest):
        character = rest[index]
        if character == "\\" and index + 1 < len(rest) and not rest[index + 1].isalnum():
            character, index = rest[index + 1], index + 1
        elif character in "\\.^$*+?{}[]|()":
            if character in "*?{" and characters:
                characters.pop()
            break
        characters.append(character)
        index += 1
    return "" if _has_alternatives(pattern) else "".join(characters)


def _has_alternatives(pattern: str) -> bool:
    """Whether a `|` separates whole alternatives: one that is in no group and in no set of characters."""
    outside = re.sub(r"\\.|\[\^?\]?(?:\\.|[^\]])*\]", "", pattern)
    depth = 0
    for character in outside:
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            return True
    return False


def _filled(known: KnownError, values: Mapping[str, str], *, line: str) -> Match:
    cause, remedy = (
        _LEFT_BY_ABSENT.sub("", sentence.format_map(values)).strip() for sentence in (known.cause, known.remedy)
    )
    return Match(known=known, cause=cause, remedy=remedy, line=line)
