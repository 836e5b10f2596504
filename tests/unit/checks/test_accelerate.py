"""Which Accelerate: macOS's new BLAS and LAPACK interface or the classic one, told by the symbols that are bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.checks.trees import dist, put, verified

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("fixture", "vendor"),
    [("accelerate-new.so", "Accelerate (new LAPACK)"), ("accelerate-classic.so", "Accelerate (classic)")],
)
def test_the_interface_is_told_by_its_symbols(tmp_path: Path, fixture: str, vendor: str) -> None:
    """Both link the same framework; the classic LAPACK (3.2.1) gives wrong values where the new one does not."""
    rel = "numpy/linalg/_umath_linalg.cpython-311-darwin.so"
    put(fixture, tmp_path / rel)
    dist(tmp_path, "numpy", "2.1.0", [rel])
    (finding,) = verified(tmp_path)["blas.vendor"]
    assert finding.title == f"numpy uses {vendor}."
