"""Known error texts → cause → remedy (`data/known_errors.yaml`), for probes that fail and for the doctor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError

from builder.errors import FactsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FILE: Final = "known_errors.yaml"

#: Module → distribution on PyPI, where the two differ.
DISTRIBUTIONS: Final = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tf_keras": "tf-keras",
    "yaml": "pyyaml",
}


def _compiles(pattern: str) -> str:
    re.compile(pattern)
    return pattern


class KnownError(BaseModel):
    """One entry of the table.

    `pattern` is searched in what the process wrote and raised (multi-line, `.` stops at a newline); its named
    groups, and the values that the head of the file lists, may be used in `cause` and `remedy` as `{name}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str
    pattern: Annotated[str, AfterValidator(_compiles)] | None = None
    signal: str | None = None
    """For death by this signal, where no text matched."""
    platform: Literal["osx", "linux"] | None = None
    """Only for environments of this system; None: all."""
    survivable: bool = False
    """The text also means something when the process went on (a warning on stderr)."""
    cause: str
    remedy: str
    sources: tuple[str, ...]
    established: Literal["measured", "published", "source"]
    how: str
    """On what it was measured, or who published it."""
    example: str | None = None
    """The text as a user sees it; the pattern is tested on it."""


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
    """All entries, the more special ones first. Raises FactsError when the shipped data is malformed."""
    text = resources.files("builder.checks").joinpath(_FILE).read_text(encoding="utf-8")
    try:
        # `strict` would refuse YAML's lists for tuples; JSON mode is what allows them.
        entries = TypeAdapter(tuple[KnownError, ...]).validate_python(yaml.safe_load(text), strict=False)
    except (yaml.YAMLError, ValidationError) as error:
        raise FactsError(f"the table of known errors is malformed: {error}", file=_FILE) from error
    return entries


def match_text(
    text: str,
    *,
    is_osx: bool,
    values: Mapping[str, str],
    survived: bool = False,
    describe: Callable[[str, str], str] = lambda _name, value: value,
) -> Match | None:
    """The first entry whose pattern occurs in `text`; with `survived`, only among those marked `survivable`.

    `describe` gets each named group and its text and says how to put it into cause and remedy.
    """
    for known in _applicable(is_osx=is_osx):
        if known.pattern is None or (survived and not known.survivable):
            continue
        if found := re.search(known.pattern, text, re.MULTILINE):
            start = text.rfind("\n", 0, found.start()) + 1
            end = text.find("\n", found.start())
            line = text[start : end if end >= 0 else None].strip()
            raw = {name: group or "" for name, group in found.groupdict().items()}
            groups = {f"{name}_path": text for name, text in raw.items() if name.startswith("file")}
            groups |= {name: describe(name, text) for name, text in raw.items()}
            if "module" in raw:
                top = raw["module"].partition(".")[0]
                groups["distribution"] = DISTRIBUTIONS.get(top, top)
            return _filled(known, {**values, **groups}, line=line)
    return None


def match_signal(name: str, *, is_osx: bool, values: Mapping[str, str]) -> Match | None:
    """The entry for death by the signal `name` (`SIGILL`…)."""
    return next((_filled(known, values, line="") for known in _applicable(is_osx=is_osx) if known.signal == name), None)


def _applicable(*, is_osx: bool) -> tuple[KnownError, ...]:
    here = "osx" if is_osx else "linux"
    return tuple(known for known in table() if known.platform in (None, here))


def _filled(known: KnownError, values: Mapping[str, str], *, line: str) -> Match:
    return Match(known=known, cause=known.cause.format_map(values), remedy=known.remedy.format_map(values), line=line)
