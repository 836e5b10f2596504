"""TOML with the line on which something stands, which no reader of it tells.

By `tomli`, the standard library's reader on its own, since that of Python 3.11 does not know TOML 1.1, in which pixi's
manifests are written: inline tables over several lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import tomli

from builder.errors import UsageError


@dataclass(frozen=True)
class Toml:
    """A document and where its parts stand."""

    file: str
    text: str
    data: dict[str, Any]

    @classmethod
    def parse(cls, file: str, text: str) -> Toml:
        """Raises UsageError with the line for what is no TOML."""
        try:
            return cls(file, text, tomli.loads(text))
        except tomli.TOMLDecodeError as problem:
            found = re.search(r"\(at line (\d+)", str(problem))
            reason = str(problem).partition(" (at ")[0]
            raise UsageError(
                f"not valid TOML: {reason[:1].lower()}{reason[1:]}", file=file, line=int(found[1]) if found else None
            ) from None
        except (RecursionError, ValueError) as problem:
            reason = "nested too deeply" if isinstance(problem, RecursionError) else str(problem)
            raise UsageError(f"not valid TOML: {reason}", file=file) from None

    def table(self, *path: str) -> dict[str, Any]:
        """The table at `path`; empty where there is none."""
        found: Any = self.data
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def items(self, *path: str) -> list[Any]:
        """The list at `path`; what is no list is one item, and nothing is none."""
        found = self.table(*path[:-1]).get(path[-1])
        return found if isinstance(found, list) else [] if found is None else [found]

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.splitlines()

    def line(self, *path: str, value: str | None = None) -> int | None:
        """The line of a key, or of a string in its list: looked for below the header of the nearest table.

        A part may stand in quotes. None where it was not found, as in a table that is written in an unusual way.
        """
        for depth in range(len(path), -1, -1):
            start = self._header(path[:depth])
            if start is None:
                continue
            rest = path[depth:]
            if not rest and value is None:
                return start + 1 if depth else None
            found = self._below(start, rest, value)
            if found is not None:
                return found
        return None

    def _header(self, path: tuple[str, ...]) -> int | None:
        """Index of the line with `[path]`; -1 for the top of the file."""
        if not path:
            return -1
        wanted = list(path)
        below: int | None = None
        for number, line in enumerate(self._lines):
            header = re.match(r"\s*\[\[?([^\[\]]+)\]", line)
            parts = [part.strip().strip("\"'") for part in _split(header[1])] if header else []
            if parts == wanted:
                return number
            if below is None and parts[: len(wanted)] == wanted:
                # `[a.b]` alone says that there is an `a`.
                below = number
        return below

    def _below(self, start: int, rest: tuple[str, ...], value: str | None) -> int | None:
        key = re.compile(rf"""\s*["']?{re.escape(rest[0])}["']?\s*[=.]""") if rest else None
        inside = key is None
        for number in range(start + 1, len(self._lines)):
            line = self._lines[number]
            if re.match(r"\s*\[\[?[A-Za-z\"']", line) and not inside:
                return None
            if not inside and key is not None and key.match(line):
                if value is None:
                    return number + 1
                inside = True
            if inside and value is not None and (f'"{value}"' in line or f"'{value}'" in line):
                return number + 1
        return None


def _split(header: str) -> list[str]:
    """`tool."a.b".c` by its dots, except for those in quotes."""
    return re.findall(r"""(?:"[^"]*"|'[^']*'|[^.])+""", header)
