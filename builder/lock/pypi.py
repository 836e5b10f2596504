"""Resolving the PyPI part of one platform with uv, for the target's own architecture, floor and Python.

conda has already chosen its packages by then, and uv must take them as they are. It is shown a folder of
empty wheels, one for each Python distribution that conda provides, whose version carries the local label
`+conda`, and is constrained to exactly those: requirements are then checked against conda's versions, a
conflict is explained by uv's own resolver, and none of these packages is resolved from an index.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from builder import uv
from builder.credentials import without_credentials
from builder.errors import LockfileError, SourceUnreachableError, UnsatisfiableError
from builder.lock.model import LockedPackage
from builder.names import similar_pypi_names
from builder.wheels import WheelTarget, accepted_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from packaging.tags import Tag

    from builder.platforms import Subdir
    from builder.uv import Uv

_LOCAL: Final = "+conda"
#: Names of uv's two outputs: each package with its files; and, in a comment behind each package, who needs it.
_PYLOCK: Final = "pylock.toml"
_TREE: Final = "tree.txt"


@dataclass(frozen=True, kw_only=True)
class PypiRequest:
    """What to resolve. `provided` maps the normalised names of conda's Python distributions to their versions."""

    subdir: Subdir
    python: str
    """The exact version conda chose, `3.12.7`."""
    requirements: tuple[str, ...]
    provided: Mapping[str, str]
    exact: Mapping[str, str]
    """The only version allowed of a package, should it be part of the resolution."""
    macos: str | None
    """Oldest macOS of the target, `14.0`; None off macOS."""
    glibc: str | None
    """glibc of the target, `2.28`; None off Linux."""
    free_threaded: bool = False
    preferred: Mapping[str, str] = field(default_factory=dict)
    """The version to stay at, where nothing says otherwise: what the last lock has."""
    locked_from: Mapping[str, str] = field(default_factory=dict)
    """Where the last lock has each package from: its URL, by normalised name."""
    exclude_newer: datetime | None = None
    """Leave out what was published after this moment."""

    @property
    def target(self) -> WheelTarget:
        return WheelTarget(
            subdir=self.subdir,
            python=self.python,
            macos=(self.macos or "11.0") if self.subdir.is_osx else None,
            glibc=(self.glibc or "2.17") if self.subdir.is_linux else None,
            free_threaded=self.free_threaded,
        )


async def resolve(request: PypiRequest, runner: Uv) -> list[LockedPackage]:
    """The PyPI packages of one platform, each with the URL and SHA-256 of the one wheel the target would take.

    Raises UnsatisfiableError with uv's explanation, SourceUnreachableError when the index cannot be reached.
    """
    with runner.scratch() as (folder, cwd):
        (folder / "requirements.in").write_text("\n".join(request.requirements) + "\n", encoding="utf-8")
        _write_stubs(folder / "provided", request.provided)
        pinned = {name: f"{version}{_LOCAL}" for name, version in request.provided.items()}
        pinned = dict(request.exact) | pinned
        (folder / "constraints.txt").write_text(_lines(pinned), encoding="utf-8")
        # An output that is there is what uv stays at as far as it can.
        kept = {name: version for name, version in request.preferred.items() if name not in request.provided}
        (folder / _PYLOCK).write_text(_pylock(kept), encoding="utf-8")
        (folder / _TREE).write_text(_lines(kept), encoding="utf-8")
        said: str | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for output in (_PYLOCK, _TREE):
                    group.create_task(_compile(request, runner, folder=folder, cwd=cwd, output=output))
        except* uv.UvFailure as failures:
            # Both were asked the same: the first answer is enough, and the other has ended or was ended. It is raised
            # below, since Python before 3.11.4 makes a group of what is raised here (python/cpython#103590).
            said = str(failures.exceptions[0])
        if said is not None:
            raise _failure(said, request)
        lock = tomllib.loads((folder / _PYLOCK).read_text(encoding="utf-8"))
        edges = _edges((folder / _TREE).read_text(encoding="utf-8"))
    tags = accepted_tags(request.target)
    return [
        _locked(package, request, tags, edges)
        for package in lock.get("packages", ())
        if canonicalize_name(package["name"]) not in request.provided
    ]


def _write_stubs(folder: Path, provided: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, version in provided.items():
        stem = f"{name.replace('-', '_')}-{version}{_LOCAL}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            info = f"{stem}.dist-info"
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}{_LOCAL}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")


def _lines(versions: Mapping[str, str]) -> str:
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items()))


def _pylock(versions: Mapping[str, str]) -> str:
    """A lock (PEP 751) that says nothing but names and versions."""
    packages = "".join(
        f"[[packages]]\nname = {json.dumps(name)}\nversion = {json.dumps(version)}\n"
        for name, version in sorted(versions.items())
    )
    return f'lock-version = "1.0"\ncreated-by = "envbuild"\n{packages or "packages = []"}'


async def _compile(request: PypiRequest, runner: Uv, *, folder: Path, cwd: Path, output: str) -> None:
    """Resolve into the file `output`, beginning with what it holds."""
    glibc = int((request.glibc or "2.17").split(".")[1])
    arguments = [
        "pip",
        "compile",
        str(folder / "requirements.in"),
        f"--output-file={folder / output}",
        f"--constraints={folder / 'constraints.txt'}",
        f"--find-links={folder / 'provided'}",
        f"--python={sys.executable}",
        f"--python-version={request.python}",
        f"--python-platform={uv.platform_name(request.subdir, glibc_minor=glibc)}",
        f"--format={'pylock.toml' if output == _PYLOCK else 'requirements.txt'}",
        "--annotation-style=line",
        "--only-binary=:all:",
        "--no-header",
        "--color=never",
        "--no-progress",
        *([f"--exclude-newer={request.exclude_newer.isoformat()}"] if request.exclude_newer else []),
    ]
    await runner.run(arguments, cwd=cwd, macos=request.macos)


