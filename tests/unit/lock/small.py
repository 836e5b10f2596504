"""Small real worlds to lock in: a channel of metadata only, an index of empty wheels, rendered files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builder.lock.make import Made, make_lock
from builder.lock.rattler_solver import RattlerSolver
from builder.platforms import Subdir
from builder.render.read import read_rendered
from builder.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from builder.lock.make import Judge
    from builder.lock.moves import Previous

MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64
_VIRTUAL = """\
subdirs:
  osx-arm64: {packages: {__osx: "14.0", __unix: "0"}}
  linux-64: {packages: {__glibc: "2.28", __linux: "5.10", __unix: "0"}}
"""


@dataclass
class SmallWorld:
    """A folder with `channel/`, `index/` and `rendered/`."""

    root: Path
    platforms: tuple[Subdir, ...] = (LINUX,)
    parity: tuple[str, ...] = ()
    solver: RattlerSolver | None = None
    environ: dict[str, str] = field(default_factory=dict)

    def publish(self, *records: str, subdirs: Sequence[str] = ("noarch",)) -> None:
        """Conda packages, each as `name version [build] : dependency; dependency`, into the channel."""
        for subdir in ("noarch", "linux-64", "osx-arm64"):
            file = self.root / "channel" / subdir / "repodata.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            data: dict[str, Any] = (
                json.loads(file.read_text())
                if file.exists()
                else {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}}
            )
            for record in records if subdir in subdirs else ():
                name_file, entry = _record(record, subdir)
                data["packages.conda"][name_file] = entry
            file.write_text(json.dumps(data))

    def withdraw(self, name: str, version: str) -> None:
        for file in (self.root / "channel").glob("*/repodata.json"):
            data = json.loads(file.read_text())
            data["packages.conda"] = {
                key: entry
                for key, entry in data["packages.conda"].items()
                if (entry["name"], entry["version"]) != (name, version)
            }
            file.write_text(json.dumps(data))

    def upload(self, *wheels: str, tag: str = "py3-none-any") -> None:
        """Empty wheels, each as `name version : requirement; requirement`, into the index."""
        for wheel in wheels:
            head, _, requires = wheel.partition(":")
            name, version = head.split()
            page = self.root / "index" / name
            page.mkdir(parents=True, exist_ok=True)
            file = page / f"{name.replace('-', '_')}-{version}-{tag}.whl"
            needs = "".join(f"Requires-Dist: {need.strip()}\n" for need in requires.split("|") if need.strip())
            info = f"{name.replace('-', '_')}-{version}.dist-info"
            with zipfile.ZipFile(file, "w") as packed:
                packed.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
                packed.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
                packed.writestr(f"{info}/RECORD", "")
            links = "".join(
                f'<a href="{other.name}#sha256={hashlib.sha256(other.read_bytes()).hexdigest()}">{other.name}</a>\n'
                for other in sorted(page.glob("*.whl"))
            )
            (page / "index.html").write_text(f"<!DOCTYPE html>\n{links}")

    def lock(
        self,
        *conda: str,
        pip: Sequence[str] = (),
        previous: Previous | None = None,
        judge: Judge | None = None,
        **more: Any,
    ) -> Made:
        """Lock `conda` and `pip` lines (with selectors) for the world's platforms."""
        folder = self.root / "rendered"
        folder.mkdir(exist_ok=True)
        lines = [f"  - {line}" for line in conda]
        if pip:
            self.publish("pip 24.0 : python")
            lines += ["  - pip", "  - pip:", *(f"      - {line}" for line in pip)]
        platforms = "".join(f"  - {subdir}\n" for subdir in self.platforms)
        (folder / "environment.yml").write_text(
            f"name: small\nchannels:\n  - {self.channel}\n  - nodefaults\nplatforms:\n{platforms}dependencies:\n"
            + "\n".join(lines)
            + "\n"
        )
        (folder / "virtual-packages.yml").write_text(_VIRTUAL)
        rendered = read_rendered(folder, parity=self.parity)
        uv = Uv(environ=self._environ())
        solver = self.solver or RattlerSolver(cache=self.root / "cache")
        work = make_lock(rendered, solver=solver, uv=uv, notes={}, previous=previous, judge=judge, **more)
        return asyncio.run(work)

    @property
    def channel(self) -> str:
        return (self.root / "channel").as_uri()

    def _environ(self) -> Mapping[str, str]:
        (self.root / "index").mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "UV_CACHE_DIR": str(self.root / "uv-cache"),
            "UV_DEFAULT_INDEX": (self.root / "index").as_uri(),
        } | self.environ


def _record(text: str, subdir: str) -> tuple[str, dict[str, Any]]:
    head, _, depends = text.partition(":")
    name, version, *build = head.split()
    file = f"{name}-{version}-{build[0] if build else '0'}.conda"
    digest = hashlib.sha256(f"{subdir}/{file}/{depends}".encode())
    return file, {
        "name": name,
        "version": version,
        "build": build[0] if build else "0",
        "build_number": 0,
        "depends": [need.strip() for need in depends.split(";") if need.strip()],
        "subdir": subdir,
        "sha256": digest.hexdigest(),
        "md5": digest.hexdigest()[:32],
        "size": 1,
        "timestamp": 1_700_000_000_000,
    }


def versions(made: Made, subdir: Subdir = LINUX) -> dict[str, str]:
    return {package.name: package.version for package in made.lock.on(subdir)}


def moved(made: Made) -> dict[str, tuple[str, str]]:
    """Name → kind and reason of each change."""
    return {move.name: (move.kind, move.why) for move in made.moves}
