"""The linking model on real binaries: what dyld would say, said without a Mac."""

from __future__ import annotations

import re
import shutil
import struct
from typing import TYPE_CHECKING

import pytest

from builder.binaries.macho import resign_adhoc
from builder.checks.survey import Survey
from builder.environment.environment import Environment
from builder.finding import Status
from builder.platforms import Subdir
from builder.probes.level import Level
from builder.report.linking import linking
from tests.unit.checks.trees import dist, guest, interpreter, put, site_of, verified

if TYPE_CHECKING:
    from pathlib import Path


def test_matching_pair_passes(tmp_path: Path) -> None:
    """A false alarm here would be one in every environment."""
    guest(tmp_path)
    found = verified(tmp_path)
    for check in ("arch.binary", "link.missing-library", "link.symbols", "sign.adhoc", "pkg.integrity", "pkg.metadata"):
        assert [finding.status for finding in found[check]] == [Status.PASS], check


def test_older_host_lacks_the_symbol_that_dyld_names(tmp_path: Path) -> None:
    """The defect this project is for: two packages that were not built together."""
    guest(tmp_path, host="libhost-old.dylib", host_version="1.0")
    (finding,) = verified(tmp_path)["link.symbols"]
    assert finding.status is Status.FAIL
    assert finding.title == "guest/module.so cannot load: guest 1.0 was not built for host 1.0."
    assert finding.evidence == (
        "Symbol not found: _host_mul",
        "Referenced from: guest/module.so (guest 1.0)",
        "Expected in: host/libhost.dylib (host 1.0)",
    )


def test_missing_library(tmp_path: Path) -> None:
    """`Library not loaded`, with the places that dyld tries; the symbols are not reported on top."""
    guest(tmp_path)
    (tmp_path / "host" / "libhost.dylib").unlink()
    found = verified(tmp_path)
    (finding,) = found["link.missing-library"]
    assert finding.status is Status.FAIL
    assert finding.evidence[0] == "Library not loaded: @rpath/libhost.dylib"
    assert "'host/libhost.dylib' (no such file)" in finding.evidence[2]
    assert [item.status for item in found["link.symbols"]] == [Status.PASS]


def test_library_of_the_wrong_architecture_is_as_good_as_missing(tmp_path: Path) -> None:
    guest(tmp_path)
    put("libgreet-x86_64.dylib", tmp_path / "host" / "libhost.dylib")
    found = verified(tmp_path)
    assert found["arch.binary"][0].status is Status.FAIL
    assert "have 'x86_64', need 'arm64'" in found["arch.binary"][0].evidence[0]
    assert "incompatible architecture" in found["link.missing-library"][0].evidence[2]


def test_image_loaded_first_serves_by_install_name(tmp_path: Path) -> None:
    """A plug-in without a usable rpath relies on its host being imported first, as tensorflow-metal does."""
    guest(tmp_path)
    (tmp_path / "host" / "libhost.dylib").rename(tmp_path / "host" / "libelsewhere.dylib")
    assert verified(tmp_path)["link.missing-library"][0].status is Status.PASS


def test_a_package_that_nothing_imports_first_does_not_serve(tmp_path: Path) -> None:
    """Two packages that know nothing of each other: that one has a libomp does not help the other."""
    put("libhost.dylib", tmp_path / "stranger" / "libhost.dylib")
    put("module.so", tmp_path / "guest" / "module.so")
    dist(tmp_path, "stranger", "1.0", ["stranger/libhost.dylib"])
    dist(tmp_path, "guest", "1.0", ["guest/module.so"])
    assert verified(tmp_path)["link.missing-library"][0].status is Status.FAIL


def test_a_package_that_the_source_imports_serves(tmp_path: Path) -> None:
    """Extensions of PyTorch declare no requirement; their `__init__` begins with `import torch`."""
    put("libhost.dylib", tmp_path / "stranger" / "libhost.dylib")
    put("module.so", tmp_path / "guest" / "module.so")
    (tmp_path / "guest" / "__init__.py").write_text("import stranger\n")
    dist(tmp_path, "stranger", "1.0", ["stranger/libhost.dylib"])
    dist(tmp_path, "guest", "1.0", ["guest/module.so", "guest/__init__.py"])
    assert verified(tmp_path)["link.missing-library"][0].status is Status.PASS


