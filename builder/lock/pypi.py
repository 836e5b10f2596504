"""Resolving the PyPI part of one platform with uv, for the target's own architecture, floor and Python.

conda has already chosen its packages by then, and uv must take them as they are. It is shown a folder of
empty wheels, one for each Python distribution that conda provides, whose version carries the local label
`+conda`, and is constrained to exactly those: requirements are then checked against conda's versions, a
conflict is explained by uv's own resolver, and none of these packages is resolved from an index.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from builder.errors import LockfileError, SourceUnreachableError, UnsatisfiableError
from builder.lock.model import LockedPackage
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: uv's names of the platforms. Those of Linux are completed with the manylinux level.
_UV_PLATFORMS: Final = {
    Subdir.OSX_ARM64: "aarch64-apple-darwin",
    Subdir.OSX_64: "x86_64-apple-darwin",
    Subdir.LINUX_64: "x86_64-manylinux_2_{minor}",
    Subdir.LINUX_AARCH64: "aarch64-manylinux_2_{minor}",
}
#: The manylinux levels uv knows (`uv pip compile --help`, 0.13), the newest first.
_MANYLINUX: Final = (*range(40, 30, -1), 28, 17)
#: glibc 2.x levels that have an older name (PEP 600).
_LEGACY_MANYLINUX: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_LOCAL: Final = "+conda"
#: What uv says when the index, and not the resolution, is the trouble.
UV_UNREACHABLE: Final = re.compile(
    r"error sending request|failed to fetch|dns error|connection refused|timed out|network connectivity"
    r"|could not connect|status code: 5\d\d",
    re.IGNORECASE,
)


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


async def resolve(request: PypiRequest) -> list[LockedPackage]:
    """The PyPI packages of one platform, each with the URL and SHA-256 of the one wheel the target would take.

    Raises UnsatisfiableError with uv's explanation, SourceUnreachableError when the index cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="envbuild-pypi-") as scratch:
        folder = Path(scratch)
        (folder / "requirements.in").write_text("\n".join(request.requirements) + "\n", encoding="utf-8")
        _write_stubs(folder / "provided", request.provided)
        pinned = {name: f"{version}{_LOCAL}" for name, version in request.provided.items()}
        pinned = dict(request.exact) | pinned
        (folder / "constraints.txt").write_text(
            "".join(f"{name}=={version}\n" for name, version in pinned.items()), encoding="utf-8"
        )
        lock, tree = await asyncio.gather(
            _uv(request, folder, "--format", "pylock.toml", "--no-header"),
            _uv(request, folder, "--format", "requirements.txt", "--no-header", "--annotation-style", "line"),
        )
    tags = list(target_tags(request))
    edges = _edges(tree)
    return [
        _locked(package, request, tags, edges)
        for package in tomllib.loads(lock)["packages"]
        if canonicalize_name(package["name"]) not in request.provided
    ]


def target_tags(request: PypiRequest) -> Iterator[Tag]:
    """The wheel tags the target accepts, the best first, as pip there would rank them."""
    python = tuple(int(part) for part in request.python.split(".")[:2])
    machine = request.subdir.machine
    if request.subdir.is_osx:
        major, _, minor = (request.macos or "11.0").partition(".")
        platforms = list(mac_platforms((int(major), int(minor or 0)), machine))
    else:
        newest = _glibc_minor(request)
        oldest = 5 if request.subdir is Subdir.LINUX_64 else 17
        platforms = []
        for level in range(newest, oldest - 1, -1):
            platforms.append(f"manylinux_2_{level}_{machine}")
            if level in _LEGACY_MANYLINUX:
                platforms.append(f"{_LEGACY_MANYLINUX[level]}_{machine}")
        platforms.append(f"linux_{machine}")
    yield from cpython_tags(python, platforms=platforms)
    yield from compatible_tags(python, interpreter=f"cp{python[0]}{python[1]}", platforms=platforms)


def _glibc_minor(request: PypiRequest) -> int:
    return int((request.glibc or "2.17").split(".")[1])


def _write_stubs(folder: Path, provided: Mapping[str, str]) -> None:
    folder.mkdir()
    for name, version in provided.items():
        stem = f"{name.replace('-', '_')}-{version}{_LOCAL}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            info = f"{stem}.dist-info"
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}{_LOCAL}\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")


async def _uv(request: PypiRequest, folder: Path, *options: str) -> str:
    platform = uv_platform(request.subdir, glibc_minor=_glibc_minor(request))
    environ = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    if request.macos:
        # uv takes the oldest macOS of the target from here.
        environ["MACOSX_DEPLOYMENT_TARGET"] = request.macos
    process = await asyncio.create_subprocess_exec(
        uv_executable(),
        "pip",
        "compile",
        str(folder / "requirements.in"),
        f"--constraints={folder / 'constraints.txt'}",
        f"--find-links={folder / 'provided'}",
        f"--python={sys.executable}",
        f"--python-version={request.python}",
        f"--python-platform={platform}",
        "--only-binary=:all:",
        "--color=never",
        "--no-progress",
        *options,
        cwd=folder,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, messages = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise _failure(messages.decode(errors="replace"), request)
    return output.decode()


def uv_executable() -> str:
    """The uv that was installed with envbuild."""
    import uv

    return os.fspath(uv.find_uv_bin())


def uv_platform(subdir: Subdir, *, glibc_minor: int = 17) -> str:
    """uv's `--python-platform` for a subdir; on Linux for the newest manylinux level that glibc 2.x allows."""
    level = next((level for level in _MANYLINUX if level <= glibc_minor), _MANYLINUX[-1])
    return _UV_PLATFORMS[subdir].format(minor=level)


def _failure(messages: str, request: PypiRequest) -> UnsatisfiableError | SourceUnreachableError:
    reason = messages.strip().replace(_LOCAL, " (from conda)")
    if UV_UNREACHABLE.search(messages):
        return SourceUnreachableError(
            f"PyPI packages for {request.subdir} cannot be fetched:\n{reason}",
            hint="check the network, or the index that uv is configured for (UV_INDEX_URL, uv.toml)",
        )
    return UnsatisfiableError(
        f"no set of PyPI packages for {request.subdir} and Python {request.python} satisfies the recipe:\n{reason}",
        hint="loosen the requirement named above, or see `envbuild show` for where it comes from",
    )


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
        url=wheel["url"],
        sha256=digest,
        # uv's resolution is exact; which range led to it is not part of its output.
        dependencies=dict.fromkeys(edges.get(name, ()), "*"),
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


def provided_distributions(packages: Iterable[LockedPackage], names: Mapping[str, str]) -> dict[str, str]:
    """The Python distributions among conda's packages: normalised PyPI name → version.

    A conda package does not say which distribution it holds. Those that depend on Python are taken to hold
    the one of their own name, or of the name that `names` (conda → PyPI) gives.
    """
    provided: dict[str, str] = {}
    for package in packages:
        if package.manager != "conda" or "python" not in package.dependencies:
            continue
        try:
            version = Version(package.version)
        except InvalidVersion:
            continue
        provided[canonicalize_name(names.get(package.name, package.name))] = version.public
    return provided
