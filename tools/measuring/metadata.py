"""Wheel tags, Python and macOS floors and declared pins, re-read from the packages' own metadata on PyPI.

The index is the one the user's pip and uv are configured for: pip lists the versions, uv names every wheel of a
version (a universal lock without dependencies), and the metadata inside a wheel is read by byte ranges, without
downloading the wheel.
"""

from __future__ import annotations

import io
import json
import os
import re
import ssl
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.parser import Parser
from typing import TYPE_CHECKING, Any, Final

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from builder.errors import SourceUnreachableError
from builder.platforms import Subdir
from builder.wheels import marker_environment
from tools.measuring.write import write_facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path

    from packaging.tags import Tag

#: Python minors that a wheel for "this minor or newer" is listed for.
MINORS: Final = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
#: Requirements worth keeping: those that facts or choices are about.
RELEVANT: Final = frozenset(
    (
        "keras", "tf-keras", "tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel", "numpy",
        "protobuf", "h5py", "ml-dtypes", "jax", "jaxlib", "optree", "scipy", "mlx-metal", "torch", "torchvision",
        "torchmetrics", "lightning", "pytorch-lightning", "flax", "optax",
    )
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Project:
    """What to read: `distributions` maps a platform to the index names that may hold its wheels, best first."""

    package: str
    since: str
    distributions: tuple[str, ...]
    every_patch: bool = True
    until: str | None = None


PROJECTS: Final = (
    Project(package="tensorflow", since="2.5", distributions=("tensorflow-cpu", "tensorflow", "tensorflow-macos")),
    Project(package="tensorflow-metal", since="0.1", distributions=("tensorflow-metal",)),
    Project(package="keras", since="2.7", distributions=("keras",)),
    Project(package="tf-keras", since="2.15", distributions=("tf-keras",), every_patch=False),
    Project(package="numpy", since="1.21", distributions=("numpy",), every_patch=False),
    Project(package="scipy", since="1.7", distributions=("scipy",), every_patch=False),
    Project(package="h5py", since="3.7", distributions=("h5py",), every_patch=False),
    Project(package="ml-dtypes", since="0.2", distributions=("ml-dtypes",), every_patch=False),
    Project(package="protobuf", since="3.19", distributions=("protobuf",), every_patch=False),
    Project(package="torch", since="2.0", distributions=("torch",), every_patch=False),
    Project(package="torchvision", since="0.15", distributions=("torchvision",), every_patch=False),
    Project(package="torchaudio", since="2.0", distributions=("torchaudio",), every_patch=False),
    Project(package="torchmetrics", since="1.0", distributions=("torchmetrics",), every_patch=False),
    Project(package="lightning", since="2.0", distributions=("lightning",), every_patch=False),
    Project(package="pytorch-lightning", since="2.0", distributions=("pytorch-lightning",), every_patch=False),
    Project(package="jax", since="0.4.20", distributions=("jax",)),
    Project(package="jaxlib", since="0.4.20", distributions=("jaxlib",)),
    Project(package="jax-metal", since="0.0.4", distributions=("jax-metal",)),
    Project(package="flax", since="0.8", distributions=("flax",), every_patch=False),
    Project(package="optax", since="0.2", distributions=("optax",), every_patch=False),
    Project(package="mlx", since="0.20", distributions=("mlx",), every_patch=False),
    Project(package="mlx-metal", since="0.20", distributions=("mlx-metal",), every_patch=False),
)


@dataclass(kw_only=True)
class Wheels:
    """All wheels of one distribution's release for one platform."""

    pythons: set[str] = field(default_factory=set)
    floors: dict[str, tuple[int, int]] = field(default_factory=dict)
    url: str = ""


#: pip lists only what some target accepts, so it is asked once per target.
_TARGETS: Final = tuple(
    (platform, python)
    for platform in ("macosx_26_0_arm64", "manylinux_2_28_x86_64")
    for python in ("3.9", "3.11", "3.13")
)


def versions(distribution: str) -> set[Version]:
    """Final releases of a distribution that have a wheel for Apple silicon or Linux."""
    found: set[Version] = set()
    reason = ""
    for platform, python in _TARGETS:
        done = subprocess.run(
            [
                sys.executable, "-m", "pip", "index", "versions", distribution, "--json", "--ignore-requires-python",
                "--only-binary", ":all:", "--platform", platform, "--python-version", python,
            ],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            found |= {Version(text) for text in json.loads(done.stdout)["versions"]}
        else:
            reason = done.stderr.strip()
    if not found and "No matching distribution" not in reason:
        raise SourceUnreachableError(f"pip could not list the versions of {distribution}: {reason[-300:]}")
    return {version for version in found if not version.is_prerelease}


def wheel_urls(distribution: str, version: Version, *, uv: str = "uv") -> list[str]:
    """URLs of every wheel of one release, in the order the index gives."""
    done = subprocess.run(
        [
            uv, "pip", "compile", "-", "--universal", "--no-deps", "--format", "pylock.toml", "--no-header", "--quiet",
            "--python-version", "3.8", "--no-build", "--no-python-downloads",
        ],
        input=f"{distribution}=={version}", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        # A Requires-Python above 3.8 makes the release unsatisfiable there: ask again from its own floor.
        floor = re.search(r"Python>=(3\.\d+)", done.stderr)
        if floor is None:
            return []
        arguments = list(done.args)
        arguments[arguments.index("3.8")] = floor.group(1)
        done = subprocess.run(
            arguments, input=f"{distribution}=={version}", capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            return []
    (package,) = tomllib.loads(done.stdout)["packages"]
    return [wheel["url"] for wheel in package.get("wheels", ())]


def pythons_of(tag: Tag) -> set[str]:
    """Python minors a wheel tag is for; empty: any Python 3."""
    if tag.interpreter.startswith("cp3"):
        first = f"3.{tag.interpreter.removeprefix('cp3')}"
        if tag.abi == "abi3":
            return set(MINORS[MINORS.index(first) :]) if first in MINORS else set(MINORS)
        return {first} if tag.abi in (tag.interpreter, "none") else set()
    return set()


def place_of(tag: Tag) -> tuple[tuple[str, ...], tuple[int, int]]:
    """The conda platforms of a wheel tag, and its macOS floor (0, 0 elsewhere)."""
    if tag.platform == "any":
        return ("any",), (0, 0)
    if mac := re.fullmatch(r"macosx_(\d+)_(\d+)_(arm64|x86_64|universal2)", tag.platform):
        floor = (int(mac[1]), int(mac[2]))
        if mac[3] == "universal2":
            # arm64 begins at macOS 11, whatever the tag of a two-architecture wheel says.
            return ("osx-arm64", "osx-64"), floor
        return ("osx-arm64" if mac[3] == "arm64" else "osx-64",), floor
    if "linux" in tag.platform and "musl" not in tag.platform:
        for machine, place in (("x86_64", "linux-64"), ("aarch64", "linux-aarch64")):
            if tag.platform.endswith(machine):
                return (place,), (0, 0)
    return (), (0, 0)


def group(urls: Iterable[str]) -> dict[str, Wheels]:
    """Wheels by platform."""
    result: dict[str, Wheels] = {}
    for url in urls:
        _, _, _, tags = parse_wheel_filename(url.rsplit("/", 1)[-1])
        for tag in tags:
            places, floor = place_of(tag)
            pythons = pythons_of(tag)
            if not pythons and tag.interpreter.startswith("cp"):
                continue  # free-threaded builds
            for place in places:
                wheels = result.setdefault(place, Wheels())
                wheels.pythons |= pythons
                wheels.url = url
                if place.startswith("osx"):
                    at_least = max(floor, (11, 0)) if place == "osx-arm64" else floor
                    for python in pythons or {""}:
                        wheels.floors[python] = min(wheels.floors.get(python, (99, 0)), at_least)
    return result


class _RemoteFile(io.RawIOBase):
    """A file on an index, read by ranges: enough for `zipfile` to find one member without downloading a wheel."""

    def __init__(self, url: str, *, context: ssl.SSLContext, timeout: float) -> None:
        self._url, self._context, self._timeout = url, context, timeout
        self._at = 0
        with self._open("bytes=0-0") as answer:
            self._size = int(answer.headers["Content-Range"].rpartition("/")[2])

    def _open(self, range_header: str) -> Any:
        request = urllib.request.Request(self._url, headers={"Range": range_header})  # noqa: S310
        answer = urllib.request.urlopen(request, timeout=self._timeout, context=self._context)  # noqa: S310
        if answer.status != 206:
            raise OSError("the index does not serve ranges")
        return answer

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size) - 1
        if end < self._at:
            return 0
        with self._open(f"bytes={self._at}-{end}") as answer:
            data = answer.read()
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def fetch_metadata(url: str, *, timeout: float = 60) -> tuple[str | None, list[str]]:
    """`Requires-Python` and the relevant `Requires-Dist` of a wheel, without downloading the wheel."""
    bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT")
    context = ssl.create_default_context(cafile=bundle)
    try:
        remote = io.BufferedReader(_RemoteFile(url, context=context, timeout=timeout), buffer_size=1 << 16)
        with zipfile.ZipFile(remote) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            message = Parser().parsestr(wheel.read(name).decode("utf-8", "replace"))
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise SourceUnreachableError(f"{url.rsplit('/', 1)[-1]}: metadata cannot be read: {error}") from None
    kept = []
    for text in message.get_all("Requires-Dist", []):
        requirement = Requirement(text)
        if requirement.marker is not None and "extra" in str(requirement.marker):
            continue
        if canonicalize_name(requirement.name) in RELEVANT:
            kept.append(str(requirement))
    return message.get("Requires-Python"), sorted(set(kept))


def _is_stub(project: Project, place: str, requires: Sequence[str]) -> bool:
    """A wheel that only points at another distribution of TensorFlow (or, tensorflow-macos 2.15.1, at itself)."""
    if project.package != "tensorflow":
        return False
    environment = marker_environment(Subdir(place), "3.11")
    return any(
        canonicalize_name(requirement.name) in ("tensorflow", "tensorflow-macos", "tensorflow-intel")
        and (requirement.marker is None or requirement.marker.evaluate(environment))
        for requirement in map(Requirement, requires)
    )


def read_release(project: Project, version: Version, *, today: date, uv: str = "uv") -> list[dict[str, Any]]:
    """The release as entries of a fact file: its real wheels, and what is installed under a name that holds none."""
    builds: dict[str, dict[str, Any]] = {}
    stubs: dict[str, dict[str, Any]] = {}
    for distribution in project.distributions:
        for place, wheels in group(wheel_urls(distribution, version, uv=uv)).items():
            if place in builds:
                continue
            requires_python, requires = fetch_metadata(wheels.url)
            if _is_stub(project, place, requires):
                stubs[f"{distribution} {place}"] = {"wheel": wheels.url.rsplit("/", 1)[-1], "requires": requires}
                continue
            build: dict[str, Any] = {"distribution": distribution}
            if wheels.pythons:
                build["pythons"] = sorted(wheels.pythons, key=Version)
            if requires_python:
                build["requires_python"] = requires_python.replace(" ", "")
            if wheels.floors:
                lowest = min(wheels.floors.values())
                build["macos"] = ".".join(map(str, lowest))
                higher = {python: floor for python, floor in wheels.floors.items() if python and floor > lowest}
                if higher:
                    build["floors"] = {
                        python: ".".join(map(str, higher[python])) for python in sorted(higher, key=Version)
                    }
            build["requires"] = requires
            builds[place] = build
    if not builds:
        return []
    names = " and ".join(sorted({build["distribution"] for build in builds.values()}))
    entry: dict[str, Any] = {
        "id": f"{project.package}-{version}",
        "package": project.package,
        "version": str(version),
        "origin": "pypi",
        "builds": dict(sorted(builds.items())),
        "source": f"wheel tags and metadata of {names} {version} on PyPI",
        "established": "metadata",
        "date": today.isoformat(),
    }
    if stubs:
        entry["stubs"] = {
            name: f"{stub['wheel']} holds no library and requires {', '.join(stub['requires'])}"
            for name, stub in sorted(stubs.items())
        }
    return [entry]


def chosen_versions(project: Project) -> list[Version]:
    """The versions to read: every one since the project's start, or the newest patch of each minor."""
    found: set[Version] = set()
    for distribution in project.distributions:
        found |= {version for version in versions(distribution) if version >= Version(project.since)}
    ordered = sorted(found, reverse=True)
    if project.every_patch:
        return ordered
    newest: dict[tuple[int, ...], Version] = {}
    for version in ordered:
        newest.setdefault(version.release[:2], version)
    return list(newest.values())


def measure(project: Project, *, file: Path, today: date, uv: str = "uv", jobs: int = 6, again: bool = False) -> int:
    """Add the releases that `file` does not hold yet (with `again`: read all of them); give their number."""
    known: list[dict[str, Any]] = []
    if file.exists() and not again:
        known = list(yaml.safe_load(file.read_text(encoding="utf-8"))["releases"])
    have = {entry["version"] for entry in known}
    missing = [version for version in chosen_versions(project) if str(version) not in have]
    with ThreadPoolExecutor(jobs) as pool:
        read = list(pool.map(lambda version: read_release(project, version, today=today, uv=uv), missing))
    entries = known + [entry for found in read for entry in found]
    entries.sort(key=lambda entry: Version(entry["version"]), reverse=True)
    write_facts(file, {"releases": entries})
    return len(entries) - len(known)
