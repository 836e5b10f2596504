"""The proof of real wheels for Apple silicon says what `verify --static` says of what is built from that lock."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from builder.channel.archive import PackageSpec
from builder.platforms import Subdir
from tests.integration.create.conftest import with_python
from tests.integration.create.test_prove import proof_of
from tests.integration.create.world import MINOR, World, package, wait
from tests.integration.wheels import UV, unpacked

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network

_SITE = f"lib/python{MINOR}/site-packages"
_RECIPE = """\
name: real
platforms: [osx-arm64]
macos: "14.0"
channels: ["{channel}"]
python: "{minor}"
dependencies: [{dependencies}]
pypi: [{wheels}]
"""
#: Findings that only an environment that was built can have.
_OF_INSTALLED = ("env.", "pkg.integrity", "pkg.locked")


def of_this_user() -> dict[str, str]:
    """How uv reaches its index here, and its cache: the wheels are large."""
    known = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_"))}
    cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    return {"UV_CACHE_DIR": cache} | known


def run(world: World, *arguments: str, code: int | None = 0) -> dict[str, object]:
    done = wait(world.start(*arguments, program=("-m", "builder"), **of_this_user()), seconds=900)
    return done.ended(done.code if code is None else code).result


def agree(world: World, dependencies: str, wheels: str, *, proven: bool) -> set[str]:
    """Lock, prove, build and verify; the checks that failed, which both say in the same words."""
    text = _RECIPE.format(channel=world.channel.as_uri(), minor=MINOR, dependencies=dependencies, wheels=wheels)
    (world.project / "recipes" / "real.yaml").write_text(text)
    run(world, "lock", "real", "--json")
    run(world, "prove", "real", "--json", code=0 if proven else 1)
    run(world, "create", "real", "--platform", "osx-arm64", "--no-verify", "-p", str(world.prefix("real")), "--json")
    verified = run(world, "verify", str(world.prefix("real")), "--static", "--json", code=None)
    built = verified["findings"]
    assert isinstance(built, list)
    on_disk = {
        (one["check"], one["status"], one["title"], *one["evidence"])
        for one in built
        if one["status"] != "pass" and not one["check"].startswith(_OF_INSTALLED)
    }
    told = {
        (one["check"], one["status"], one["title"], *one["evidence"])
        for one in proof_of(world, "real")["osx-arm64"]["findings"]
        if not one["check"].startswith(_OF_INSTALLED)
    }
    assert told == on_disk
    return {entry[0] for entry in told if entry[1] == "fail"}


def as_conda_package(world: World, tmp_path: Path, name: str, version: str, *, depends: tuple[str, ...] = ()) -> None:
    """The wheel as a conda package of the channel, its metadata with it."""
    folder = unpacked(tmp_path / name, f"{name}=={version}", python=MINOR)
    files = {
        f"{_SITE}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("RECORD", "INSTALLER", "REQUESTED", ".lock")
    }
    info = f"{_SITE}/{name}-{version}.dist-info"
    spec = PackageSpec(name=name, version=version, build="0", subdir=Subdir.OSX_ARM64, depends=("python", *depends))
    package(world.channel, spec, files | {f"{info}/INSTALLER": b"conda"})


@pytest.fixture
def unknown_python(world: World, tmp_path: Path) -> World:
    """Of the Python of a real Mac there is no package here: one that is no Mach-O file is taken to have its C API."""
    from rattler.index import index_fs

    changed = with_python(world, tmp_path / "channel", {f"bin/python{MINOR}": b"#!/bin/sh\n"})
    asyncio.run(index_fs(changed.channel, write_zst=False, write_shards=False))
    return changed


def test_scipy_from_a_channel_and_from_pypi(unknown_python: World, tmp_path: Path) -> None:
    """numexpr 2.9.0 was built for NumPy 1 and does not say so; SciPy 1.14.1 works with 2.1.3."""
    from rattler.index import index_fs

    as_conda_package(unknown_python, tmp_path, "numpy", "2.1.3")
    as_conda_package(unknown_python, tmp_path, "scipy", "1.14.1", depends=("numpy",))
    asyncio.run(index_fs(unknown_python.channel, write_zst=False, write_shards=False, force=True))
    assert not agree(unknown_python, "scipy", "msgpack ==1.1.0", proven=True)
    assert agree(unknown_python, "scipy", "numexpr ==2.9.0", proven=False) == {"link.numpy-abi"}


@pytest.mark.heavy
@pytest.mark.parametrize(
    "wheels",
    ["tensorflow ==2.18.1, tensorflow-metal ==1.2.0", "torch ==2.5.1, torchvision ==0.20.1, scipy ==1.14.1"],
)
def test_large_frameworks(unknown_python: World, wheels: str) -> None:
    """Combinations that do not link are refused before there is a lock: `tests/integration/test_summaries.py`."""
    assert not agree(unknown_python, "", wheels, proven=True)