def test_symbol_through_a_reexported_library(tmp_path: Path) -> None:
    """A library may hand on another's symbols; not following it would call them all missing."""
    guest(tmp_path)
    (tmp_path / "host" / "libhost.dylib").rename(tmp_path / "host" / "libreal.dylib")
    facade = put("libfacade.dylib", tmp_path / "host" / "libhost.dylib")
    rename_library(facade, b"@rpath/libhost.dylib", b"@loader_path/libreal")
    rename_library(facade, b"@rpath/libfacade.dylib", b"@rpath/libhost.dylib")
    (tmp_path / "host" / "libreal.dylib").rename(tmp_path / "host" / "libreal")
    assert verified(tmp_path)["link.symbols"][0].status is Status.PASS


def rename_library(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert len(new) <= len(old)
    path.write_bytes(data.replace(old + b"\0", new.ljust(len(old), b"\0") + b"\0"))
    resign_adhoc(path)


def test_cyclic_reexport_ends(tmp_path: Path) -> None:
    """A library that re-exports itself must not hang the search."""
    put("module.so", tmp_path / "guest" / "module.so")
    facade = put("libfacade.dylib", tmp_path / "host" / "libhost.dylib")
    rename_library(facade, b"@rpath/libfacade.dylib", b"@rpath/libhost.dylib")
    found = verified(tmp_path)["link.symbols"]
    assert [finding.status for finding in found] == [Status.FAIL, Status.FAIL]
    assert all("_host_add" in finding.evidence[0] for finding in found)


def test_flat_symbol_that_nothing_has(tmp_path: Path) -> None:
    put("flat.so", tmp_path / "guest" / "flat.so")
    (finding,) = verified(tmp_path)["link.symbols"]
    assert finding.evidence[0] == "symbol not found in flat namespace '_flat_needed'"


def test_weak_library_may_be_absent(tmp_path: Path) -> None:
    """LC_LOAD_WEAK_DYLIB: dyld goes on without it."""
    guest(tmp_path)
    (tmp_path / "host" / "libhost.dylib").unlink()
    module = tmp_path / "guest" / "module.so"
    data = bytearray(module.read_bytes())
    command = data.index(b"@rpath/libhost.dylib\0") - 24
    struct.pack_into("<I", data, command, 0x80000018)
    module.write_bytes(data)
    assert verified(tmp_path)["link.missing-library"][0].status is Status.PASS


def test_quick_scope_skips_symbols(tmp_path: Path) -> None:
    guest(tmp_path, host="libhost-old.dylib")
    found = verified(tmp_path, level=Level.QUICK)
    assert found["link.missing-library"][0].status is Status.PASS
    assert "link.symbols" not in found


def test_interpreter_provides_the_c_api(tmp_path: Path) -> None:
    """With an interpreter the flat symbols of Python are looked up in it, not taken as present."""
    interpreter(tmp_path)
    guest(site_of(tmp_path))
    found = verified(tmp_path)
    assert [item.status for item in found["arch.interpreter"]] == [Status.PASS]
    assert [item.status for item in found["link.symbols"]] == [Status.PASS]
    assert not any("C API taken as present" in line for line in found["link.symbols"][0].evidence)


def test_interpreter_without_the_function_a_module_needs(tmp_path: Path) -> None:
    """A module for a newer Python: `symbol not found in flat namespace '_PyModule_Create2'`."""
    interpreter(tmp_path)
    guest(site_of(tmp_path))
    put("libhost.dylib", tmp_path / "lib" / "libpython3.11.dylib")
    program = tmp_path / "bin" / "python3.11"
    data = program.read_bytes()
    program.write_bytes(data.replace(b"_PyModule_Create2\0", b"_host_add\0".ljust(18, b"x")))
    evidence = [line for finding in verified(tmp_path)["link.symbols"] for line in finding.evidence]
    assert "symbol not found in flat namespace '_PyModule_Create2'" in evidence


@pytest.mark.parametrize("where", ["a/b", "."])
def test_symlink_loops_are_passed_over(tmp_path: Path, where: str) -> None:
    guest(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").symlink_to(tmp_path)
    (tmp_path / "a" / "loop.so").symlink_to("loop.so")
    assert verified(tmp_path / where)["arch.binary"][0].status is Status.PASS


def test_two_openmp_runtimes(tmp_path: Path) -> None:
    """OMP: Error #15 before it happens: both copies and who loads them."""
    for package in ("one", "two"):
        put("libhost.dylib", tmp_path / package / "libomp.dylib")
        module = put("module.so", tmp_path / package / "module.so")
        rename_library(module, b"@rpath/libhost.dylib", b"@rpath/libomp.dylib")
        rename_library(module, b"@loader_path/../host", b"@loader_path")
        dist(tmp_path, package, "1.0", [f"{package}/libomp.dylib", f"{package}/module.so"])
    (finding,) = verified(tmp_path)["link.duplicate"]
    assert finding.status is Status.WARN
    assert "one/libomp.dylib, loaded by one" in finding.evidence
    assert "two/libomp.dylib, loaded by two" in finding.evidence


def test_module_that_is_only_a_part_is_left_out(tmp_path: Path) -> None:
    """numba's omppool needs a libomp that its wheel does not bring; numba works without it."""
    put("module.so", tmp_path / "numba" / "np" / "ufunc" / "omppool.cpython-311-darwin.so")
    (finding,) = verified(tmp_path)["link.missing-library"]
    assert finding.status is Status.PASS
    assert any("falls back to workqueue" in line for line in finding.evidence)


def test_tree_is_not_changed(tmp_path: Path) -> None:
    """Verification reads; it writes nothing into a prefix."""
    guest(tmp_path / "tree")
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "tree", copy)
    verified(tmp_path / "tree")
    before = sorted((path.relative_to(copy), path.read_bytes()) for path in copy.rglob("*") if path.is_file())
    tree = tmp_path / "tree"
    after = sorted((path.relative_to(tree), path.read_bytes()) for path in tree.rglob("*") if path.is_file())
    assert before == after


def test_library_older_than_the_one_linked_with(tmp_path: Path) -> None:
    """macOS 11 compares compatibility versions and refuses; newer systems do not, so it is a warning."""
    guest(tmp_path)
    module = tmp_path / "guest" / "module.so"
    data = bytearray(module.read_bytes())
    command = data.index(b"@rpath/libhost.dylib\0") - 24
    struct.pack_into("<I", data, command + 20, 9 << 16)
    module.write_bytes(data)
    (finding,) = verified(tmp_path)["link.compatibility"]
    assert finding.status is Status.WARN
    assert finding.evidence[0].startswith("guest/module.so requires version 9.0 of host/libhost.dylib")


def test_the_picture_says_who_loads_what_and_through_which_rpath(tmp_path: Path) -> None:
    guest(tmp_path)
    put("system-symbols.so", tmp_path / "guest" / "<system>.so")
    page = linking(Survey(Environment(tmp_path, subdir=Subdir.OSX_ARM64), looks_up_symbols=False))
    library, module = page.index('data-name="host/libhost.dylib"'), page.index('data-name="guest/module.so"')
    assert library < module, "what others load comes first"
    assert "@rpath/libhost.dylib by the rpath @loader_path/../host" in page[library:module]
    assert "&lt;system&gt;.so" in page
    (number,) = re.findall(r'id="(link-[0-9]+)" data-name="guest/module.so"', page)
    assert f'<a href="#{number}">guest/module.so</a>' in page
    assert "libSystem.B.dylib" in page[module:]
    assert "<system>" not in page
    (tmp_path / "host" / "libhost.dylib").unlink()
    lacking = linking(Survey(Environment(tmp_path, subdir=Subdir.OSX_ARM64), looks_up_symbols=False))
    assert "lacks a library" in lacking
    assert "(no such file)" in lacking
