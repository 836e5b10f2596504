"""What exists, asked of a real channel's metadata and of a lock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from builder.compat.load import load_facts
from builder.lock.catalogue import ChannelCatalogue, LockedCatalogue
from builder.lock.channels import Mirrors
from builder.lock.model import Lock, LockedPackage
from builder.lock.rattler_solver import RattlerSolver
from builder.plan.make import make_plans
from builder.platforms import Subdir
from tests.unit.plan.support import recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64


def record(
    name: str, version: str, build: str, *depends: str, subdir: str = "osx-arm64", **more: Any
) -> dict[str, Any]:
    return {
        "name": name, "version": version, "build": build, "build_number": 0, "depends": list(depends), "subdir": subdir,
        "md5": "a" * 32, "sha256": "b" * 64, "size": 1, **more,
    }  # fmt: skip


def write_channel(folder: Path, records: Mapping[str, list[dict[str, Any]]]) -> str:
    for subdir in ("noarch", "osx-arm64", "linux-64"):
        place = folder / subdir
        place.mkdir(parents=True)
        packages = {f"{r['name']}-{r['version']}-{r['build']}.conda": r for r in records.get(subdir, ())}
        document = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages, "repodata_version": 1}
        (place / "repodata.json").write_text(json.dumps(document))
    return folder.as_uri()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return write_channel(
        tmp_path / "channel",
        {
            "osx-arm64": [
                record("xgboost", "2.1", "py312_0", "python >=3.12,<3.13.0a0", "numpy >=1.26,<3"),
                record("xgboost", "2.0", "py311_0", "python >=3.11,<3.12.0a0", timestamp=1_600_000_000_000),
                record("xgboost", "3.0", "py312_0", "python >=3.12,<3.13.0a0", timestamp=1_900_000_000_000),
            ],
            "noarch": [record("keras", "3.12.0", "pyh0_0", "python >=3.10", subdir="noarch")],
        },
    )


def catalogue(url: str, tmp_path: Path, **options: Any) -> ChannelCatalogue:
    mirrors = Mirrors.parse({}, unpack_dir=tmp_path / "unpacked")
    return ChannelCatalogue(RattlerSolver(mirrors=mirrors), (url,), **options)


def test_builds_of_a_platform_and_noarch(url: str, tmp_path: Path) -> None:
    there = catalogue(url, tmp_path)
    there.ask(["xgboost", "keras"], [MAC, LINUX])
    assert {build.version for build in there.builds("xgboost", MAC)} == {"2.0", "2.1", "3.0"}
    (newest,) = (build for build in there.builds("xgboost", MAC) if build.version == "2.1")
    assert newest.build == "py312_0"
    assert newest.depends["numpy"] == ">=1.26,<3"
    assert newest.fits_python("3.12")
    assert not newest.fits_python("3.11")
    assert there.builds("xgboost", LINUX) == ()
    assert [build.version for build in there.builds("keras", LINUX)] == ["3.12.0"]
    assert there.builds("nowhere", MAC) == ()


def test_a_name_that_may_have_been_meant(url: str, tmp_path: Path) -> None:
    assert catalogue(url, tmp_path).similar("xgbost")[0] == "xgboost"
    assert catalogue(url, tmp_path).similar("python-xgboost") == ("xgboost",)
    assert catalogue(url, tmp_path).similar("zzz") == ()


def test_what_was_published_after_a_moment_does_not_exist(url: str, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    there = catalogue(url, tmp_path, exclude_newer=datetime(2024, 1, 1, tzinfo=UTC))
    assert {build.version for build in there.builds("xgboost", MAC)} == {"2.0", "2.1"}


def test_a_lock_is_all_that_exists() -> None:
    package = LockedPackage(
        manager="conda", name="tensorflow", version="2.19.1", subdir=MAC, sha256="a" * 64,
        url="https://conda.anaconda.org/conda-forge/osx-arm64/tensorflow-2.19.1-cpu_py312h1_0.conda",
        dependencies={"python": ">=3.12,<3.13.0a0"},
    )  # fmt: skip
    lock = Lock(channels=("conda-forge",), platforms=(MAC,), packages=(package,), sources=(), content_hash={})
    there = LockedCatalogue(lock)
    (build,) = there.builds("tensorflow", MAC)
    assert (build.version, build.build) == ("2.19.1", "cpu_py312h1_0")
    assert build.fits_python("3.12")
    assert there.builds("tensorflow", LINUX) == ()


def test_a_lock_is_not_taken_for_the_channel() -> None:
    """What it does not hold may well be on conda-forge: that is not denied in conda-forge's name."""
    file = "mlx-0.32.4-cp312-cp312-macosx_14_0_arm64.whl"
    held = (
        LockedPackage(
            manager="conda", name="python", version="3.12.13", subdir=MAC, sha256="a" * 64,
            url="https://conda.anaconda.org/conda-forge/osx-arm64/python-3.12.13-h1_1_cpython.conda",
        ),
        LockedPackage(
            manager="pip", name="mlx", version="0.32.4", subdir=MAC, sha256="a" * 64, url=f"https://p.example/{file}"
        ),
    )  # fmt: skip
    lock = Lock(channels=("conda-forge",), platforms=(MAC,), packages=held, sources=(), content_hash={})
    asked = recipe(framework={"name": "mlx"}, platforms=["osx-arm64"], python="3.12", dependencies=[])
    plan = make_plans(asked, facts=load_facts(), catalogue=LockedCatalogue(lock))[MAC]
    (note,) = (text for text in plan.warnings if "PyPI" in text)
    assert note == "MLX is locked from PyPI: conda-forge had none that fitted when the lock was made"
