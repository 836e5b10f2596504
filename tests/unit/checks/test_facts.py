"""Every pair of installed packages that facts are about is judged, not only a framework and its plug-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.finding import Status
from tests.unit.checks.trees import dist, verified

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("versions", "status"),
    [
        ({"h5py": "3.10.0", "numpy": "2.0.2"}, Status.FAIL),
        ({"h5py": "3.12.1", "numpy": "2.0.2"}, Status.PASS),
        ({"torch": "2.2.2", "numpy": "2.0.2"}, Status.FAIL),
        ({"numpy": "2.0.2"}, Status.SKIP),
    ],
)
def test_pairs(tmp_path: Path, versions: dict[str, str], status: Status) -> None:
    for name, version in versions.items():
        dist(tmp_path, name, version)
    found = verified(tmp_path)["pkg.facts"]
    assert {finding.status for finding in found} == {status}
    if status is Status.FAIL:
        assert "source: " in found[0].evidence[0]
