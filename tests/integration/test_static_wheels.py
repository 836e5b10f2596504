"""Real wheels from PyPI, laid out for Apple silicon on whatever machine runs this: pairs that fit, pairs that do not.

The expected symbols are those that dyld named on real Macs, in public reports (see each test).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.binaries.macho import resign_adhoc, verify_signature
from builder.checks.catalogue import catalogue
from builder.checks.check import Needs
from builder.checks.engine import observed
from builder.checks.subject import Subject
from builder.environment.environment import Environment
from builder.finding import Finding, Status
from builder.platforms import Subdir
from tests.integration.wheels import unpacked

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.network


def verified(folder: Path, subdir: Subdir = Subdir.OSX_ARM64) -> dict[str, Finding]:
    """The worst finding of each check."""
    order = [Status.PASS, Status.SKIP, Status.WARN, Status.FAIL]
    worst: dict[str, Finding] = {}
    for finding in observed(
        Subject(Environment(folder, subdir=subdir)), checks=catalogue(), needs=frozenset((Needs.FILES,))
    ):
        known = worst.get(finding.check)
        if known is None or order.index(finding.status) > order.index(known.status):
            worst[finding.check] = finding
    return worst


def failed(folder: Path) -> set[str]:
    return {check for check, finding in verified(folder).items() if finding.status is Status.FAIL}


def test_mlx_and_its_library(tmp_path: Path) -> None:
    """mlx 0.26.5 links `libmlx.dylib` of the mlx-metal wheel, and of no other version."""
    assert not failed(unpacked(tmp_path / "fits", "mlx==0.26.5", "mlx-metal==0.26.5"))
    found = verified(unpacked(tmp_path / "not", "mlx==0.26.5", "mlx-metal==0.29.3"))
    assert found["link.symbols"].status is Status.FAIL
    assert found["link.symbols"].evidence[2].startswith("Expected in: mlx/lib/libmlx.dylib")


def test_openmp_that_the_wheel_does_not_bring(tmp_path: Path) -> None:
    """dmlc/xgboost#1715, and every year since: `Library not loaded: @rpath/libomp.dylib`."""
    (finding,) = [
        finding
        for check, finding in verified(unpacked(tmp_path, "lightgbm==4.5.0")).items()
        if check == "link.missing-library"
    ]
    assert finding.status is Status.FAIL
    assert finding.evidence[0] == "Library not loaded: @rpath/libomp.dylib"


def test_intel_wheel_in_an_arm64_folder(tmp_path: Path) -> None:
    unpacked(tmp_path, "markupsafe==3.0.2")
    unpacked(tmp_path, "pyyaml==6.0.2", platform="x86_64-apple-darwin")
    found = verified(tmp_path)
    assert found["arch.binary"].status is Status.FAIL
    assert found["arch.packages"].status is Status.FAIL
    assert "pyyaml 6.0.2" in found["arch.binary"].title
    assert "markupsafe" not in found["arch.binary"].title


def test_small_healthy_stack_has_no_false_alarm(tmp_path: Path) -> None:
    """Chained fixups and opcodes, abi3 and universal2 wheels, bundled libraries, delocated and not."""
    specs = (
        "numpy==2.1.3",
        "psycopg2-binary==2.9.10",
        "lxml==5.3.0",
        "pillow==11.0.0",
        "pyzmq==26.2.0",
        "h5py==3.12.1",
    )
    found = verified(unpacked(tmp_path, *specs, "cryptography==44.0.0", "protobuf==5.29.3", "psutil==6.1.1"))
    alarms = {check: finding for check, finding in found.items() if finding.status in (Status.FAIL, Status.WARN)}
    assert not alarms


