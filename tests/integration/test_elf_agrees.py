"""Our readings of real Linux wheels against those of pyelftools and auditwheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import lowest_glibc
from tests.integration.wheels import unpacked
from tests.unit.binaries.test_elf_files import assert_same_as_pyelftools

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network


@pytest.mark.parametrize("platform", ["x86_64-manylinux_2_28", "aarch64-manylinux_2_28"])
def test_every_symbol_as_pyelftools_reads_it(tmp_path: Path, platform: str) -> None:
    unpacked(tmp_path, "numpy==2.1.3", "lxml==5.3.0", "pyzmq==26.2.0", platform=platform)
    files = [path for path in tmp_path.rglob("*") if ".so" in path.name and path.is_file()]
    assert sum(map(assert_same_as_pyelftools, files)) > 20_000


@pytest.mark.parametrize("machine", list(lowest_glibc.MACHINES))
@pytest.mark.parametrize(
    "spec", [*lowest_glibc.SMALL, *(pytest.param(spec, marks=pytest.mark.heavy) for spec in lowest_glibc.LARGE)]
)
def test_floor_as_auditwheel_states_it(tmp_path: Path, spec: str, machine: str) -> None:
    """The newest version of each family that a wheel wants from the system: 40 wheels, all compared by `-m heavy`."""
    pytest.importorskip("auditwheel", reason="auditwheel is not installed")
    lowest_glibc.fetch([spec], machine, tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    assert lowest_glibc.stated_here(wheel) == lowest_glibc.stated_by_auditwheel(wheel)
