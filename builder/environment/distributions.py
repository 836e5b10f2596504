"""Installed Python distributions: `*.dist-info`, `*.egg-info` and `.egg-link`, through `importlib.metadata`.

Sources: PyPA's "Recording installed projects" (dist-info, RECORD, INSTALLER, direct_url.json) and setuptools' formats
of eggs (egg-info folders and files, egg-link: the folder of a project in development mode).
"""

from __future__ import annotations

import binascii
import csv
import json
import os
import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder.credentials import without_credentials
from builder.environment.model import RecordEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from importlib.metadata import PackageMetadata

    from builder.environment.reading import Reader

#: Most of a METADATA's headers, of a small file (WHEEL, INSTALLER, direct_url.json, requires.txt), in bytes.
_HEADERS: Final = 1 << 20
_SMALL: Final = 1 << 20
#: Lines of one RECORD; TensorFlow's, the longest known, has some 30,000.
MOST_ENTRIES: Final = 300_000
#: A requirement line that `packaging` takes long for, or forever: parentheses of a marker, one in another.
_DEEPEST_MARKER: Final = 20
#: Of one name in a path, in bytes (ext4, APFS), and of names in one path.
_LONGEST_NAME: Final = 255
_MOST_NAMES: Final = 200
#: Of a file's size in bytes, in digits.
_LONGEST_SIZE: Final = 15
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_HEX_DIGITS: Final = 64
_EGG_INFO: Final = re.compile(r"(?P<name>[^-]+)(-(?P<version>[^-]+))?(-py\d.*)?\.egg-info")


class _Metadata(PathDistribution):
    """The standard library's reader, which asks ours for files: bounded, and regular ones only."""

    def __init__(self, path: Path, reader: Reader) -> None:
        super().__init__(path)
        self._folder = path
        self._reader = reader

    @cached_property
    def metadata(self) -> PackageMetadata:
        """Parsed once: the library parses it for each field that it is asked for."""
        return super().metadata

    def read_text(self, filename: str) -> str | None:  # type: ignore[override]
        if filename in ("METADATA", "PKG-INFO", ""):
            # `""` is how `importlib.metadata` asks for an egg-info that is a file itself.
            return self._reader.head(self._folder / filename if filename else self._folder, most=_HEADERS)
        return self._reader.text(self._folder / filename, most=_SMALL)


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One installed Python distribution, whoever installed it."""

    name: str
    """Canonical (PEP 503)."""
    version: str
    path: Path
    """Its `.dist-info` or `.egg-info`."""
    installer: str = ""
    """Content of INSTALLER: `uv`, `pip`, `conda`…; empty if absent."""
    requires: tuple[str, ...] = ()
    """Requires-Dist as written, with markers and extras."""
    direct_url: str | None = None
    """Where it came from if not from an index (PEP 610), without credentials."""
    source: Path | None = None
    """The project's folder, for an editable one; its code is there and not in site-packages."""
    reader: Reader = field(repr=False, compare=False)

    @property
    def site(self) -> Path:
        """The folder that its modules are in and RECORD's paths are relative to."""
        return self.path.parent

    @property
    def editable(self) -> bool:
        return self.source is not None

    def read(self, member: str) -> str | None:
        """A small metadata file such as `WHEEL` or `top_level.txt`; None where it is absent or unreadable."""
        return self.reader.text(self.path / member, most=_SMALL)

    def requirements(self) -> Iterator[Requirement]:
        """`requires`, parsed; what is no requirement is passed over with its reason."""
        for line in self.requires:
            if (parsed := parse_requirement(line)) is not None:
                yield parsed
            else:
                self.reader.pass_over(self.path / "METADATA", f"not a requirement: {line[:80]}")

    @cached_property
    def record(self) -> tuple[RecordEntry, ...]:
        """The lines of RECORD (of `installed-files.txt` for an egg-info); none where it is absent. Read once, and kept.

        A damaged RECORD counts as far as it can be read.
        """
        return tuple(self._read_record())

    def _read_record(self) -> Iterator[RecordEntry]:
        if self.path.suffix == ".egg-info":
            for line in (self.reader.text(self.path / "installed-files.txt") or "").splitlines()[:MOST_ENTRIES]:
                if line.strip():
                    # Relative to the egg-info itself, where RECORD's are to the folder around it.
                    yield RecordEntry(os.path.normpath(f"{self.path.name}/{line.strip()}"), None, None)
            return
        path = self.path / "RECORD"
        rows = csv.reader(self.reader.lines(path))
        try:
            for number, row in enumerate(rows):
                if number >= MOST_ENTRIES:
                    self.reader.pass_over(path, f"more than {MOST_ENTRIES:,} lines; the rest is not read")
                    return
                if row and row[0] and can_be_path(row[0]):
                    size = row[2] if len(row) > 2 else ""
                    yield RecordEntry(
                        row[0],
                        _sha256(row[1]) if len(row) > 1 else None,
                        int(size) if size.isdecimal() and len(size) <= _LONGEST_SIZE else None,
                    )
        except csv.Error as error:
            self.reader.pass_over(path, f"line {rows.line_num} is not CSV: {error}")


