"""Whether what the lock promised is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.checks.remedy import Repair
from builder.environment.stamp import StampedPackage
from builder.finding import Status
from builder.platforms import Subdir

if TYPE_CHECKING:
    from builder.finding import Finding
    from tests.unit.checks.support import Tree

NUMPY = StampedPackage(name="numpy", version="2.1.0", manager="conda", build="py312_0")
KERAS = StampedPackage(name="Keras", version="3.15.1", manager="pip", sha256="ab" * 32)
METADATA = "lib/python3.12/site-packages/numpy-2.1.0.dist-info/METADATA"


def judged(tree: Tree) -> Finding:
    (finding,) = tree.findings("pkg.locked")
    return finding


def test_without_a_stamp_nothing_is_said(tree: Tree) -> None:
    assert judged(tree).status is Status.SKIP


def test_another_platforms_environment_is_compared_with_its_lock(tree: Tree) -> None:
    """Nothing needs to run to see that a prefix for a Mac has the wrong NumPy and no Keras."""
    tree.stamp(NUMPY, KERAS)
    tree.conda("numpy", "1.26.4", "py312_0")
    (finding,) = tree.findings("pkg.locked", subdir=Subdir.OSX_ARM64)
    assert finding.status is Status.FAIL
    assert finding.evidence == (
        "numpy is 1.26.4 py312_0, locked 2.1.0 py312_0",
        "Keras is not installed, locked 3.15.1",
    )


def test_all_there_passes_and_one_missing_fails(tree: Tree) -> None:
    tree.stamp(NUMPY, KERAS)
    tree.conda("numpy", "2.1.0", "py312_0", METADATA)
    tree.dist("numpy", "2.1.0", installer="conda")
    finding = judged(tree)
    assert finding.status is Status.FAIL
    assert finding.evidence == ("Keras is not installed, locked 3.15.1",)
    assert finding.remedy is not None
    (command,) = finding.remedy.commands
    assert f"keras==3.15.1 --hash=sha256:{KERAS.sha256}" in command
    tree.dist("keras", "3.15.1")
    assert judged(tree).status is Status.PASS


def test_a_package_upgraded_past_its_lock_is_named_with_both_versions(tree: Tree) -> None:
    tree.stamp(KERAS)
    tree.dist("keras", "3.16.0")
    assert judged(tree).title == "1 package is not as locked: Keras is 3.16.0, locked 3.15.1."


def test_metadata_that_is_gone_is_not_a_package_that_is_gone(tree: Tree) -> None:
    tree.stamp(KERAS)
    (tree.site / "keras").mkdir()
    assert "Keras's metadata (Keras-3.15.1.dist-info) is missing" in judged(tree).title


def test_metadata_that_cannot_be_read_is_not_a_package_that_is_gone(tree: Tree) -> None:
    tree.stamp(KERAS)
    tree.dist("keras", "3.15.1", "keras/__init__.py")
    (tree.site / "keras-3.15.1.dist-info" / "METADATA").write_bytes(bytes(range(256)))
    assert "Keras's metadata (keras-3.15.1.dist-info) cannot be read, locked 3.15.1" in judged(tree).title


def test_pip_over_conda_is_found_although_both_records_look_right(tree: Tree) -> None:
    """`pip install --upgrade numpy` leaves conda-meta saying 2.1.0."""
    tree.stamp(NUMPY)
    tree.conda("numpy", "2.1.0", "py312_0", METADATA)
    tree.dist("numpy", "2.4.0", installer="pip")
    finding = judged(tree)
    assert finding.status is Status.FAIL
    assert "numpy is 2.4.0, which pip installed over conda's 2.1.0" in finding.title
    assert "--force" in str(finding.remedy)


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


def test_the_rebuild_has_all_that_the_environment_was_built_with(tree: Tree) -> None:
    """Without --source pypi it would ask conda-forge, which such a machine may not reach; without groups, lose some."""
    tree.stamp(provider="pypi", groups=("main", "dev"), recipe="ml")
    (command,) = Repair(tree.environment).rebuild().commands
    assert command == f"envbuild create ml --source pypi --group dev -p {tree.path} --force"
