"""Linux prefixes: the same checks, from ELF files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.platforms import Subdir
from builder.verify.finding import Status
from tests.unit.static.trees import dist, put, verified

if TYPE_CHECKING:
    from builder.verify.finding import Finding

DATA = Path(__file__).parents[2] / "data" / "elf"


def linux_guest(site: Path, *, machine: str = "x86_64", host_machine: str = "x86_64") -> None:
    for fixture, rel in (
        (f"libhost-{host_machine}.so", "host/libhost.so"),
        (f"module-{machine}.so", "guest/module.so"),
    ):
        target = site / rel
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / fixture, target)
    dist(site, "host", "1.0", ["host/libhost.so"], tag="cp311-cp311-manylinux_2_28_x86_64")
    dist(site, "guest", "1.0", ["guest/module.so"], tag="cp311-cp311-manylinux_2_28_x86_64")


def linux(site: Path) -> dict[str, tuple[Finding, ...]]:
    return verified(site, subdir=Subdir.LINUX_64)


def test_matching_pair_passes(tmp_path: Path) -> None:
    linux_guest(tmp_path)
    found = linux(tmp_path)
    for check in ("arch.binary", "arch.packages", "link.missing-library", "link.duplicate", "pkg.integrity"):
        assert [finding.status for finding in found[check]] == [Status.PASS], check


def test_platform_is_told_from_the_binaries(tmp_path: Path) -> None:
    """A folder of Linux wheels, without being told: not judged as a Mac's."""
    linux_guest(tmp_path)
    assert verified(tmp_path, subdir=None)["arch.binary"][0].title == "All 2 binaries are for Linux x86_64"


def test_unresolved_needed(tmp_path: Path) -> None:
    linux_guest(tmp_path)
    (tmp_path / "host" / "libhost.so").unlink()
    (finding,) = linux(tmp_path)["link.missing-library"]
    assert finding.status is Status.FAIL
    assert finding.evidence[0].startswith("libhost.so: cannot open shared object file")


def test_library_for_another_machine(tmp_path: Path) -> None:
    linux_guest(tmp_path, host_machine="aarch64")
    found = linux(tmp_path)
    assert found["arch.binary"][0].evidence == ("host/libhost.so (host 1.0): have 'aarch64', need 'x86_64'",)
    assert found["link.missing-library"][0].status is Status.FAIL


def test_library_loaded_first_serves_by_soname(tmp_path: Path) -> None:
    linux_guest(tmp_path)
    (tmp_path / "host" / "libhost.so").rename(tmp_path / "host" / "elsewhere.so")
    (tmp_path / "guest" / "__init__.py").write_text("import host\n")
    assert linux(tmp_path)["link.missing-library"][0].status is Status.PASS


def test_a_macs_binary_does_not_belong(tmp_path: Path) -> None:
    linux_guest(tmp_path)
    put("libhost.dylib", tmp_path / "slipped" / "libhost.dylib")
    assert linux(tmp_path)["arch.binary"][0].evidence == ("slipped/libhost.dylib: a macOS binary (arm64)",)


@pytest.mark.parametrize("cut", [5, 20, 64, 200, 1000])
def test_truncated_file(tmp_path: Path, cut: int) -> None:
    """A damaged ELF file is a finding, and the others are still looked at."""
    linux_guest(tmp_path)
    module = tmp_path / "guest" / "module.so"
    module.write_bytes(module.read_bytes()[:cut])
    found = linux(tmp_path)
    assert found["arch.binary"][0].status is Status.FAIL or found["pkg.integrity"][0].status is Status.FAIL