def can_be_path(text: str) -> bool:
    """Whether any file system could have such a path: of no name longer than 255 bytes, and without NUL."""
    if len(text) < _LONGEST_NAME // 4:
        return "\0" not in text
    names = text.encode("utf-8", "surrogatepass").split(b"/")
    return "\0" not in text and len(names) <= _MOST_NAMES and all(len(name) <= _LONGEST_NAME for name in names)


@lru_cache(maxsize=1 << 14)
def parse_requirement(line: str) -> Requirement | None:
    """A Requires-Dist line; None for what is none. Markers nested absurdly deep would exhaust the stack: None too."""
    if line.count("(") > _DEEPEST_MARKER or len(line) > _HEADERS:
        return None
    try:
        return Requirement(line)
    except (InvalidRequirement, RecursionError, ValueError):
        return None


def read_distributions(folders: Iterable[Path], reader: Reader) -> tuple[Distribution, ...]:
    """All distributions of some site-packages folders, by name. One without a name and a version is passed over."""
    found = []
    for folder in folders:
        for entry in reader.entries(folder):
            match entry.suffix:
                case ".dist-info":
                    one = _dist_info(entry, reader)
                case ".egg-info":
                    one = _egg_info(entry, reader, source=None)
                case ".egg-link":
                    one = _egg_link(entry, reader)
                case _:
                    continue
            if one is not None:
                found.append(one)
    return tuple(sorted(found, key=lambda dist: (dist.name, str(dist.path))))


def _dist_info(path: Path, reader: Reader) -> Distribution | None:
    read = _Metadata(path, reader)
    text = read.read_text("METADATA")
    if text is None:
        reader.pass_over(path, "no METADATA in it")
        return None
    url, source = _direct_url(reader, path / "direct_url.json")
    return _distribution(path, read, reader, direct_url=url, source=source)


def _egg_info(path: Path, reader: Reader, *, source: Path | None) -> Distribution | None:
    read = _Metadata(path, reader)
    if read.read_text("PKG-INFO") is None and read.read_text("") is None:
        reader.pass_over(path, "no PKG-INFO in it")
        return None
    return _distribution(path, read, reader, direct_url=None, source=source)


def _egg_link(path: Path, reader: Reader) -> Distribution | None:
    """`setup.py develop`: the link's first line is the folder that holds the egg-info."""
    lines = (reader.text(path, most=_SMALL) or "").splitlines()
    target = Path(lines[0].strip()) if lines and lines[0].strip() and "\0" not in lines[0] else None
    if target is None or not target.is_absolute():
        reader.pass_over(path, "names no folder")
        return None
    for entry in reader.entries(target):
        if entry.suffix == ".egg-info" and canonicalize_name(entry.stem) == canonicalize_name(path.stem):
            return _egg_info(entry, reader, source=target)
    reader.pass_over(path, f"there is no egg-info in {target}")
    return None


def _distribution(
    path: Path, read: _Metadata, reader: Reader, *, direct_url: str | None, source: Path | None
) -> Distribution | None:
    try:
        name, version = read.metadata["Name"], read.metadata["Version"]
        requires = tuple(read.requires or ())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reader.pass_over(path, f"its metadata cannot be parsed: {error}")
        return None
    if not name or not version:
        reader.pass_over(path, "its metadata has no name or no version")
        return None
    return Distribution(
        name=canonicalize_name(str(name).strip()),
        version=str(version).strip(),
        path=path,
        installer=(reader.text(path / "INSTALLER", most=_SMALL) or "").strip() if path.suffix == ".dist-info" else "",
        requires=tuple(" ".join(line.split()) for line in requires),
        direct_url=direct_url,
        source=source,
        reader=reader,
    )


def _direct_url(reader: Reader, path: Path) -> tuple[str | None, Path | None]:
    """(URL, folder of an editable project) of a direct_url.json."""
    content = reader.read(path, most=_SMALL)
    if content is None:
        return None, None
    try:
        data = json.loads(content)
        url = data["url"]
        editable = bool((data.get("dir_info") or {}).get("editable"))
        if not isinstance(url, str):
            raise TypeError("its url is no text")
        return without_credentials(url), (_local_path(url) if editable else None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reader.pass_over(path, f"not a direct_url.json: {error}")
        return None, None


def _local_path(url: str) -> Path | None:
    """The path of a `file:` URL; None for any other, and for one that can be no path. Raises ValueError."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    return Path(path) if parts.scheme == "file" and path.startswith("/") and "\0" not in path else None


def _sha256(field: str) -> str | None:
    """The hex digest of a RECORD hash field, or None for another algorithm, an empty or a malformed one."""
    kind, _, value = field.partition("=")
    if kind != "sha256":
        return None
    if len(value) == _HEX_DIGITS and _HEX.fullmatch(value):
        return value  # not as the format says, and published all the same (gmsh 4.15.2)
    try:
        # As `base64.urlsafe_b64decode` does it, which takes ten times as long for so little.
        return binascii.a2b_base64(f"{value.replace('-', '+').replace('_', '/')}{'=' * (-len(value) % 4)}").hex()
    except ValueError:
        return None
