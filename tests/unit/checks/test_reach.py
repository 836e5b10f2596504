"""What can never be loaded alarms nobody, and what loads only in some Pythons is said to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.binaries.macho import resign_adhoc
from builder.binaries.system import is_of_accelerate, python_may_load
from builder.checks.reach import Reach, module_of
from builder.finding import Status
from tests.unit.checks.trees import dist, interpreter, put, site_of, verified

if TYPE_CHECKING:
    from pathlib import Path


def never(rels: list[str], *, free_threaded: bool | None = False, files: tuple[str, ...] = ()) -> set[str]:
    reach = Reach(rels, python=(3, 12), free_threaded=free_threaded, files=files)
    return set(reach.never)


@pytest.mark.parametrize(
    ("rel", "python", "abi3"),
    [
        ("a/b.cpython-312-darwin.so", (3, 12, False), False),
        ("a/b.cpython-313t-darwin.so", (3, 13, True), False),
        ("a/b.cpython-311-x86_64-linux-gnu.so", (3, 11, False), False),
        ("a/b.abi3.so", None, True),
        ("a/b.so", None, False),
    ],
)
def test_names_of_modules(rel: str, python: tuple[int, int, bool] | None, abi3: bool) -> None:
    module = module_of(rel)
    assert module is not None
    assert (module.stem, module.python, module.is_abi3) == ("a/b", python, abi3)


@pytest.mark.parametrize("rel", ["a/libb.dylib", "a/b.so.1", "bin/b", "a/b.so/c"])
def test_what_is_no_module(rel: str) -> None:
    assert module_of(rel) is None


def test_another_python_and_names_that_are_none() -> None:
    here, other = "a/m.cpython-312-darwin.so", "a/m.cpython-310-darwin.so"
    assert never([here, other, "a/m.-darwin.so", "a/n.abi3.so", "a/o.so"]) == {other, "a/m.-darwin.so"}
    # A file that only looks like a module may be opened by its path.
    assert never(["a/libthing.1.so"]) == set()


def test_a_free_threaded_python_has_no_abi3() -> None:
    rels = ["a/m.abi3.so", "a/n.cpython-312-darwin.so", "a/n.cpython-312t-darwin.so"]
    assert never(rels, free_threaded=True) == {"a/m.abi3.so", "a/n.cpython-312-darwin.so"}
    assert never(rels) == {"a/n.cpython-312t-darwin.so"}
    assert never(rels, free_threaded=None) == set()


def test_a_module_hides_the_folder_beside_it() -> None:
    """mediapipe 0.10.21 leaves the parts of its universal modules in folders of their names."""
    rels = ["a/m.cpython-312-darwin.so", "a/m/arm64.cpython-312-darwin.so"]
    assert never(rels) == {"a/m/arm64.cpython-312-darwin.so"}
    assert never(rels, files=("a/m/__init__.py",)) == set()


def test_hidden_code_for_another_processor_is_no_failure(tmp_path: Path) -> None:
    put("chained-arm64.so", tmp_path / "pkg" / "m.cpython-311-darwin.so")
    put("libgreet-x86_64.dylib", tmp_path / "pkg" / "m" / "arm64.cpython-311-darwin.so")
    rels = ["pkg/m.cpython-311-darwin.so", "pkg/m/arm64.cpython-311-darwin.so"]
    dist(tmp_path, "pkg", "1.0", rels, tag="cp311-cp311-macosx_14_0_x86_64")
    found = verified(tmp_path)
    assert found["arch.binary"][0].status is Status.PASS
    assert any("the module m beside its folder hides it" in line for line in found["arch.binary"][0].evidence)
    assert found["arch.packages"][0].status is Status.PASS
    (tmp_path / "pkg" / "m" / "__init__.py").touch()
    (tmp_path / "pkg-1.0.dist-info" / "RECORD").write_text(
        "".join(f"{rel},,\n" for rel in (*rels, "pkg/m/__init__.py"))
    )
    assert verified(tmp_path)["arch.binary"][0].status is Status.FAIL


def flat(path: Path, symbol: bytes) -> None:
    """A module that leaves `symbol` to flat lookup."""
    put("flat.so", path)
    old = b"_flat_needed\0"
    path.write_bytes(path.read_bytes().replace(old, symbol.ljust(len(old), b"\0")))
    resign_adhoc(path)


def test_core_foundation_is_there_in_some_pythons(tmp_path: Path) -> None:
    """grpc/grpc#33714: conda's Python does not link it, python.org's does."""
    flat(tmp_path / "wheels" / "guest" / "flat.so", b"_CFRelease")
    dist(tmp_path / "wheels", "guest", "1.0", ["guest/flat.so"])
    (finding,) = verified(tmp_path / "wheels")["link.symbols"]
    assert finding.status is Status.WARN
    assert "not linked with CoreFoundation, and loads only where Python itself is" in finding.title
    interpreter(tmp_path / "conda")
    site = site_of(tmp_path / "conda")
    flat(site / "guest" / "flat.so", b"_CFRelease")
    dist(site, "guest", "1.0", ["guest/flat.so"])
    (finding,) = verified(tmp_path / "conda")["link.symbols"]
    assert finding.status is Status.FAIL
    assert "this Python has not loaded it either" in finding.title
    assert finding.evidence[0] == "symbol not found in flat namespace '_CFRelease'"