def _failure(messages: str, request: PypiRequest) -> UnsatisfiableError | SourceUnreachableError:
    reason = messages.strip().replace(_LOCAL, " (from conda)")
    if uv.is_unauthorised(messages):
        return uv.refused_credentials(reason)
    missing = uv.not_offered(messages, at_all=True)
    if missing is not None and (url := request.locked_from.get(canonicalize_name(missing))) is not None:
        return uv.unknown_index(missing, url, reason=reason)
    if missing is not None and missing in map(_name_of, request.requirements):
        close = similar_pypi_names(missing)
        meant = f"did you mean {close[0]}? What" if close else "what"
        return UnsatisfiableError(
            f"no index that uv is configured for (PyPI, unless told otherwise) has a package called {missing!r}",
            hint=f"{meant} conda-forge has goes under `dependencies:`; a private index is named to uv by UV_INDEX "
            "or its uv.toml",
        )
    if uv.is_unreachable(messages):
        return SourceUnreachableError(
            f"PyPI packages for {request.subdir} cannot be fetched:\n{reason}",
            hint=uv.how_to_reach(reason),
        )
    return UnsatisfiableError(
        f"no set of PyPI packages for {request.subdir} and Python {request.python} satisfies the recipe:\n{reason}",
        hint=_not_for_here(messages, request)
        or "loosen the requirement named above, or see `envbuild show` for where it comes from",
    )


def _not_for_here(messages: str, request: PypiRequest) -> str | None:
    """What to write where a package that is asked for has wheels for other platforms alone; None where none is told."""
    told = re.search(
        r"Because (?:all versions of |only )?([A-Za-z0-9._-]+)\S* has no wheels with a matching platform tag", messages
    )
    if told is None:
        return None
    line = next((one for one in request.requirements if _name_of(one) == canonicalize_name(told[1])), None)
    if line is None or ";" in line:
        return None
    system = "linux" if request.subdir.is_osx else "darwin"
    return (
        f"where it is for other platforms only, write \"{line}; sys_platform == '{system}'\"; otherwise ask for "
        "another version of it"
    )


def _name_of(requirement: str) -> str:
    """The normalised name that a requirement line begins with; empty for one that is a URL or a path."""
    match = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return canonicalize_name(match[0]) if match else ""


def _edges(tree: str) -> dict[str, tuple[str, ...]]:
    """Who requires whom, from uv's annotated requirements (`numpy==2.0.2  # via keras, scipy`)."""
    needs: dict[str, list[str]] = {}
    for line in tree.splitlines():
        match = re.match(r"([A-Za-z0-9._-]+)==\S+\s*(?:;[^#]*)?#\s*via\s+(.*)", line)
        if match:
            for parent in match[2].split(","):
                if not parent.strip().startswith(("-r ", "-c ")):
                    needs.setdefault(canonicalize_name(parent.strip()), []).append(canonicalize_name(match[1]))
    return {parent: tuple(sorted(children)) for parent, children in needs.items()}


def _locked(
    package: Mapping[str, Any], request: PypiRequest, tags: Sequence[Tag], edges: Mapping[str, tuple[str, ...]]
) -> LockedPackage:
    name = canonicalize_name(package["name"])
    wheel = _best_wheel(package.get("wheels", ()), tags)
    if wheel is None:
        raise UnsatisfiableError(
            f"{name} {package.get('version', '')} has no wheel for {request.subdir} and Python {request.python}"
            + (f" on macOS {request.macos}" if request.macos else ""),
            hint="pin another version of it, or take it from conda",
        )
    digest = (wheel.get("hashes") or {}).get("sha256")
    if not digest or "url" not in wheel:
        raise LockfileError(f"the index gives no URL with SHA-256 for {name}; it cannot be locked")
    return LockedPackage(
        manager="pip",
        name=name,
        version=package["version"],
        subdir=request.subdir,
        url=without_credentials(wheel["url"]),
        sha256=digest,
        # uv's resolution is exact; which range led to it is not part of its output.
        dependencies=dict.fromkeys(edges.get(name, ()), "*"),
        size=size if isinstance(size := wheel.get("size"), int) else None,
    )


def _best_wheel(wheels: Iterable[Mapping[str, Any]], tags: Sequence[Tag]) -> Mapping[str, Any] | None:
    """The wheel that ranks first among the target's tags; between equal ones the higher build number."""
    rank = {tag: index for index, tag in enumerate(tags)}
    best: tuple[tuple[int, tuple[int, str]], Mapping[str, Any]] | None = None
    for wheel in wheels:
        file = wheel.get("name") or str(wheel.get("url", "")).rsplit("/", 1)[-1]
        try:
            _, _, build, wheel_tags = parse_wheel_filename(file)
        except (InvalidWheelFilename, InvalidVersion):
            continue
        ranks = [rank[tag] for tag in wheel_tags if tag in rank]
        if ranks:
            number, suffix = build or (0, "")
            key = (min(ranks), (-number, suffix))
            if best is None or key < best[0]:
                best = (key, wheel)
    return best[1] if best else None
