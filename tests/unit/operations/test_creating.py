"""What `create` says about how it ended, from what is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from builder.environment.place import BUILDING
from builder.environment.stamp import RELATIVE_PATH, Stamp
from builder.finding import Finding, Identity, Report, Status
from builder.install.create import CreateRequest as Build
from builder.install.create import Result
from builder.operations.created import identity, interrupted, not_proven
from builder.operations.proving import is_blameless
from builder.platforms import Subdir

if TYPE_CHECKING:
    from pathlib import Path


def _build(prefix: Path) -> Build:
    return Build(name="ml", recipe="ml", prefix=prefix, subdir=Subdir.LINUX_64, host=Subdir.LINUX_64, lock_sha256="new")


def _environment(prefix: Path, lock: str) -> None:
    stamp = Stamp(name="ml", recipe="ml", subdir=Subdir.LINUX_64, lock_sha256=lock, envbuild_version="", packages=())
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / RELATIVE_PATH).write_text(stamp.dumps())


def test_interrupted_with_nothing_left(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    assert "nothing is left" in interrupted(_build(prefix), None).message
    _environment(prefix, "new")
    (prefix / BUILDING).touch()
    assert "nothing is left" in interrupted(_build(prefix), None).message


def test_interrupted_with_the_old_one_back(tmp_path: Path) -> None:
    """Also one of the same lock, which was to be built again."""
    prefix = tmp_path / "env"
    for lock in ("old", "new"):
        _environment(prefix, lock)
        assert "before is still there" in interrupted(_build(prefix), identity(prefix)).message
        prefix.rename(tmp_path / lock)


def test_interrupted_with_the_new_one_in_place(tmp_path: Path) -> None:
    """While the old one is being deleted, or the new one verified, there is no way back and no need of one."""
    old, prefix = tmp_path / "old", tmp_path / "env"
    _environment(old, "old")
    before = identity(old)
    _environment(prefix, "new")
    told = interrupted(_build(prefix), before)
    assert "the new environment is in place" in told.message
    assert "not verified yet" in told.message
    assert told.exit_code == 130


def _report(*failed: str) -> Report:
    findings = [Finding(check=check, status=Status.FAIL, title="no.") for check in failed]
    passed = Finding(check="arch.binary", status=Status.PASS, title="yes.")
    identity = Identity(prefix="/p", name=None, subdir=None, lock_sha256=None, versions={})
    return Report(identity=identity, findings=(passed, *findings), seconds=0)


@pytest.mark.parametrize(
    ("failed", "blameless"),
    [
        (("process.user-site",), True),
        (("process.user-site", "keras.settings"), True),
        (("process.user-site", "import.alone"), False),
        (("import.alone",), False),
        ((), False),
    ],
)
def test_what_is_the_users_own_is_not_the_environments(failed: tuple[str, ...], blameless: bool) -> None:
    """A rebuild that is sound is not taken back for a file in the user's home."""
    assert is_blameless(_report(*failed)) is blameless


def test_it_says_whose_failure_it_is(tmp_path: Path) -> None:
    build = _build(tmp_path / "env")
    told = not_proven(build, Result.UNPROVEN, blameless=True)
    assert told is not None
    assert "is sound" in told.message
    assert not_proven(build, Result.BUILT, blameless=False) is None
    assert os.fspath(build.prefix) in told.message
