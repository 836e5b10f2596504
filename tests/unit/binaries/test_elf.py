"""Linux prefixes: the same checks, from ELF files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.finding import Status
from builder.platforms import Subdir
from tests.unit.checks.trees import dist, put, verified

if TYPE_CHECKING:
    from builder.finding import Finding

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
    assert verified(tmp_path, subdir=None)["arch.binary"][0].title == "All 2 binaries have code for Linux x86_64."


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


def users_of_openmp(site: Path, *runtimes: tuple[str, str], owned: bool = True) -> None:
    """A wheel per (file name, SONAME), each with a private copy; not `owned`: the first copy is nobody's."""

    def renamed(fixture: str, name: str) -> bytes:
        return (DATA / fixture).read_bytes().replace(b"libhost.so\0", name.encode().ljust(11, b"\0"))

    for number, (name, soname) in enumerate(runtimes):
        top = site / f"user{number}"
        library = (top / "host" if owned or number else site / "host") / name
        for folder in (top / "guest", library.parent):
            folder.mkdir(parents=True)
        library.write_bytes(renamed("libhost-x86_64.so", soname))
        module = top / "guest" / "module.so"
        if library.is_relative_to(top):
            module.write_bytes(renamed("module-x86_64.so", name))
        else:
            (top / "module.so").write_bytes(renamed("module-x86_64.so", name))
            module = top / "module.so"
        files = [str(path.relative_to(site)) for path in (module, library) if path.is_relative_to(top)]
        dist(site, top.name, "1.0", files, tag="cp311-cp311-manylinux_2_28_x86_64")


GNU, GNU2, LLVM = ("libgomp.so", "libgomp.so"), ("libgomp.so", "gomp2.so"), ("libomp.so", "libomp.so")


@pytest.mark.parametrize(
    ("runtimes", "owned", "status", "words"),
    [
        ((GNU,), True, Status.PASS, "OpenMP: user0/host/libgomp.so"),
        ((GNU, GNU2), True, Status.PASS, "OpenMP: each is a wheel's private copy"),
        ((GNU, GNU2), False, Status.WARN, "host/libgomp.so, loaded by user0"),
        ((GNU, GNU), False, Status.PASS, "OpenMP: host/libgomp.so, user1/host/libgomp.so"),
        ((GNU, LLVM), True, Status.WARN, "Error #15"),
    ],
    ids=["one", "private", "mixed", "one-soname", "two-makers"],
)
def test_copies_of_openmp(
    tmp_path: Path, runtimes: tuple[tuple[str, str], ...], owned: bool, status: Status, words: str
) -> None:
    """Wheels' own copies of GNU's are how PyPI works, and glibc loads one SONAME once; two makers' are a hazard."""
    users_of_openmp(tmp_path, *runtimes, owned=owned)
    (finding,) = linux(tmp_path)["link.duplicate"]
    assert finding.status is status
    assert any(words in line for line in finding.evidence), finding.evidence
    assert bool(finding.remedy) == (status is Status.WARN)


@pytest.mark.parametrize("cut", [5, 20, 64, 200, 1000])
def test_truncated_file(tmp_path: Path, cut: int) -> None:
    """A damaged ELF file is a finding, and the others are still looked at."""
    linux_guest(tmp_path)
    module = tmp_path / "guest" / "module.so"
    module.write_bytes(module.read_bytes()[:cut])
    found = linux(tmp_path)
    assert found["arch.binary"][0].status is Status.FAIL or found["pkg.integrity"][0].status is Status.FAIL