def test_which_symbols_a_python_may_bring() -> None:
    assert python_may_load(b"_SCDynamicStoreCopyProxies", ()) == "SystemConfiguration"
    assert python_may_load(b"_SQLAllocHandle", ()) is None
    assert python_may_load(b"_CFRelease", ("/usr/lib/libother.dylib",)) is None


def test_accelerate_comes_with_other_frameworks() -> None:
    coreml = ["/System/Library/Frameworks/CoreML.framework/Versions/A/CoreML"]
    assert is_of_accelerate(b"_vImageCopyBuffer", coreml)
    assert is_of_accelerate(b"_cblas_caxpy", ["/System/Library/Frameworks/Accelerate.framework/Versions/A/Accelerate"])
    assert not is_of_accelerate(b"_vImageCopyBuffer", ["/usr/lib/libSystem.B.dylib"])
    assert not is_of_accelerate(b"_TF_AllocateOutput", coreml)


@pytest.mark.parametrize("installed", [False, True])
def test_a_framework_that_is_not_installed_is_one_cause(tmp_path: Path, installed: bool) -> None:
    module = put("module.so", tmp_path / "guest" / "module.so")
    module.write_bytes(module.read_bytes().replace(b"libhost.dylib", b"libc10.dylib\0"))
    resign_adhoc(module)
    dist(tmp_path, "guest", "1.0", ["guest/module.so"])
    if installed:
        dist(tmp_path, "torch", "2.0")
    (finding,) = verified(tmp_path)["link.missing-library"]
    assert finding.status is Status.FAIL
    assert (finding.title == "guest 1.0 is made for PyTorch, which is not installed.") is not installed


def test_what_one_build_lacks_is_one_finding(tmp_path: Path) -> None:
    for name, library in (("one.so", b"libhost.dylib"), ("two.so", b"libmore.dylib")):
        module = put("module.so", tmp_path / "guest" / name)
        module.write_bytes(module.read_bytes().replace(b"libhost.dylib", library))
        resign_adhoc(module)
    dist(tmp_path, "guest", "1.0", ["guest/one.so", "guest/two.so"])
    (finding,) = verified(tmp_path)["link.missing-library"]
    assert finding.title == (
        "guest/one.so needs @rpath/libhost.dylib and 1 more library, which the environment does not provide "
        "(and 1 more binary does)."
    )
    assert "also missing: @rpath/libmore.dylib (1 binary needs it)" in finding.evidence


def test_an_absolute_path_is_not_mended_by_conda(tmp_path: Path) -> None:
    """pyodbc's wheels look for unixODBC where Homebrew has it."""
    module = put("module.so", tmp_path / "guest" / "module.so")
    data = module.read_bytes()
    short = b"/opt/homebrew/opt/x/"
    assert len(short) <= len(b"@rpath/libhost.dylib")
    module.write_bytes(data.replace(b"@rpath/libhost.dylib", short.ljust(len(b"@rpath/libhost.dylib"), b"l")))
    resign_adhoc(module)
    dist(tmp_path, "guest", "1.0", ["guest/module.so"])
    (finding,) = verified(tmp_path)["link.missing-library"]
    assert finding.remedy is not None
    assert "at that very path (`brew install x`)" in finding.remedy.say


def test_a_record_in_hexadecimal_is_read(tmp_path: Path) -> None:
    """gmsh 4.15.2 was published with one."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    dist(tmp_path, "pkg", "1.0", ["pkg/__init__.py"])
    record = tmp_path / "pkg-1.0.dist-info" / "RECORD"
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    record.write_text(f"pkg/__init__.py,sha256={empty},0\n")
    assert verified(tmp_path)["pkg.integrity"][0].status is Status.PASS
    (tmp_path / "pkg" / "__init__.py").write_text("changed")
    assert verified(tmp_path)["pkg.integrity"][0].status is Status.FAIL