def test_prefix_replacement_in_a_real_library(tmp_path: Path) -> None:
    """What installing a conda package does to a linker-signed library, and the repair."""
    unpacked(tmp_path, "markupsafe==3.0.2", editable=True)
    (library,) = tmp_path.rglob("_speedups*.so")
    data = bytearray(library.read_bytes())
    data[len(data) // 4] ^= 0xFF
    library.write_bytes(data)
    assert not all(verdict.ok for verdict in verify_signature(library))
    assert [done.pages for done in resign_adhoc(library)] == [1]
    assert all(verdict.ok for verdict in verify_signature(library))


def test_certificate_signature_is_replaced(tmp_path: Path) -> None:
    """ruff's program is signed with a Developer ID, which no edit survives: an ad-hoc signature takes its place."""
    program = unpacked(tmp_path, "ruff==0.17.6", editable=True) / "bin" / "ruff"
    (before,) = verify_signature(program)
    assert not before.adhoc
    data = bytearray(program.read_bytes())
    data[100_000] ^= 0xFF
    program.write_bytes(data)
    assert [done.action for done in resign_adhoc(program)] == ["replaced"]
    (after,) = verify_signature(program)
    assert after.ok
    assert after.adhoc
    assert after.identifier == before.identifier
    assert program.stat().st_size == len(data)


@pytest.mark.parametrize(
    ("platform", "subdir"),
    [("x86_64-manylinux_2_28", Subdir.LINUX_64), ("aarch64-manylinux_2_28", Subdir.LINUX_AARCH64)],
)
def test_linux_wheels(tmp_path: Path, platform: str, subdir: Subdir) -> None:
    """The same checks read ELF: nothing missing, zlib's symbols undecided; and a Mac's wheel does not belong there."""
    unpacked(tmp_path, "numpy==2.1.3", "pyyaml==6.0.2", "pillow==11.0.0", platform=platform)
    found = verified(tmp_path, subdir)
    assert found["arch.binary"].status is Status.PASS
    assert found["link.missing-library"].status is Status.PASS
    assert found["link.symbols"].status is Status.PASS
    assert any("perhaps of libz.so.1" in line for line in found["link.symbols"].evidence)
    assert found["link.glibc-floor"].title == "The environment runs on glibc 2.27 and newer."
    assert found["blas.vendor"].title == "numpy uses OpenBLAS."
    unpacked(tmp_path, "markupsafe==3.0.2")
    assert verified(tmp_path, subdir)["arch.binary"].status is Status.FAIL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("metal", "tensorflow", "expected"),
    [
        # tensorflow/tensorflow#84167 (2.17 works with 1.1.0), #81987 (2.18 does not)
        ("1.1.0", "2.18.1", "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii"),
        ("1.2.0", "2.18.1", None),
        # tensorflow/tensorflow pull request 126360
        ("1.2.0", "2.20.0", "Library not loaded: @rpath/_pywrap_tensorflow_internal.so"),
    ],
)
def test_tensorflow_and_metal(tmp_path: Path, metal: str, tensorflow: str, expected: str | None) -> None:
    """The failure this project began with, and the pairs around it."""
    found = verified(unpacked(tmp_path, f"tensorflow=={tensorflow}", f"tensorflow-metal=={metal}"))
    finding = found["metal.match"]
    assert finding.status is (Status.FAIL if expected else Status.PASS)
    if expected:
        assert any(line.startswith(expected) for line in finding.evidence)
    else:
        assert found["link.symbols"].status is Status.PASS


@pytest.mark.slow
def test_torchvision_for_another_torch(tmp_path: Path) -> None:
    """pytorch/vision: `operator torchvision::nms does not exist`, because `_C.so` did not load."""
    unpacked(tmp_path, "torch==2.5.1", "torchvision==0.21.0")
    found = verified(tmp_path)
    assert found["link.symbols"].status is Status.FAIL
    assert "torchvision 0.21.0 was not built for torch 2.5.1" in found["link.symbols"].title
    assert found["pkg.metadata"].status is Status.FAIL


@pytest.mark.heavy
def test_arrow_of_another_version(tmp_path: Path) -> None:
    """As beside a conda libarrow that pyarrow was not built for: each minor release of Arrow has a name of its own."""
    pyarrow = unpacked(tmp_path / "env", "pyarrow==18.1.0", python="3.12", editable=True) / "pyarrow"
    other = unpacked(tmp_path / "other", "pyarrow==19.0.0", python="3.12", editable=True) / "pyarrow"
    assert not failed(pyarrow.parent)
    for library in pyarrow.glob("lib*.1801.dylib"):
        library.unlink()
    for library in other.glob("lib*.1900.dylib"):
        library.rename(pyarrow / library.name)
    finding = verified(pyarrow.parent)["link.missing-library"]
    assert finding.status is Status.FAIL
    assert ".1801.dylib" in finding.evidence[0]
