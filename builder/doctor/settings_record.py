"""What `register` did to folders' settings.json, kept so that `unregister` can put each back as it was."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from builder.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Written:
    """One settings file: the interpreter that was written into it, and what was there before.

    `before` is the whole text (None: there was no file), and holds only while the file is still `after`; `earlier` is
    the value the setting had (None: none), for a file that was edited since. Where not `exact`, only that is known.
    """

    interpreter: str
    earlier: str | None
    before: str | None
    after: str
    exact: bool


def read(record: Path) -> dict[str, Written]:
    """By path of the settings file. Whatever is no such note is left out."""
    try:
        noted: Any = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = {}
    for file, entry in noted.items() if isinstance(noted, dict) else ():
        try:
            found[file] = Written(**entry)
        except TypeError:
            continue
    return found


def write(record: Path, entries: dict[str, Written]) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(record, json.dumps({file: asdict(entry) for file, entry in entries.items()}, indent=1) + "\n")
