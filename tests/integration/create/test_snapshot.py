"""Locking real recipes from real conda-forge metadata: exactly what the solver alone gives, and nothing else."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rattler
import yaml
from rattler.package.build_string import BuildString

from builder.lock.audit import audit
from builder.lock.read import read_lock
from builder.platforms import Subdir
from tests.integration.create.world import REPOSITORY, World

if TYPE_CHECKING:
    from builder.lock.model import Lock

EXTRACT = REPOSITORY / "tests" / "data" / "conda-forge-extract"
SNAPSHOTS = [place / "shared" / "conda-forge-snapshot" for place in (REPOSITORY.parent, REPOSITORY.parent.parent)]
CHANNEL = "https://conda.anaconda.org/conda-forge"


@pytest.fixture(scope="module", params=["extract", "snapshot"])
def locked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Lock]:
    """`ml-m1` locked for all its platforms, from the cut in tests/data, and from a larger one where there is one."""
    places = [EXTRACT] if request.param == "extract" else SNAPSHOTS
    channel = next((place for place in places if place.is_dir()), None)
    if channel is None:
        pytest.skip("a larger snapshot of conda-forge's metadata is not beside the repository")
    root = tmp_path_factory.mktemp("snapshot")
    project = root / "project"
    shutil.copytree(REPOSITORY / "recipes", project / "recipes")
    (root / "home").mkdir()
    world = World(root, project, root / "home", channel, root)
    world.run("lock", "ml-m1", "--mirror", f"conda-forge={channel}").ended(0)
    return world, read_lock(project / "environments/ml-m1/conda-lock.yml")


def _bare_solve(world: World, subdir: Subdir, exact: dict[str, str]) -> set[str]:
    """The URLs that `rattler.solve` alone chooses for the rendered specs and virtual packages of one platform."""
    folder = world.project / "environments/ml-m1"
    text = (folder / "environment.yml").read_text()
    selector = f"# [{subdir.selector}]"
    lines = [line for line in text.splitlines() if "# [" not in line or selector in line]
    specs = yaml.safe_load("\n".join(lines))["dependencies"]
    virtual: dict[str, Any] = yaml.safe_load((folder / "virtual-packages.yml").read_text())["subdirs"][subdir.value]
    (twin,) = {path.parent.parent for path in world.home.rglob("mirrors/*/*/repodata.json")}

    def package(name: str, version: str) -> rattler.GenericVirtualPackage:
        number, _, build = version.partition(" ")
        return rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(number), BuildString(build or "0")
        )

    records = asyncio.run(
        rattler.solve(
            sources=[rattler.Channel(twin.as_uri())],
            specs=specs,
            platforms=[subdir.value, "noarch"],
            virtual_packages=[package(name, version) for name, version in virtual["packages"].items()],
            constraints=[f"{name} =={version}" for name, version in exact.items()],
        )
    )
    return {record.url for record in records}


@pytest.mark.parametrize("subdir", [Subdir.OSX_ARM64, Subdir.LINUX_64])
def test_package_by_package_what_the_solver_gives(locked: tuple[World, Lock], subdir: Subdir) -> None:
    """Only parity may differ from a bare solve: what it pinned is given to the bare solve, too."""
    world, lock = locked
    ours = {package.url for package in lock.on(subdir)}
    free = _bare_solve(world, subdir, {})
    if ours != free:
        names = {package.name: package.version for package in lock.on(subdir)}
        pinned: dict[str, str] = {
            name: names[name] for name in ("python", "tensorflow", "keras", "numpy") if name in names
        }
        assert ours == _bare_solve(world, subdir, pinned)


def test_every_url_is_conda_forges(locked: tuple[World, Lock]) -> None:
    """No trace of the mirror, and nothing from osx-64: every package is the target's own or noarch."""
    _, lock = locked
    assert lock.channels == ("conda-forge",)
    assert set(lock.platforms) == {Subdir.OSX_ARM64, Subdir.LINUX_64}
    for package in lock.packages:
        assert package.manager == "conda"
        assert package.url.rsplit("/", 1)[0] in (f"{CHANNEL}/{package.subdir}", f"{CHANNEL}/noarch"), package.url
        assert package.sha256 is not None
    assert audit(lock) == ()


def test_parity_and_accelerate(locked: tuple[World, Lock]) -> None:
    _, lock = locked
    versions: dict[str, set[str]] = {}
    for package in lock.packages:
        versions.setdefault(package.name, set()).add(package.version)
    for name in ("python", "tensorflow", "keras", "numpy"):
        assert len(versions[name]) == 1, f"{name}: {versions[name]}"
    (blas,) = [package for package in lock.on(Subdir.OSX_ARM64) if package.name == "libblas"]
    assert blas.build.endswith("accelerate")


def test_hashes_are_the_channels(locked: tuple[World, Lock]) -> None:
    """Each SHA-256 is the one that conda-forge's metadata gives for that file."""
    world, lock = locked
    known: dict[tuple[str, str], str] = {}
    for file in world.home.rglob("mirrors/*/*/repodata.json"):
        data = json.loads(file.read_bytes())
        known |= {
            (file.parent.name, name): record["sha256"]
            for kind in ("packages", "packages.conda")
            for name, record in data[kind].items()
            if "sha256" in record
        }
    for package in lock.packages:
        assert package.sha256 == known[package.url_subdir, package.file_name]


def test_committed_lock_is_this_one(locked: tuple[World, Lock]) -> None:
    """The lock in the repository is what the recipe and the metadata lead to today."""
    world, _ = locked
    committed = REPOSITORY / "environments" / "ml-m1"
    made = world.project / "environments" / "ml-m1"
    for file in ("environment.yml", "virtual-packages.yml", "conda-lock.yml"):
        assert (made / file).read_bytes() == Path(committed / file).read_bytes(), file


def test_locking_again_changes_nothing(locked: tuple[World, Lock]) -> None:
    world, _ = locked
    file = world.project / "environments/ml-m1/conda-lock.yml"
    before = file.read_bytes()
    world.run("lock", "ml-m1", "--mirror", f"conda-forge={world.channel}").ended(0)
    assert file.read_bytes() == before
