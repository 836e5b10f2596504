"""Symbols, versions and the lowest glibc of Linux trees."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from builder.checks.catalogue import catalogue
from builder.checks.check import Needs
from builder.checks.engine import observed
from builder.checks.subject import Subject
from builder.environment.environment import Environment
from builder.environment.stamp import RELATIVE_PATH, Stamp
from builder.finding import Finding, Status
from builder.platforms import Subdir
from tests.unit.checks.trees import dist

DATA = Path(__file__).parents[2] / "data" / "elf"


def laid_out(site: Path, *, library: str = "libversions-x86_64.so") -> Path:
    """A host with a library of two symbol versions, and a guest that wants both."""
    for fixture, rel in ((library, "host/libversions.so"), ("versions-user-x86_64.so", "guest/module.so")):
        target = site / rel
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / fixture, target)
    tag = "cp311-cp311-manylinux_2_28_x86_64"
    dist(site, "host", "1.0", ["host/libversions.so"], tag=tag)
    dist(site, "guest", "1.0", ["guest/module.so"], tag=tag)
    return site


def judged(
    path: Path, check: str, *, glibc: tuple[int, ...] | None = None, host: Subdir | None = None
) -> list[Finding]:
    subject = Subject(Environment(path, subdir=Subdir.LINUX_64), glibc=glibc, host=host)
    checks = [one for one in catalogue() if one.id == check]
    return list(observed(subject, checks=checks, needs=frozenset((Needs.FILES,))))


def test_all_there(tmp_path: Path) -> None:
    (finding,) = judged(laid_out(tmp_path), "link.symbols")
    assert finding.status is Status.PASS
    assert finding.title == "All 2 symbols that 2 binaries need are where the loader looks."


def test_a_library_too_old(tmp_path: Path) -> None:
    """conda's libstdc++ older than what a wheel was built with: as the loader words it."""
    version, symbol = judged(laid_out(tmp_path, library="libversions-old-x86_64.so"), "link.symbols")
    assert version.status is Status.FAIL
    assert version.title == "guest/module.so needs TWO, which host/libversions.so (host 1.0) does not define."
    assert version.evidence[0] == "libversions.so: version `TWO' not found (required by module.so)"
    assert symbol.evidence[0] == "module.so: undefined symbol: two"


def test_what_the_system_may_have_is_told_and_not_passed(tmp_path: Path) -> None:
    """libz of the system may define anything: of two symbols one is found, and one stays undecided."""
    tree = laid_out(tmp_path, library="libversions-old-x86_64.so")
    library, module = tree / "host" / "libversions.so", tree / "guest" / "module.so"
    module.write_bytes(module.read_bytes().replace(b"\0libc.so.6\0", b"\0libz.so.1\0").replace(b"\0TWO\0", b"\0ONE\0"))
    (finding,) = judged(tree, "link.symbols")
    assert finding.status is Status.PASS
    assert finding.title == "1 of 2 symbols that 2 binaries need are found; the system may have the others."
    assert finding.evidence[-2:] == (
        "1 symbol undecided, as the system's own libraries were not read:",
        "two of guest/module.so, perhaps of libz.so.1",
    )
    library.write_bytes(library.read_bytes().replace(b"\0one\0", b"\0onf\0"))
    (finding,) = judged(tree, "link.symbols")
    assert finding.status is Status.SKIP
    assert finding.title == "None of the 2 symbols that 2 binaries need is in a file here; the system may have them."


def test_where_a_lock_says_what_belongs_here_that_is_restored(tmp_path: Path) -> None:
    tree = laid_out(tmp_path, library="libversions-old-x86_64.so")
    stamp = Stamp(
        name="ml", recipe="ml", subdir=Subdir.LINUX_64, lock_sha256="a" * 64, envbuild_version="", packages=()
    )
    (tree / RELATIVE_PATH).parent.mkdir()
    (tree / RELATIVE_PATH).write_text(stamp.dumps())
    for finding in judged(tree, "link.symbols"):
        assert finding.remedy is not None
        assert finding.remedy.commands == (f"envbuild create ml -p {tree} --force",)


@pytest.mark.parametrize(
    ("glibc", "status"), [(None, Status.PASS), ((2, 28), Status.PASS), ((2, 35), Status.PASS), ((2, 17), Status.FAIL)]
)
def test_lowest_glibc(tmp_path: Path, glibc: tuple[int, ...] | None, status: Status) -> None:
    (finding,) = judged(laid_out(tmp_path), "link.glibc-floor", glibc=glibc, host=Subdir.LINUX_64)
    assert finding.status is status
    if status is Status.PASS:
        assert finding.title == "The environment runs on glibc 2.28 and newer."
    else:
        assert finding.title == "The environment needs glibc 2.28, newer than 2.17."
        assert finding.evidence[0] == "version `GLIBC_2.28' not found (required by guest/module.so)"


@pytest.mark.parametrize("host", [None, Subdir.OSX_ARM64])
def test_a_glibc_that_is_not_this_machines_is_a_warning(tmp_path: Path, host: Subdir | None) -> None:
    """A recipe may be for newer systems than what it is locked for."""
    (finding,) = judged(laid_out(tmp_path), "link.glibc-floor", glibc=(2, 17), host=host)
    assert finding.status is Status.WARN
