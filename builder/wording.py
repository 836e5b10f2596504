"""Small pieces of wording that the checks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """`1 file`, `3 files`, `2 libraries`."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def listed(lines: Sequence[str], *, most: int = 12) -> tuple[str, ...]:
    """The first `most` lines, and how many more there are."""
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[:most], f"… and {len(lines) - most:,} more")


def listing(names: Sequence[str], *, most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`; `a, b, c, d and 3 others`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {plural(len(names) - most, 'other')}"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def capital(text: str) -> str:
    """`importing keras` as `Importing keras`."""
    return text[:1].upper() + text[1:]


def printable(text: object) -> str:
    """`text` without what a terminal or a page would act on: names of files and libraries' output may carry escapes."""
    return "".join(char if char.isprintable() or char in "\n\t" else "�" for char in str(text))


def dotted(version: Sequence[int]) -> str:
    """`(14, 0, 0)` as `14.0`."""
    parts = list(version)
    while len(parts) > 2 and parts[-1] == 0:
        parts.pop()
    return ".".join(map(str, parts))


def bytes_told(count: int) -> str:
    """`0 B`, `812 kB`, `1.4 GB`: powers of ten, as macOS and disk makers count."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
