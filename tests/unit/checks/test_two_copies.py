"""One library from two packages, classes defined twice, variants of which none loads, and a second Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.finding import Finding, Status
from tests.unit.binaries.images import renamed
from tests.unit.checks.trees import dist, put, verified

if TYPE_CHECKING:
    from pathlib import Path

HOST = "@rpath/libhost.dylib"


def user(site: Path, name: str, library: str) -> None:
    """A wheel with a private copy of `library` and a module that links it."""
    put("libhost.dylib", site / name / library)
    module = put("module.so", site / name / "module.so")
    renamed(module, HOST, f"@rpath/{library}")
    renamed(module, "@loader_path/../host", "@loader_path")
    dist(site, name, "1.0", [f"{name}/{library}", f"{name}/module.so"])


def one(site: Path, check: str) -> Finding:
    (finding,) = verified(site)[check]
    return finding


def test_two_copies_of_qt(tmp_path: Path) -> None:
    """One application in a process: PyQt6 beside PySide6."""
    for name in ("pyqt", "pyside"):
        user(tmp_path, name, "libQt6Core.6")
    finding = one(tmp_path, "link.two-copies")
    assert finding.status is Status.WARN
    assert finding.title == "2 copies of Qt can meet in one process: pyqt and pyside."
    assert "pyqt/libQt6Core.6, loaded by pyqt" in finding.evidence
    assert finding.remedy is not None


def test_private_copies_that_never_meet(tmp_path: Path) -> None:
    """Each module is bound to its own copy of OpenSSL: how wheels work, and no defect."""
    for name in ("one", "two"):
        user(tmp_path, name, "libcrypto.3")
    finding = one(tmp_path, "link.two-copies")
    assert finding.status is Status.PASS
    assert "OpenSSL: one/libcrypto.3, loaded by one" in finding.evidence


def test_one_import_that_brings_two_copies(tmp_path: Path) -> None:
    """A module of HDF5 that links another package's module, with its own HDF5."""
    user(tmp_path, "o", "libhdf5.3")
    (tmp_path / "o" / "m").symlink_to("module.so")
    put("libhost.dylib", tmp_path / "two" / "libhdf5.2")
    both = put("two-users.so", tmp_path / "two" / "module.so")
    renamed(both, HOST, "@loader_path/../o/m")
    renamed(both, "@loader_path/../second/libsecond.dylib", "@loader_path/libhdf5.2")
    dist(tmp_path, "two", "1.0", ["two/libhdf5.2", "two/module.so"])
    finding = one(tmp_path, "link.two-copies")
    assert finding.status is Status.WARN
    assert "both in one process as soon as this is imported: two/module.so" in finding.evidence


def test_classes_of_two_packages(tmp_path: Path) -> None:
    for name in ("av", "cv2"):
        put("libclasses.dylib", tmp_path / name / "libavdevice.dylib")
        dist(tmp_path, name, "1.0", [f"{name}/libavdevice.dylib"])
    finding = one(tmp_path, "link.objc-classes")
    assert finding.status is Status.WARN
    assert finding.title == "av 1.0 and cv2 1.0 both define 2 Objective-C classes."
    assert finding.evidence[0] == (
        "objc: Class OwnHelper is implemented in both av/libavdevice.dylib and cv2/libavdevice.dylib. "
        "One of the two will be used."
    )


def test_classes_of_one_package_twice(tmp_path: Path) -> None:
    """A package's own parts are its own business: variants of one plug-in are not loaded together."""
    files = [f"av/{name}.dylib" for name in ("one", "two")]
    for rel in files:
        put("libclasses.dylib", tmp_path / rel)
    dist(tmp_path, "av", "1.0", files)
    finding = one(tmp_path, "link.objc-classes")
    assert finding.status is Status.PASS
    assert finding.title == "No two packages define one Objective-C class (2 looked at)."


def torchcodec(site: Path, *, ffmpeg: bool) -> None:
    """Two variants, for two versions of FFmpeg, which comes with another package or not at all."""
    files = []
    for number in (6, 7):
        rel = f"torchcodec/libtorchcodec_core{number}.dylib"
        module = put("module.so", site / rel)
        renamed(module, HOST, f"@rpath/libav.{number}.dylib")
        renamed(module, "@rpath/module.so", f"@rpath/core{number}")
        if not ffmpeg:
            renamed(module, "@loader_path/../host", "")
        files.append(rel)
    dist(site, "torchcodec", "0.16.0", files)
    if ffmpeg:
        put("libhost.dylib", site / "host" / "libav.6.dylib")


def test_one_variant_that_loads_is_enough(tmp_path: Path) -> None:
    torchcodec(tmp_path, ffmpeg=True)
    finding = one(tmp_path, "link.variants")
    assert finding.status is Status.PASS
    assert finding.evidence == ("torchcodec: of 6 and 7, 6 can load",)


def test_every_part_of_a_variant_must_load(tmp_path: Path) -> None:
    """The core of a variant finds FFmpeg and its operators do not: that variant does not count."""
    torchcodec(tmp_path, ffmpeg=True)
    for name in ("aaa", "zzz"):  # whichever part is looked at first
        part = put("module.so", tmp_path / "torchcodec" / f"libtorchcodec_{name}6.dylib")
        renamed(part, HOST, "@rpath/libno.6.dylib")
        renamed(part, "@rpath/module.so", f"@rpath/{name}6")
        assert one(tmp_path, "link.variants").status is Status.FAIL
        part.unlink()


def test_no_variant_loads(tmp_path: Path) -> None:
    """No rpath leads anywhere: wherever FFmpeg is, it is not found. Each variant alone may be left out; all may not."""
    torchcodec(tmp_path, ffmpeg=False)
    finding = one(tmp_path, "link.variants")
    assert finding.status is Status.FAIL
    assert finding.title == "torchcodec 0.16.0 comes for FFmpeg 6 and 7, and none of them loads."
    assert "Library not loaded: @rpath/libav.7.dylib" in finding.evidence
    assert all(found.status is not Status.FAIL for found in verified(tmp_path)["link.missing-library"])


def test_a_module_with_a_python_of_its_own(tmp_path: Path) -> None:
    """torchcodec 0.1.0 bundles libpython3.12: two interpreters in one process."""
    user(tmp_path, "codec", "libpython3.12")
    assert one(tmp_path, "link.second-python").status is Status.PASS
    site = tmp_path / "other"
    site.mkdir()
    put("libhost.dylib", site / "codec" / "libpython3.12.dylib")
    module = put("module.so", site / "codec" / "module.so")
    renamed(module, HOST, "@rpath/python")
    renamed(module, "@loader_path/../host", "@loader_path")
    (site / "codec" / "python").symlink_to("libpython3.12.dylib")
    dist(site, "codec", "1.0", ["codec/libpython3.12.dylib", "codec/module.so"])
    finding = one(site, "link.second-python")
    assert finding.status is Status.FAIL
    assert finding.evidence == ("loaded by codec/module.so",)
