"""Files that say what was chosen, not what was asked for: conda-lock.yml, pylock.toml, conda's explicit lists.

What no other package in them needs is taken for what was asked for, at its version. An explicit list does not say who
needs whom, so everything in it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import yaml
from packaging.utils import canonicalize_name

from builder.credentials import without_credentials
from builder.errors import UsageError
from builder.importing.toml import Toml
from builder.names import distributions
from builder.plan.terms import MAIN_GROUP
from builder.yamlio import too_deep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.importing.model import Collector
    from builder.platforms import Subdir

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PUBLIC: Final = "https://conda.anaconda.org/"
_ARCHIVE: Final = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)-(?P<build>[^-]+)\.(?:conda|tar\.bz2)")


def read_conda_lock(text: str, into: Collector) -> None:
    """conda-lock.yml, version 1, of whatever platforms. Raises UsageError for what is none."""
    data = _yaml(text, into.file)
    packages = data.get("package") if isinstance(data, dict) else None
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(packages, list) or not isinstance(metadata, dict) or data.get("version") != 1:
        raise UsageError("not a conda-lock.yml of version 1", file=into.file, line=1)
    for channel in _items(metadata.get("channels")):
        into.channel(channel.get("url") if isinstance(channel, dict) else channel)
    for platform in _items(metadata.get("platforms")):
        into.platform(platform)
    entries = [entry for entry in packages if isinstance(entry, dict) and isinstance(entry.get("name"), str)]
    needed = _needed(entries)
    asked: defaultdict[tuple[str, str, str, str], list[Subdir]] = defaultdict(list)
    others = 0
    for entry in entries:
        subdir = next((one for one in into.platforms if one.value == entry.get("platform")), None)
        if subdir is None:
            others += 1
            continue
        manager, name, version = str(entry.get("manager")), entry["name"], str(entry.get("version"))
        if name != "python" and _is_needed(manager, name, needed[entry.get("platform")]):
            continue
        group = str(entry.get("category") or MAIN_GROUP)
        asked[manager, name, version, group if group == MAIN_GROUP else into.group(group)].append(subdir)
    for (manager, name, version, group), subdirs in asked.items():
        add, operator = (into.pypi, "==") if manager == "pip" else (into.conda, " ==")
        where = None if set(subdirs) >= set(into.platforms) else subdirs
        add(f"{name}{operator}{version}", _line(text, name), group=group, platforms=where)
    chosen = len({(entry.get("manager"), entry["name"]) for entry in entries})
    kept = len({(key[0], key[1]) for key in asked})
    into.leave(
        f"{chosen - kept} packages that others need",
        "are chosen again when the recipe is locked; those that nobody needs are taken for what was asked for",
    )
    if others:
        into.leave(f"{others} packages for other platforms", "are for none that envbuild builds for")


def _needed(entries: list[dict[str, Any]]) -> defaultdict[Any, set[tuple[str, str]]]:
    """By platform: (manager, name) of what some other package needs; what wheels need may be conda's."""
    found: defaultdict[Any, set[tuple[str, str]]] = defaultdict(set)
    for entry in entries:
        needs = entry.get("dependencies")
        manager = str(entry.get("manager"))
        for name in map(str, needs if isinstance(needs, dict) else ()):
            if name != entry["name"]:
                found[entry.get("platform")].add((manager, canonicalize_name(name) if manager == "pip" else name))
    return found


def _is_needed(manager: str, name: str, needed: set[tuple[str, str]]) -> bool:
    if manager == "pip":
        return ("pip", canonicalize_name(name)) in needed
    return ("conda", name) in needed or any(("pip", held) in needed for held in distributions(name))


def read_explicit(text: str, into: Collector) -> None:
    """URLs of conda packages, for one platform. Raises UsageError where there is none."""
    count = 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#") or stripped == "@EXPLICIT":
            continue
        url = stripped.partition("#")[0].strip()
        parts = _split(url)
        archive = _ARCHIVE.fullmatch(unquote(parts[2])) if parts is not None else None
        if parts is None or archive is None:
            into.leave(stripped, "is not the URL of a conda package", number)
            continue
        channel, subdir, _ = parts
        into.channel(channel, number)
        if subdir != "noarch":
            into.platform(subdir, number)
        into.conda(f"{archive['name']}=={archive['version']}", number)
        count += 1
    if not count:
        raise UsageError("not an explicit list: it names no conda package", file=into.file)
    into.leave(
        "who asked for what",
        f"an explicit list does not say it: all {count} packages are taken as asked for; keep those that you mean",
    )


def _split(url: str) -> tuple[str, str, str] | None:
    """Channel (without credentials), subdir and file name of a package's URL."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    clean = without_credentials(url)
    if path.count("/") < 2 or "://" not in clean:
        return None
    channel, subdir, name = clean.rsplit("/", 2)
    return channel.removeprefix(_PUBLIC), subdir, name


def read_pylock(text: str, into: Collector) -> None:
    """pylock.toml (PEP 751). Raises UsageError for what is none."""
    toml = Toml.parse(into.file, text)
    packages = toml.data.get("packages")
    if not isinstance(packages, list) or "lock-version" not in toml.data:
        raise UsageError("not a pylock.toml: it has no `lock-version` and `packages`", file=into.file, line=1)
    python = toml.data.get("requires-python")
    if isinstance(python, str):
        into.python_range(python.replace(" ", ""), toml.line("requires-python"))
    entries = [entry for entry in packages if isinstance(entry, dict) and isinstance(entry.get("name"), str)]
    needed = {canonicalize_name(name) for entry in entries for name in _pylock_needs(entry)}
    asked = [entry for entry in entries if canonicalize_name(entry["name"]) not in needed]
    for entry in asked:
        line = _line(text, entry["name"], key="name")
        if "version" not in entry or not (entry.get("wheels") or entry.get("sdist")):
            into.leave(entry["name"], "does not come from an index", line)
            continue
        marker = f" ; {entry['marker']}" if isinstance(entry.get("marker"), str) else ""
        into.pypi(f"{entry['name']}=={entry['version']}{marker}", line)
    if len(asked) < len(entries):
        into.leave(
            f"{len(entries) - len(asked)} packages that others need",
            "are chosen again when the recipe is locked; those that nobody needs are taken for what was asked for",
        )


def _pylock_needs(entry: dict[str, Any]) -> Iterator[str]:
    for need in _items(entry.get("dependencies")):
        if isinstance(need, dict) and isinstance(need.get("name"), str):
            yield need["name"]


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _line(text: str, name: str, *, key: str = "- name") -> int | None:
    found = re.search(rf"^{re.escape(key)}\s*[:=]\s*[\"']?{re.escape(name)}[\"']?\s*$", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else None


def _yaml(text: str, file: str) -> Any:
    if (line := too_deep(text)) is not None:
        raise UsageError("nested too deeply", file=file, line=line)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - the C build of the safe loader
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        raise UsageError(
            f"not valid YAML: {problem.problem}", file=file, line=mark.line + 1 if mark else None
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, AttributeError, TypeError):
        raise UsageError("not valid YAML", file=file) from None
