"""Reading conda-lock.yml without conda-lock, whose import would take longer than everything else here."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
import yaml

from builder.credentials import redact
from builder.errors import LockfileError
from builder.files import read_ordinary
from builder.lock.digest import MAX_BYTES
from builder.lock.lines import read_lines
from builder.lock.model import InputHash, Lock, LockedPackage
from builder.models import Check, MisfitError, Model, dotted, matching, validated
from builder.platforms import TARGETS, Subdir
from builder.yamlio import conflict_mark, too_deep, unprintable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Entry(Model, forbid_unknown_fields=False):
    """Like conda-lock's own models, unknown fields are kept out of the way, not refused: it may add some."""


class _Hash(_Entry):
    md5: Annotated[str, matching(r"[0-9a-f]{32}")] | None = None
    sha256: Annotated[str, matching(r"[0-9a-f]{64}")] | None = None


def _check_url(text: str) -> str:
    try:
        urlsplit(text)
    except ValueError:
        text = ""
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("not a URL")
    return text


class _Package(_Entry):
    name: Annotated[str, matching(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")]
    version: Annotated[str, matching(r"[A-Za-z0-9_.!+~*-]+")]
    manager: Literal["conda", "pip"]
    platform: str
    dependencies: dict[str, str] = msgspec.field(default_factory=dict)
    url: Annotated[str, Check(_check_url)]
    hash: _Hash
    category: str = "main"


class _Url(_Entry):
    url: str


class _Input(_Entry):
    md5: str | None
    sha256: str | None


class _Metadata(_Entry):
    content_hash: dict[str, str]
    channels: tuple[_Url | str, ...]
    platforms: tuple[str, ...]
    sources: tuple[str, ...]
    inputs_metadata: dict[str, _Input] | None = None
    custom_metadata: dict[str, str] | None = None


class _Head(_Entry):
    """What stands before the packages."""

    version: Literal[1]
    metadata: _Metadata


class _File(_Head):
    package: tuple[_Package, ...]


def read_lock(file: Path) -> Lock:
    """The lock in `file`. Raises LockfileError, naming the line, for anything that is not a v1 lock."""
    return parse_lock(read_ordinary(file, limit=MAX_BYTES, error=LockfileError), place=file)


def parse_lock(content: bytes, *, place: Path | str) -> Lock:
    """The lock of this content; `place` says where it is from (`HEAD:environments/…`). Raises LockfileError."""
    text = _decoded(content, place)
    if (lines := read_lines(text)) is not None and too_deep(lines.head) is None:
        with contextlib.suppress(yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError):
            head = yaml.load(lines.head, Loader=_Loader)  # noqa: S506 - the C build of the safe loader
            return _lock(validated(head, _Head).metadata, lines.entries, place)
    return _parsed(text, place)


def _parsed(text: str, place: Path | str) -> Lock:
    """The lock, read by PyYAML whatever its layout."""
    if (line := too_deep(text)) is not None:
        raise LockfileError("nested too deeply to be a lock", file=place, line=line)
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - the C build of the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        conflict = conflict_mark(text)
        raise LockfileError(
            "both sides of a merge are in it" if conflict else f"not valid YAML: {error.problem or error.context}",
            file=place,
            line=conflict or (mark.line + 1 if mark else None),
            hint=f"run `envbuild lock {_recipe_of(place)} --resolve`"
            if conflict
            else f"run {relock(place)}, or restore the file from version control",
        ) from None
    # PyYAML meets an explicit tag on text that is none of the kind (`!!bool x`) with any of these.
    except (yaml.YAMLError, RecursionError, ValueError, LookupError, AttributeError, TypeError) as error:
        said = isinstance(error, (yaml.YAMLError, ValueError)) and str(error)
        reason = said.splitlines()[0] if said else "a value does not match its tag"
        line = unprintable(text)
        raise LockfileError(
            f"not valid YAML: {reason}" if line is None else "not text: it holds a control character",
            file=place,
            line=line,
            hint=f"run {relock(place)}, or restore the file from version control",
        ) from None
    if isinstance(data, dict) and data.get("version") not in (None, 1):
        raise LockfileError(
            f"format version {data['version']!r}; only version 1 is known",
            file=place,
            hint=f"run {relock(place)}",
        )
    if not isinstance(data, dict):
        what = "is empty" if data is None else "is not a lock, which begins with `version:`, `metadata:` and `package:`"
        line = None if data is None else line_of(text, ())
        raise LockfileError(
            what, file=place, line=line, hint=f"run {relock(place)}, or restore the file from version control"
        )
    try:
        parsed = validated(data, _File)
    except MisfitError as misfit:
        problem = misfit.problems[0]
        raise LockfileError(
            redact(f"{_entry_name(data, problem.path)}{problem.about(dotted(problem.path) or 'the file')}"),
            file=place,
            line=line_of(text, problem.path),
            hint=f"run {relock(place)}, or restore the file from version control",
        ) from None
    return _lock(parsed.metadata, [_entry(package, place) for package in parsed.package], place)


def relock(place: Path | str) -> str:
    """The command that makes the lock at `place` anew."""
    return f"`envbuild lock {_recipe_of(place)}`"


def _recipe_of(place: Path | str) -> str:
    """A lock is in a folder of its recipe's name."""
    return PurePath(place).parent.name or "NAME"


def _decoded(content: bytes, place: Path | str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise LockfileError(
            f"not UTF-8 text (byte {error.start})",
            file=place,
            hint=f"run {relock(place)}, or restore the file from version control",
        ) from None


def _entry_name(data: Any, location: tuple[str | int, ...]) -> str:
    """`numpy (linux-64): ` when the problem lies in a package that has a name."""
    if len(location) > 1 and location[0] == "package" and isinstance(location[1], int):
        entry = data["package"][location[1]]
        if isinstance(entry, dict) and isinstance(entry.get("name"), str):
            return f"{entry['name']} ({entry.get('platform', 'no platform')}): "
    return ""


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line (1-based) of `path` in YAML `text`; parsed again, since only a problem needs it."""
    try:
        node: Any = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return None
    for part in path:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            values = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
            if part not in values:
                break
            node = values[part]
        else:
            break
    return node.start_mark.line + 1 if node is not None else None


def _entry(package: _Package, file: Path | str) -> LockedPackage:
    return LockedPackage(
        manager=package.manager,
        name=package.name,
        version=package.version,
        subdir=_subdir(package.platform, file),
        url=package.url,
        sha256=package.hash.sha256,
        md5=package.hash.md5,
        dependencies=package.dependencies,
        groups=(package.category,),
    )


def _lock(metadata: _Metadata, entries: Sequence[LockedPackage], file: Path | str) -> Lock:
    platforms = tuple(_subdir(platform, file) for platform in metadata.platforms)
    packages: dict[tuple[str, str, Subdir], LockedPackage] = {}
    for entry in entries:
        key = (entry.manager, entry.name, entry.subdir)
        first = packages.setdefault(key, entry)
        if first is not entry:
            # conda-lock repeats an entry for each group that needs it; two that differ otherwise are a damaged file.
            if replace(first, groups=entry.groups) != entry:
                raise LockfileError(f"{entry.name} ({entry.subdir}) has two entries that differ", file=file)
            packages[key] = replace(first, groups=tuple(sorted({*first.groups, *entry.groups})))
    return Lock(
        channels=tuple(channel if isinstance(channel, str) else channel.url for channel in metadata.channels),
        platforms=platforms,
        packages=tuple(packages.values()),
        sources=tuple(metadata.sources),
        content_hash={_subdir(platform, file): digest for platform, digest in metadata.content_hash.items()},
        inputs={
            name: InputHash(sha256=entry.sha256 or "", md5=entry.md5 or "")
            for name, entry in (metadata.inputs_metadata or {}).items()
        },
        notes=metadata.custom_metadata or {},
    )


def _subdir(platform: str, file: Path | str) -> Subdir:
    try:
        subdir = Subdir(platform)
    except ValueError:
        subdir = Subdir.NOARCH
    if subdir not in TARGETS:
        known = ", ".join(TARGETS)
        raise LockfileError(f"unsupported platform {platform!r} (supported: {known})", file=file)
    return subdir
