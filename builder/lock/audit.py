"""The audit every lock passes before it is used: what conda-lock, conda and micromamba take on trust.

conda-lock installs by MD5 and accepts entries without SHA-256; corrupt caches have led to locks that
silently lack dependencies (conda/conda-lock#896), and a lock without the platform gives an empty
environment (conda/conda-lock#281).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from builder.credentials import has_credentials, names_elsewhere
from builder.errors import LockfileError
from builder.lock.channels import canonical_url
from builder.lock.provided import provided_distributions
from builder.lock.ranges import excludes
from builder.plan.terms import MAIN_GROUP
from builder.wheels import WheelTarget, why_unfit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir

_PYTHON: Final = ("conda", "python")
#: Plain http to oneself passes nobody.
_LOOPBACK: Final = frozenset(("localhost", "127.0.0.1", "::1"))


class Defect(Struct, frozen=True, kw_only=True):
    """One reason to refuse a lock. `package` is None when it concerns a whole platform."""

    package: LockedPackage | None
    message: str


def audit(lock: Lock) -> tuple[Defect, ...]:
    """All defects of a lock, the worst kinds first within a package; empty when it may be used."""
    found: list[Defect] = []
    channels = tuple(f"{canonical_url(channel)}/" for channel in lock.channels)
    pythons = {package.subdir: package for package in lock.packages if (package.manager, package.name) == _PYTHON}
    for package in lock.packages:
        messages = _package_defects(package, channels, pythons.get(package.subdir))
        found += [Defect(package=package, message=message) for message in messages]
    for subdir in lock.platforms:
        found += _platform_defects(lock, subdir)
    declared = set(lock.platforms)
    for subdir in sorted({package.subdir for package in lock.packages} - declared):
        found.append(Defect(package=None, message=f"packages for {subdir}, which the lock does not declare"))
    return tuple(found)


def require_sound(lock: Lock, file: Path) -> None:
    """Raises LockfileError naming the first defect with its entry and line, and how many more there are."""
    defects = audit(lock)
    if not defects:
        return
    from builder.lock.read import relock

    first = defects[0]
    more = f" (and {len(defects) - 1} more)" if len(defects) > 1 else ""
    raise LockfileError(
        f"{describe(first)}{more}",
        file=file,
        line=_line(file, first),
        hint=f"do not install it; run {relock(file)}, or restore the file from version control",
    )


def describe(defect: Defect) -> str:
    """One line for people: the entry, then what is wrong with it."""
    if defect.package is None:
        return defect.message
    package = defect.package
    return f"{package.name} {package.version} ({package.manager}, {package.subdir}): {defect.message}"


def _line(file: Path, defect: Defect) -> int | None:
    """The line of the entry, found again in the file, since a lock as a value has no lines."""
    package = defect.package
    if package is None:
        return None
    # Here, for its models' time: a lock that was just made is not read.
    from builder.lock.read import line_of

    text = file.read_text(encoding="utf-8")
    first: int | None = None
    platform = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("  platform: "):
            platform = line.removeprefix("  platform: ").strip()
        elif line == f"  url: {package.url}":
            # What is for every platform has the same URL in several entries.
            if platform == package.subdir.value:
                return number
            first = first or number
    return first or line_of(text, ("package",))


def _package_defects(package: LockedPackage, channels: tuple[str, ...], python: LockedPackage | None) -> Iterator[str]:
    if package.sha256 is None:
        yield "has no sha256"
    if not package.is_plain:
        yield from _url_defects(package.url)
    if package.manager == "pip":
        yield from _wheel_defects(package, python)
        return
    subdir, file = package.url_subdir, package.file_name
    if subdir not in (package.subdir, "noarch"):
        yield f"its URL is for {subdir or 'no platform'}, not for {package.subdir} or noarch"
    if not package.url.startswith(channels):
        yield f"its URL is not on any channel of the lock: {package.url}"
    stem = f"{package.name}-{package.version}-"
    if not file.startswith(stem) or not file.endswith((".conda", ".tar.bz2")):
        yield f"its URL names another package: {file}"


def _url_defects(text: str) -> Iterator[str]:
    url = urlsplit(text)
    if has_credentials(text):
        yield "its URL contains credentials"
    elif names_elsewhere(text):
        yield "its URL names a variable where only a user, a password or a token may be one"
    if url.scheme == "http" and url.hostname not in _LOOPBACK:
        yield "its URL is plain http, which anyone on the way can read and answer"
    elif url.scheme not in ("https", "http", "file"):
        yield f"its URL has an unsupported scheme: {url.scheme or 'none'}"
    if ".." in unquote(url.path).split("/"):
        yield "its URL goes up a folder (`..`)"


def _wheel_defects(package: LockedPackage, python: LockedPackage | None) -> Iterator[str]:
    try:
        name, version, _, tags = parse_wheel_filename(package.file_name)
    except (InvalidWheelFilename, InvalidVersion):
        yield f"{package.file_name} is not a wheel"
        return
    if name != canonicalize_name(package.name) or not _same_version(version, package.version):
        yield f"its URL names another package: {package.file_name}"
    target = WheelTarget(
        subdir=package.subdir,
        python=python.version if python is not None and re.match(r"\d+\.\d+", python.version) else None,
        free_threaded=python.free_threaded if python is not None else None,
    )
    reason = why_unfit(tags, target)
    if reason is not None:
        yield f"its wheel {reason}: {package.file_name}"


def _same_version(version: Version, text: str) -> bool:
    try:
        return version == Version(text)
    except InvalidVersion:
        return False


def _platform_defects(lock: Lock, subdir: Subdir) -> Iterator[Defect]:
    packages = lock.on(subdir)
    conda = [package for package in packages if package.manager == "conda"]
    if not conda:
        yield Defect(package=None, message=f"no packages for {subdir}, which the lock declares")
        return
    pip = [package for package in packages if package.manager == "pip"]
    if pip and not any(package.name == "python" for package in conda):
        yield Defect(package=None, message=f"PyPI packages but no python for {subdir}")
    groups = {package.name: set(package.groups) for package in conda}
    optional = _optional(groups)
    versions = {package.name: package.version for package in conda}
    for package in conda:
        yield from _open_ends(package, package.dependencies.keys(), groups, optional)
        yield from _of_other_versions(package, versions)
    if not pip:
        return
    groups = {canonicalize_name(package.name): set(package.groups) for package in pip}
    for package in conda:
        for name in provided_distributions([package]):
            groups.setdefault(canonicalize_name(name), set()).update(package.groups)
    optional = _optional(groups)
    for package in pip:
        yield from _open_ends(package, set(map(canonicalize_name, package.dependencies)), groups, optional)


def _of_other_versions(package: LockedPackage, versions: Mapping[str, str]) -> Iterator[Defect]:
    """What `package` needs in other versions than the lock has: by a merge of two locks, line by line, or by hand.

    Of PyPI packages the lock does not keep which versions they ask for.
    """
    for name, asked in package.dependencies.items():
        there = versions.get(name)
        if there is not None and asked != "*" and excludes(asked, there):
            yield Defect(package=package, message=f"needs {name} {asked}, and the lock has {there}")


def _optional(groups: Mapping[str, AbstractSet[str]]) -> AbstractSet[str]:
    """The names of what is not installed always."""
    return {name for name, those in groups.items() if MAIN_GROUP not in those}


def _open_ends(
    package: LockedPackage, needs: AbstractSet[str], groups: Mapping[str, AbstractSet[str]], optional: AbstractSet[str]
) -> Iterator[Defect]:
    """What `package` needs and does not get: absent, or installed only together with a group that it is not in.

    The machine provides the virtual packages (`__osx`).
    """
    missing = [name for name in needs if name not in groups and not name.startswith("__")]
    if missing:
        yield Defect(package=package, message=f"needs {', '.join(sorted(missing))}, which is not in the lock")
    if optional.isdisjoint(needs):
        return
    for group in package.groups:
        elsewhere = sorted(name for name in needs if name in optional and group not in groups[name])
        if elsewhere:
            yield Defect(package=package, message=f"needs {', '.join(elsewhere)}, which is not in its group {group}")
