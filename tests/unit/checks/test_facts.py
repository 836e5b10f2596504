"""Every pair of installed packages that facts are about is judged, not only a framework and its plug-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.finding import Status
from builder.frameworks import registry
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


def test_a_pair_that_computes_wrongly_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a fact that a framework from outside brings."""
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "relations.yaml").write_text(
        "relations:\n"
        "  - {id: six-idna, left: {package: six}, right: {package: idna}, verdict: unsafe, check: numerics.numpy,\n"
        '     cause: six rounds what idna gives it, source: six#1, established: published, date: "2026-11-01"}\n'
    )
    monkeypatch.setattr(registry, "fact_folders", lambda: (tmp_path / "facts",))
    site = tmp_path / "site"
    for name in ("six", "idna"):
        dist(site, name, "1.0")
    (found,) = verified(site)["pkg.facts"]
    assert found.status is Status.WARN
    assert found.title == "Known to give wrong results: six rounds what idna gives it."
