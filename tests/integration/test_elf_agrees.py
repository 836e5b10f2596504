"""Our readings of real Linux wheels against those of pyelftools and auditwheel."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from builder.binaries.elf import ElfTree, lowest_glibc
from builder.binaries.inventory import take_inventory
from builder.platforms import Subdir
from tests.integration.wheels import unpacked
from tests.unit.binaries.images import Folders
from tests.unit.binaries.test_elf_files import assert_same_as_pyelftools

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network


@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28"])
def test_every_symbol_as_pyelftools_reads_it(tmp_path: Path, platform: str) -> None:
    unpacked(tmp_path, "numpy==2.1.3", "lxml==5.3.0", "pyzmq==26.2.0", platform=platform)
    files = [path for path in tmp_path.rglob("*") if ".so" in path.name and path.is_file()]
    assert sum(map(assert_same_as_pyelftools, files)) > 20_000


@pytest.mark.parametrize("spec", ["numpy==2.1.3", "cryptography==44.0.0", "pillow==11.0.0", "psutil==6.1.0"])
def test_floor_as_auditwheel_states_it(tmp_path: Path, spec: str) -> None:
    """The newest GLIBC, GLIBCXX and CXXABI that a wheel wants from the system, and which policy that makes."""
    analysis = pytest.importorskip("auditwheel.wheel_abi", reason="auditwheel is not installed")
    policies = pytest.importorskip("auditwheel.policy")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(tmp_path)]
    command += ["--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64", "--python-version=3.12", spec]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    theirs = analysis.analyze_wheel_abi(
        None, None, wheel, frozenset(), disable_isa_ext_check=True, allow_graft=False
    ).versioned_symbols
    assert policies
    unpacked(tmp_path / "tree", spec, python="3.12", platform="x86_64-manylinux_2_28")
    inventory = take_inventory(tmp_path / "tree", subdir=Subdir.LINUX_64)
    tree = ElfTree(inventory.root, inventory.elf, Folders())
    floor = lowest_glibc(tree.binaries, tree.links)
    wanted = {version for versions in theirs.values() for version in versions}
    for family, demand in floor.demands.items():
        assert demand.version in wanted
        assert demand.version == max(
            (version for version in wanted if version.startswith(f"{family}_")),
            key=lambda version: [int(part) for part in version.partition("_")[2].split(".")],
        )
