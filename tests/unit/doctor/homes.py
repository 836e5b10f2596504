"""Fixture homes: a folder of configuration files as a program wrote them, and a `case.toml` that says the rest.

What cannot be kept as text is made here: interpreters (their first bytes, which name the architecture), environments
with their records, VS Code's databases, links, and applications.
"""

from __future__ import annotations

import json
import plistlib
import shutil
import sqlite3
import struct
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.doctor.examine import Patient, Request
from builder.doctor.machine import from_json
from builder.doctor.model import Ide

DATA = Path(__file__).parents[2] / "data" / "doctor"
_CPU = {"arm64": (0x0100000C, 0), "x86_64": (0x01000007, 3)}
_ELF = {"elf-x86_64": 62, "elf-aarch64": 183}


@dataclass(frozen=True, kw_only=True)
class Home:
    """A home that was built: its folder, what is asked of it, and what `case.toml` expects."""

    name: str
    path: Path
    expected: dict[str, Any]

    @property
    def project(self) -> Path | None:
        return self.path / self.expected["project"] if "project" in self.expected else None

    def request(self) -> Request:
        ides = self.expected.get("ide")
        return Request(
            environment=self.expected.get("environment"),
            project=self.project,
            ides=frozenset(Ide(ide) for ide in ides) if ides else None,
            static=True,
        )

    def patient(self) -> Patient:
        return Patient(home=self.path, cwd=self.path, machine=from_json(self.expected["machine"], where="case.toml"))


def case_names() -> list[str]:
    return sorted(path.parent.name for path in DATA.glob("*/case.toml"))


def build(name: str, folder: Path) -> Home:
    """Lay the home out in `folder`."""
    expected = tomllib.loads((DATA / name / "case.toml").read_text(encoding="utf-8"))
    home = folder / expected.get("user", "anna")
    if (DATA / name / "home").is_dir():
        shutil.copytree(DATA / name / "home", home, symlinks=True)
    home.mkdir(parents=True, exist_ok=True)
    for environment in expected.get("environments", ()):
        make_environment(home, **environment)
    for link in expected.get("links", ()):
        path = home / link["at"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link["to"])
    for row in expected.get("rows", ()):
        write_row(home / row["database"], row["key"], row["value"])
    for application in expected.get("applications", ()):
        make_application(home, **application)
    return Home(name=name, path=home, expected=expected)


def binary(*slices: str, padding: int = 0) -> bytes:
    """The beginning of an executable for those architectures."""
    if slices[0] in _ELF:
        head = b"\x7fELF\x02\x01\x01" + b"\0" * 9 + struct.pack("<HH", 3, _ELF[slices[0]])
        return head + b"\0" * padding
    if len(slices) == 1:
        return struct.pack("<IIIIIIII", 0xFEEDFACF, *_CPU[slices[0]], 2, 0, 0, 0, 0) + b"\0" * padding
    table = b"".join(struct.pack(">IIIII", *_CPU[arch], 0x4000, 0x4000, 14) for arch in slices)
    return struct.pack(">II", 0xCAFEBABE, len(slices)) + table + b"\0" * padding


def make_environment(
    home: Path,
    *,
    prefix: str,
    arch: list[str] | str = "arm64",
    python: str = "3.11.9",
    kind: str = "conda",
    subdir: str | None = None,
    packages: dict[str, str] | None = None,
    conda_packages: dict[str, str] | None = None,
    conda: bool = False,
    link: str | None = None,
    interpreter: bool = True,
    missing: list[str] | None = None,
    state: dict[str, str] | None = None,
) -> Path:
    """An environment as its records describe it; `missing` are modules that RECORD names and that are not there."""
    root = home / prefix
    (root / "bin").mkdir(parents=True, exist_ok=True)
    series = ".".join(python.split(".")[:2])
    slices = [arch] if isinstance(arch, str) else arch
    if link is not None:
        (root / "bin" / "python").symlink_to(link)
    elif interpreter:
        (root / "bin" / f"python{series}").write_bytes(binary(*slices))
        (root / "bin" / f"python{series}").chmod(0o755)
        for name in ("python", "python3"):
            (root / "bin" / name).symlink_to(f"python{series}")
    site = root / "lib" / f"python{series}" / "site-packages"
    site.mkdir(parents=True)
    for name, version in (packages or {}).items():
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        module = site / name.replace("-", "_") / "__init__.py"
        (info / "RECORD").write_text(f"{name.replace('-', '_')}/__init__.py,,\n{info.name}/METADATA,,\n")
        if name not in (missing or []):
            module.parent.mkdir()
            module.write_text("")
    if kind == "venv":
        (root / "pyvenv.cfg").write_text(
            f"home = /somewhere/bin\ninclude-system-site-packages = false\nversion = {python}\n"
        )
    if kind == "conda":
        meta = root / "conda-meta"
        meta.mkdir()
        default = {"arm64": "osx-arm64", "x86_64": "osx-64", "elf-x86_64": "linux-64"}[slices[0]]
        for name, version in ({"python": python} | (conda_packages or {})).items():
            number, _, other = version.partition("@")
            record = {
                "name": name,
                "version": number,
                "build": "h0_0",
                "subdir": other or subdir or default,
                "files": [],
            }
            (meta / f"{name}-{number}-h0_0.json").write_text(json.dumps(record))
        (meta / "history").write_text("==> 2025-01-01 00:00:00 <==\n# cmd: conda create\n")
        if state:
            (meta / "state").write_text(json.dumps({"version": 1, "env_vars": state}))
    if conda:
        (root / "bin" / "conda").write_text("#!/bin/sh\n")
        (root / "envs").mkdir(exist_ok=True)
        (root / "condabin").mkdir(exist_ok=True)
    return root


def write_row(database: Path, key: str, value: dict[str, Any]) -> None:
    """One row of VS Code's state, in the table it keeps them in."""
    database.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE IF NOT EXISTS ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
    connection.execute("INSERT INTO ItemTable VALUES (?, ?)", (key, json.dumps(value)))
    connection.execute("INSERT INTO ItemTable VALUES (?, ?)", ("secret://somebody", json.dumps({"token": "hunter2"})))
    connection.commit()
    connection.close()


def make_application(home: Path, *, name: str, arch: list[str], identifier: str, version: str = "1.0") -> None:
    """A macOS application in the user's own folder of them."""
    contents = home / "Applications" / f"{name}.app" / "Contents"
    (contents / "MacOS").mkdir(parents=True)
    (contents / "MacOS" / "main").write_bytes(binary(*arch))
    info = {"CFBundleExecutable": "main", "CFBundleIdentifier": identifier, "CFBundleShortVersionString": version}
    (contents / "Info.plist").write_bytes(plistlib.dumps(info))
