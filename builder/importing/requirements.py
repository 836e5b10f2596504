"""requirements.txt: pip's own format, with its options, continued lines and files that name files.

Source: pip's "Requirements File Format".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.importing.text import read_text
from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from builder.importing.model import Collector
    from builder.platforms import Subdir

#: Files that name files, one in another.
_DEEPEST: Final = 8
_INDEX: Final = re.compile(r"(-i|--index-url|--extra-index-url|--pypi-url|-f|--find-links|--no-index)\b")
_FILE: Final = re.compile(r"(-r|--requirement)[\s=]*(\S+)$")
_CONSTRAINT: Final = re.compile(r"(-c|--constraint)[\s=]*(\S+)$")
#: pip takes options of one requirement behind it; hashes are the lock's own affair.
_OPTION: Final = re.compile(r"\s--?[A-Za-z][\w-]*(?:[=\s].*)?$")
_HASH: Final = re.compile(r"\s--hash[=\s]\S+")


def read(text: str, into: Collector) -> None:
    """Every requirement, following `-r`."""
    read_lines(joined(text), into, group=MAIN_GROUP, seen=((into.folder / into.file).resolve(),))


def joined(text: str) -> list[tuple[int, str]]:
    """Lines with their numbers (1-based), those that go on behind a backslash as one, without comments."""
    found: list[tuple[int, str]] = []
    begun: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        first, before = begun or (number, "")
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            begun = first, f"{before}{line[:-1]} "
            continue
        found.append((first, before + line))
        begun = None
    return [*found, begun] if begun is not None else found


def read_lines(
    lines: Iterable[tuple[int, str]],
    into: Collector,
    *,
    group: str,
    platforms: Collection[Subdir] | None = None,
    seen: tuple[Path, ...] = (),
) -> None:
    """Requirements and options, each with its line."""
    for number, written in lines:
        line = re.sub(r"(^|\s)#.*$", "", written).strip()
        if not line:
            continue
        if found := _FILE.fullmatch(line):
            _follow(found[2], number, into, group=group, platforms=platforms, seen=seen)
        elif found := _CONSTRAINT.fullmatch(line):
            into.leave(line, "constrains what others ask for; a recipe's own ranges do that", number)
        elif _INDEX.match(line):
            into.leave(line, "indexes are named to uv, in its uv.toml or by UV_INDEX", number)
        elif line.startswith("-") and not re.match(r"(-e|--editable)\b", line):
            into.leave(line, "is an option of pip, not a package", number)
        elif re.search(r"\$\{[A-Z0-9_]+\}", line):
            into.leave(line, "holds a variable of the environment, which a recipe does not read", number)
        else:
            _requirement(line, number, into, group=group, platforms=platforms)


def _requirement(line: str, number: int, into: Collector, *, group: str, platforms: Collection[Subdir] | None) -> None:
    text = _HASH.sub("", line).strip()
    option = _OPTION.search(text) if not text.startswith("-") else None
    if option is not None:
        into.leave(line, f"the option {option[0].split()[0].split('=')[0]} of pip is not carried over", number)
        text = text[: option.start()].strip()
    into.pypi(text, number, group=group, platforms=platforms)


def _follow(
    name: str,
    number: int,
    into: Collector,
    *,
    group: str,
    platforms: Collection[Subdir] | None,
    seen: tuple[Path, ...],
) -> None:
    if "://" in name:
        into.leave(f"-r {name}", "is a URL, and nobody is asked when something is imported", number)
        return
    file = (into.folder / name).resolve()
    if file in seen or len(seen) > _DEEPEST:
        into.leave(f"-r {name}", "goes in a circle", number)
        return
    try:
        text = read_text(file)
    except UsageError as problem:
        into.leave(f"-r {name}", problem.plain, number)
        return
    outer = into.file, into.folder
    into.file, into.folder = name, file.parent
    read_lines(joined(text), into, group=group, platforms=platforms, seen=(*seen, file))
    into.file, into.folder = outer
