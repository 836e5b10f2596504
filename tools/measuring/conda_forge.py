"""Which CPU builds conda-forge has, read from a channel's repodata: versions, Python minors, macOS floors, pins.

Any copy of the channel will do; a partial one gives fewer releases, never wrong ones.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Final

import zstandard
from packaging.version import Version

from builder.errors import SourceUnreachableError
from builder.platforms import Subdir
from tools.measuring.write import write_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from pathlib import Path

#: conda package -> (what facts call it, the package that holds its pins, oldest version worth keeping)
BUILT: Final = {
    "tensorflow": ("tensorflow", "tensorflow-base", "2.7"),
    "pytorch": ("torch", "pytorch", "2.0"),
    "jaxlib": ("jaxlib", "jaxlib", "0.4.20"),
    "mlx": ("mlx", "mlx", "0"),
}
NOARCH: Final = {"keras": "2.7", "jax": "0.4.20"}
PINNED: Final = ("keras", "numpy", "protobuf", "h5py", "ml_dtypes")
SUBDIRS: Final = ("linux-64", "osx-arm64")

Record = dict[str, Any]


def read_repodata(channel: Path, subdir: str) -> list[Record]:
    """All package records of one subdir (`repodata.json` or `repodata.json.zst`)."""
    plain, packed = channel / subdir / "repodata.json", channel / subdir / "repodata.json.zst"
    try:
        if plain.exists():
            data = plain.read_bytes()
        else:
            data = zstandard.ZstdDecompressor().stream_reader(packed.open("rb")).read()
        document = json.loads(data)
    except (OSError, ValueError, zstandard.ZstdError) as error:
        raise SourceUnreachableError(f"{channel / subdir} holds no readable repodata: {error}") from None
    return [*document.get("packages", {}).values(), *document.get("packages.conda", {}).values()]


def _requirements(depends: list[str]) -> list[str]:
    """Conda pins on packages that facts are about, as PEP 508: `keras >=3.5` becomes `keras>=3.5`."""
    found = set()
    for text in depends:
        name, _, rest = text.partition(" ")
        spec = rest.split(" ")[0].replace(".0a0", ".0")
        if name in PINNED and spec and spec != "*":
            exact = re.fullmatch(r"\d[\d.]*(\.\*)?", spec)
            found.add(f"{name.replace('_', '-')}{'==' if exact else ''}{spec}")
    return sorted(found)


def _floor(depends: list[str]) -> str:
    """The newest macOS a record asks for; conda-forge's own floor where it asks for none."""
    asked = [Version(match[1]) for text in depends if (match := re.fullmatch(r"__osx >=([\d.]+)", text))]
    return str(max(asked, default=Version("11.0")))


def _built(subdir: str, records: list[Record]) -> Iterator[tuple[str, str, str, Record]]:
    """(fact package, version, Python minor, build entry) of every CPU build."""
    for conda, (package, base, since) in BUILT.items():
        bases = [record for record in records if record["name"] == base]
        for record in records:
            tag = re.search(r"py3(\d+)", record["build"])
            if record["name"] != conda or "cuda" in record["build"] or tag is None:
                continue
            if Version(record["version"]) < Version(since):
                continue
            depends = list(record["depends"])
            for other in bases:
                if other["version"] == record["version"] and tag[0] in other["build"] and "cuda" not in other["build"]:
                    depends += other["depends"]
            entry: Record = {"distribution": conda, "requires": _requirements(depends)}
            if subdir.startswith("osx"):
                entry["macos"] = _floor(depends)
            yield package, record["version"], f"3.{tag[1]}", entry


def read_live(channel: str = "conda-forge") -> dict[str, list[Record]]:
    """The records that matter here, by subdir, as the channel has them now."""
    from builder.lock.rattler_solver import RattlerSolver
    from builder.lock.solver import SolveRequest

    names = sorted({*BUILT, *(base for _, base, _ in BUILT.values()), *NOARCH})
    solver = RattlerSolver()
    found: dict[str, list[Record]] = {}
    for subdir in SUBDIRS:
        request = SolveRequest(
            subdir=Subdir(subdir), channels=(channel,), specs=(), virtual_packages={}, exact={}
        )  # fmt: skip
        for record in asyncio.run(solver.records(request, names)):
            plain = {
                "name": record.name.normalized, "version": str(record.version), "build": str(record.build),
                "depends": list(record.depends),
            }  # fmt: skip
            found.setdefault(record.subdir, []).append(plain)
    return found


def measure(records: Mapping[str, list[Record]], *, file: Path, seen: date) -> int:
    """Write the releases that these records of a channel (by subdir) are of, as of `seen`; give their number."""
    releases: dict[tuple[str, str], dict[str, Record]] = {}
    for subdir in SUBDIRS:
        for package, version, python, entry in _built(subdir, records.get(subdir, [])):
            build = releases.setdefault((package, version), {}).setdefault(subdir, entry | {"pythons": set()})
            build["pythons"].add(python)
    for record in records.get("noarch", []):
        name = record["name"]
        if name in NOARCH and Version(record["version"]) >= Version(NOARCH[name]):
            entry = {"distribution": name, "requires": _requirements(record["depends"])}
            floor = next((text.split(" ")[1] for text in record["depends"] if text.startswith("python >")), None)
            if floor is not None:
                entry["requires_python"] = floor
            releases.setdefault((name, record["version"]), {})["any"] = entry
    entries = [_release(package, version, builds, seen) for (package, version), builds in releases.items()]
    entries.sort(key=lambda entry: Version(entry["version"]), reverse=True)
    entries.sort(key=lambda entry: str(entry["package"]))
    write_facts(file, {"releases": entries})
    return len(entries)


def _release(package: str, version: str, builds: dict[str, Record], seen: date) -> Record:
    for build in builds.values():
        if "pythons" in build:
            build["pythons"] = sorted(build["pythons"], key=Version)
    places = ", ".join(sorted(builds)).replace("any", "noarch")
    return {
        "id": f"conda-forge-{package}-{version}",
        "package": package,
        "version": version,
        "origin": "conda-forge",
        "builds": dict(sorted(builds.items())),
        "source": f"conda-forge repodata records of {places} (CPU builds)",
        "established": "metadata",
        "date": seen.isoformat(),
    }
