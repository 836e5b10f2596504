"""NumPy's ABI, on laid-out trees of both platforms."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from builder.finding import Status
from builder.platforms import Subdir
from tests.unit.binaries.test_numpy_abi import ELF
from tests.unit.checks.trees import dist, put, verified

if TYPE_CHECKING:
    from pathlib import Path


def laid_out(site: Path, fixture: str, numpy: str | None, subdir: Subdir) -> None:
    target = site / "guest" / "module.so"
    if subdir is Subdir.OSX_ARM64:
        put(f"{fixture}.so", target)
    else:
        target.parent.mkdir(parents=True)
        shutil.copy(ELF / f"{fixture}-x86_64.so", target)
    tag = "cp311-cp311-" + ("macosx_14_0_arm64" if subdir is Subdir.OSX_ARM64 else "manylinux_2_28_x86_64")
    dist(site, "guest", "1.0", ["guest/module.so"], tag=tag)
    if numpy is not None:
        dist(site, "numpy", numpy, tag=tag)


@pytest.mark.parametrize("subdir", [Subdir.OSX_ARM64, Subdir.LINUX_64])
@pytest.mark.parametrize(
    ("fixture", "numpy", "status"),
    [
        ("numpy-1", "2.0.2", Status.FAIL),
        ("numpy-1", "1.26.4", Status.PASS),
        ("numpy-any", "2.0.2", Status.PASS),
        ("numpy-any", "1.26.4", Status.PASS),
        ("numpy-2", "1.26.4", Status.FAIL),
        ("numpy-2", "2.3.0", Status.PASS),
        ("numpy-1", None, Status.SKIP),
        ("numpy-1", "unknown", Status.SKIP),
    ],
)
def test_pairs(tmp_path: Path, fixture: str, numpy: str | None, status: Status, subdir: Subdir) -> None:
    """h5py 3.10.0 and torch 2.2.2 beside NumPy 2.0.2: everything links, and the import fails or warns for ever."""
    laid_out(tmp_path, fixture, numpy, subdir)
    (finding,) = verified(tmp_path, subdir=subdir)["link.numpy-abi"]
    assert finding.status is status
    if status is Status.FAIL:
        assert finding.title.startswith("guest 1.0 was built for NumPy ")
        assert any("guest/module.so" in line for line in finding.evidence)
        assert finding.remedy is not None
        assert {"guest", "numpy"} <= finding.about, "it follows from either's being another than locked"


def test_numpy_itself_is_not_judged_by_its_own_modules(tmp_path: Path) -> None:
    put("numpy-1.so", tmp_path / "numpy" / "core" / "_multiarray_umath.so")
    dist(tmp_path, "numpy", "2.0.2", ["numpy/core/_multiarray_umath.so"])
    (finding,) = verified(tmp_path)["link.numpy-abi"]
    assert finding.status is Status.SKIP
