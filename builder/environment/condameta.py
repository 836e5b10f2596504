"""`conda-meta/`: the records of installed conda packages, and the history of how they came there.

Sources: conda/core/prefix_data.py and conda/models/records.py (records), conda/history.py (history), whose formats
mamba, micromamba, pixi and py-rattler write as well.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from builder.credentials import without_credentials
from builder.environment.model import CondaRecord, RecordedPath, Revision

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.environment.reading import Reader

_DATE: Final = re.compile(r"==>\s*(.+?)\s*<==")
_SPECS: Final = re.compile(r"#\s*(?:update|install|create|neutered)? ?specs:\s*(\[.*\])")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MOST_HISTORY: Final = 16 << 20


def read_records(folder: Path, reader: Reader) -> tuple[CondaRecord, ...]:
    """The records of a `conda-meta`, by file name. What is no record is passed over with its reason."""
    found = []
    for path in reader.entries(folder):
        if path.suffix != ".json":
            continue
        content = reader.read(path)
        if content is None:
            reader.pass_over(path, "it cannot be read")
            continue
        try:
            found.append(_record(json.loads(content), path))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reader.pass_over(path, f"not a package record: {_said(error)}")
    return tuple(found)


def _said(error: Exception) -> str:
    return f"no {error}" if isinstance(error, KeyError) else str(error)


def _record(data: Any, path: Path) -> CondaRecord:
    if not isinstance(data, dict):
        raise TypeError("not an object")
    sha256 = data.get("sha256")
    specs = data.get("requested_specs") or ([data["requested_spec"]] if data.get("requested_spec") else [])
    return CondaRecord(
        name=_text(data, "name", required=True),
        version=_text(data, "version", required=True),
        build=_text(data, "build"),
        subdir=_text(data, "subdir"),
        files=_texts(data.get("files")),
        paths=tuple(_paths((data.get("paths_data") or {}).get("paths"))),
        depends=_texts(data.get("depends")),
        channel=without_credentials(_text(data, "channel")),
        url=without_credentials(_text(data, "url")),
        sha256=sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None,
        requested=_texts(specs),
        source=path,
    )


def _text(data: dict[str, Any], key: str, *, required: bool = False) -> str:
    value = data[key] if required else data.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{key} is not text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _paths(value: object) -> Iterator[RecordedPath]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict) and isinstance(item.get("_path"), str):
            size = item.get("size_in_bytes")
            yield RecordedPath(
                path=item["_path"],
                kind=_or_none(item.get("path_type")) or "hardlink",
                sha256=_or_none(item.get("sha256")),
                sha256_in_prefix=_or_none(item.get("sha256_in_prefix")),
                size=size if isinstance(size, int) and not isinstance(size, bool) else None,
                placeholder=_or_none(item.get("prefix_placeholder")),
            )


def _or_none(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def read_history(path: Path, reader: Reader) -> tuple[Revision, ...]:
    """The transactions of a `conda-meta/history`, oldest first; nothing where it is absent, empty or unreadable."""
    revisions: list[Revision] = []
    date, command = "", ""
    specs: list[str] = []
    added: list[str] = []
    removed: list[str] = []

    def finish() -> None:
        if date:
            revisions.append(
                Revision(date=date, command=command, specs=tuple(specs), added=tuple(added), removed=tuple(removed))
            )

    for raw in reader.lines(path, most=_MOST_HISTORY):
        line = raw.strip()
        if begins := _DATE.fullmatch(line):
            finish()
            date, command = begins[1], ""
            specs, added, removed = [], [], []
        elif line.startswith("# cmd:"):
            command = line.removeprefix("# cmd:").strip()
        elif told := _SPECS.match(line):
            specs += _listed(told[1])
        elif line.startswith("+"):
            added.append(line[1:])
        elif line.startswith("-"):
            removed.append(line[1:])
    finish()
    return tuple(revisions)


def _listed(text: str) -> list[str]:
    """`['python=3.12', "pip"]`, as conda and mamba write it."""
    return [first or second for first, second in re.findall(r"'([^']*)'|\"([^\"]*)\"", text)]
