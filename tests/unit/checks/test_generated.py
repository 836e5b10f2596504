"""Code of protoc and the protobuf that is installed; modules of another Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.finding import Status
from tests.unit.checks.trees import dist, interpreter, put, site_of, verified

if TYPE_CHECKING:
    from pathlib import Path

OLD = b"_A = _descriptor.Descriptor(fields=[\n  _descriptor.FieldDescriptor(name='a')])\n"
SILENT = b"from google.protobuf.internal import builder as _builder\n"


def stamped(version: str) -> bytes:
    numbers = ", ".join(version.split("."))
    return (
        f"_runtime_version.ValidateProtobufRuntimeVersion(_runtime_version.Domain.PUBLIC, {numbers}, '', 'a')".encode()
    )


def package(
    site: Path, files: dict[str, bytes], *, protobuf: str | None, requires: tuple[str, ...] = ("protobuf>=3",)
) -> None:
    for rel, content in files.items():
        (site / rel).parent.mkdir(parents=True, exist_ok=True)
        (site / rel).write_bytes(content)
    dist(site, "pkg", "1.0", list(files), requires=requires)
    if protobuf is not None:
        dist(site, "protobuf", protobuf)


@pytest.mark.parametrize(
    ("code", "protobuf", "status", "said"),
    [
        (stamped("5.27.2"), "5.27.1", Status.WARN, "Detected incompatible Protobuf Gencode/Runtime"),
        (stamped("5.27.2"), "2.6.1", Status.FAIL, "Detected incompatible Protobuf Gencode/Runtime"),
        (stamped("5.27.2"), "5.27.2", Status.PASS, ""),
        (stamped("5.27.2"), "6.31.0", Status.PASS, ""),
        # tensorflow 2.7 with protobuf 4: TypeError: Descriptors cannot be created directly
        (OLD, "4.25.3", Status.FAIL, "Descriptors cannot be created directly"),
        (OLD, "3.20.3", Status.PASS, ""),
        (SILENT, "7.0.0", Status.PASS, ""),
        (SILENT, None, Status.SKIP, ""),
    ],
)
def test_code_and_runtime(tmp_path: Path, code: bytes, protobuf: str | None, status: Status, said: str) -> None:
    package(tmp_path, {"pkg/a_pb2.py": code}, protobuf=protobuf)
    (finding,) = verified(tmp_path)["pkg.protobuf"]
    assert finding.status is status
    assert said in "".join(finding.evidence)


def test_a_package_that_has_code_for_several_takes_the_one_that_fits(tmp_path: Path) -> None:
    """wandb has proto/v3 to v6, and chooses when it is imported."""
    files = {"pkg/v3/a_pb2.py": OLD, "pkg/v4/a_pb2.py": SILENT, "pkg/v6/a_pb2.py": stamped("6.31.0")}
    package(tmp_path, files, protobuf="4.25.3")
    assert verified(tmp_path)["pkg.protobuf"][0].status is Status.PASS


@pytest.mark.parametrize("requires", [(), ("protobuf>=3; extra == 'sentencepiece'",)])
def test_a_package_that_does_without_protobuf_is_no_failure(tmp_path: Path, requires: tuple[str, ...]) -> None:
    """transformers has a module for protobuf 3 and one for newer, and requires none."""
    package(tmp_path, {"pkg/a_pb2.py": OLD}, protobuf="4.25.3", requires=requires)
    assert verified(tmp_path)["pkg.protobuf"][0].status is Status.PASS


def test_a_leftover_among_many_is_told_and_no_failure(tmp_path: Path) -> None:
    """coremltools 9.0 has one module of protobuf 3.5 that nothing imports."""
    files = {f"pkg/m{number}_pb2.py": SILENT for number in range(5)} | {"pkg/old_pb2.py": OLD}
    package(tmp_path, files, protobuf="7.0.0")
    (finding,) = verified(tmp_path)["pkg.protobuf"]
    assert finding.status is Status.PASS
    assert "left out: pkg/old_pb2.py" in finding.evidence[0]


@pytest.mark.parametrize(
    ("name", "tag", "status"),
    [
        ("m.cpython-310-darwin.so", "cp311-cp311-macosx_14_0_arm64", Status.FAIL),
        ("m.cpython-311t-darwin.so", "cp311-cp311-macosx_14_0_arm64", Status.FAIL),
        ("m.cpython-310-darwin.so", "py3-none-macosx_14_0_arm64", Status.WARN),
        ("m.cpython-311-darwin.so", "cp311-cp311-macosx_14_0_arm64", Status.PASS),
        ("m.abi3.so", "cp38-abi3-macosx_14_0_arm64", Status.PASS),
    ],
)
def test_modules_of_another_python(tmp_path: Path, name: str, tag: str, status: Status) -> None:
    interpreter(tmp_path)
    site = site_of(tmp_path)
    put("chained-arm64.so", site / "pkg" / name)
    dist(site, "pkg", "1.0", [f"pkg/{name}"], tag=tag)
    assert verified(tmp_path)["link.python-abi"][0].status is status
