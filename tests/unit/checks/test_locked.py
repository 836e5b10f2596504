"""Whether what the lock promised is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.checks.locked import locked
from builder.checks.remedy import Packages
from builder.environment.stamp import StampedPackage
from builder.finding import Status

if TYPE_CHECKING:
    from builder.finding import Finding
    from tests.unit.checks.support import Tree

NUMPY = StampedPackage(name="numpy", version="2.1.0", manager="conda", build="py312_0")
KERAS = StampedPackage(name="Keras", version="3.15.1", manager="pip")
METADATA = "lib/python3.12/site-packages/numpy-2.1.0.dist-info/METADATA"


def judged(tree: Tree) -> Finding:
    prefix = tree.prefix
    return locked(prefix, Packages(prefix))


def test_without_a_stamp_nothing_is_said(tree: Tree) -> None:
    assert judged(tree).status is Status.SKIP


def test_all_there_passes_and_one_missing_fails(tree: Tree) -> None:
    tree.stamp(NUMPY, KERAS)
    tree.conda("numpy", "2.1.0", "py312_0", METADATA)
    tree.dist("numpy", "2.1.0", installer="conda")
    finding = judged(tree)
    assert finding.status is Status.FAIL
    assert finding.evidence == ("Keras: locked 3.15.1, installed nothing",)
    assert "keras==3.15.1" in (finding.remedy or "").lower()
    tree.dist("keras", "3.15.1")
    assert judged(tree).status is Status.PASS


def test_pip_over_conda_is_found_although_both_records_look_right(tree: Tree) -> None:
    """`pip install --upgrade numpy` leaves conda-meta saying 2.1.0."""
    tree.stamp(NUMPY)
    tree.conda("numpy", "2.1.0", "py312_0", METADATA)
    tree.dist("numpy", "2.4.0", installer="pip")
    finding = judged(tree)
    assert finding.status is Status.FAIL
    assert "pip has replaced it by 2.4.0" in finding.evidence[0]
    assert "--force" in (finding.remedy or "")


def test_another_build_fails_and_extra_packages_warn(tree: Tree) -> None:
    tree.stamp(NUMPY)
    tree.conda("numpy", "2.1.0", "py312_1")
    assert judged(tree).status is Status.FAIL
    (tree.path / "conda-meta" / "numpy-2.1.0-py312_1.json").unlink()
    tree.conda("numpy", "2.1.0", "py312_0")
    tree.dist("requests", "2.0")
    finding = judged(tree)
    assert finding.status is Status.WARN
    assert finding.evidence == ("requests 2.0 (uv)",)


def test_the_rebuild_of_a_pypi_environment_names_its_source(tree: Tree) -> None:
    """Without --source pypi the remedy would ask conda-forge, which such a machine may not reach."""
    tree.stamp(provider="pypi")
    command = Packages(tree.prefix).rebuild()
    assert command == f"envbuild create ml-m1 --source pypi -p {tree.path} --force"
