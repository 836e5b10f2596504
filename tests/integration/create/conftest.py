"""Fixtures of the create tests. What is slow to make is made once for all workers of pytest-xdist."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import pytest

from builder.channel.archive import PackageSpec
from builder.platforms import Subdir, host_subdir
from tests.integration.create.server import Server
from tests.integration.create.world import HERE, MINOR, REPOSITORY, World, fill_channel, package, write_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MACHO = REPOSITORY / "tests" / "data" / "macho"
SITE = f"lib/python{MINOR}/site-packages"
_RECIPE = """\
name: {name}
platforms: [{platforms}]
channels: ["{channel}"]
python: "{minor}"
dependencies: [{dependencies}]
"""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The channel, the index and a project with locks, at `channel`, `index` and `project`."""
    if host_subdir() is not HERE:
        pytest.skip(f"the channel of these tests is for {HERE}")
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "create-world"
    with filelock.FileLock(base / "create-world.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder)
            (folder / "made").touch()
    return folder


def _make(folder: Path) -> None:
    from rattler.index import index_fs

    from builder.channel.host import host_channel
    from builder.channel.interpreters import inspect
    from builder.uv import Uv

    interpreter = inspect(Path(sys.executable))
    assert interpreter is not None
    if interpreter.refusal:
        pytest.skip(f"the Python that runs the tests cannot be packaged: {interpreter.refusal}")
    channel = folder / "channel"
    host = host_channel(interpreter, subdir=HERE, cache=folder / "host", uv=Uv(environ=dict(os.environ)))
    shutil.copytree(host.folder, channel, ignore=shutil.ignore_patterns("repodata*"))
    fill_channel(channel, python=str(interpreter.version))
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))
    write_index(folder / "index")
    recipes = folder / "project" / "recipes"
    recipes.mkdir(parents=True)
    common = {"channel": channel.as_uri(), "minor": MINOR}
    tiny = _RECIPE.format(
        name="tiny", platforms="linux-64, osx-arm64", dependencies="words, prefixed, filler", **common
    )
    (recipes / "tiny.yaml").write_text(f"{tiny}groups:\n  dev:\n    dependencies: [devtool]\n")
    mixed = _RECIPE.format(name="mixed", platforms="linux-64", dependencies="words", **common)
    (recipes / "mixed.yaml").write_text(f"{mixed}pypi: [tinywheel]\n")
    world = World(folder, folder / "project", folder / "home", channel, folder / "index")
    with Server(folder / "index") as index:
        for name in ("tiny", "mixed"):
            world.run("lock", name, UV_DEFAULT_INDEX=f"{index.url}/simple").ended(0)


@pytest.fixture
def world(shared: Path, tmp_path: Path) -> World:
    """An empty home and a project whose recipes are locked."""
    project = shutil.copytree(shared / "project", tmp_path / "project")
    home = tmp_path / "home"
    home.mkdir()
    return World(tmp_path, project, home, shared / "channel", shared / "index")


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    """Start a server of a folder; it ends with the test."""
    running: list[Server] = []

    def start(folder: Path) -> Server:
        running.append(Server(folder).__enter__())
        return running[-1]

    yield start
    for server in running:
        server.__exit__(None, None, None)


def with_python(world: World, channel: Path, files: dict[str, bytes]) -> World:
    """The world over a copy of its channel, whose Python for Macs consists of these files."""
    shutil.copytree(world.channel, channel, ignore=shutil.ignore_patterns("repodata*", ".trees"))
    (old,) = (channel / "osx-arm64").glob("python-3*")
    python = PackageSpec(
        name="python",
        version=old.name.split("-")[1],
        build="h0_0_cpython",
        subdir=Subdir.OSX_ARM64,
        depends=(f"python_abi {MINOR}.*", "pip"),
        python_site_packages_path=SITE,
    )
    old.unlink()
    package(channel, python, files, executable=(f"bin/python{MINOR}",))
    return World(world.root, world.project, world.home, channel, world.index)


@pytest.fixture
def linked(world: World, tmp_path: Path) -> World:
    """A channel with an extension module for Macs, and two versions of the library that it links: 1 lacks a symbol."""
    from rattler.index import index_fs

    interpreter = {f"bin/python{MINOR}": "python", "lib/libpython3.11.dylib": "libpython3.11.dylib"}
    files = {path: (MACHO / name).read_bytes() for path, name in interpreter.items()}
    changed = with_python(world, tmp_path / "channel", files)
    for version, file in (("1.0", "libhost-old.dylib"), ("2.0", "libhost.dylib")):
        spec = PackageSpec(name="host", version=version, build="0", subdir=Subdir.OSX_ARM64)
        package(changed.channel, spec, {f"{SITE}/host/libhost.dylib": (MACHO / file).read_bytes()})
    package(
        changed.channel,
        PackageSpec(name="user", version="1.0", build="0", subdir=Subdir.OSX_ARM64, depends=("host",)),
        {f"{SITE}/user/module.so": (MACHO / "module.so").read_bytes()},
    )
    asyncio.run(index_fs(changed.channel, write_zst=False, write_shards=False))
    return changed


@pytest.fixture
def temporary(world: World) -> Path:
    folder = world.root / "tmp"
    folder.mkdir()
    return folder
