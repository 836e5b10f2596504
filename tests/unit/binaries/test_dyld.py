"""The linking model's rules, one by one, on real images: each test fails when its rule is taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.binaries.dyld import Linker, Place, Resolution
from builder.binaries.macho import open_mach_o, verify_signature
from tests.unit.binaries.images import Folders, as_arm64e, inventory, put, renamed, unsigned, with_versions

if TYPE_CHECKING:
    from pathlib import Path

HOST = "@rpath/libhost.dylib"


def resolved(root: Path, entry: str, owners: Folders | None = None, name: str = HOST) -> Resolution:
    """How `name` resolves when the image `entry` is loaded, by no interpreter."""
    found = inventory(root)
    binary = next(binary for binary in found.binaries if binary.rel == entry)
    process = Linker(found, owners or Folders(), main=None).process(binary)
    return next(item for _, items in process.images.values() for item in items if item.name == name)


def rel_of(resolution: Resolution) -> str | None:
    return resolution.binary.rel if resolution.binary is not None else None


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        (("first", "second"), "first/libhost.dylib"),
        (("second",), "second/libhost.dylib"),
    ],
)
def test_rpaths_are_searched_in_the_order_they_are_written(
    tmp_path: Path, present: tuple[str, ...], expected: str
) -> None:
    put("two-rpaths.so", tmp_path / "guest" / "module.so")
    for folder in present:
        put("libhost.dylib", tmp_path / folder / "libhost.dylib")
    assert rel_of(resolved(tmp_path, "guest/module.so")) == expected


def test_rpaths_of_the_image_itself_come_before_those_of_its_loader(tmp_path: Path) -> None:
    """`a` loads `b`, and both have an rpath: what `b` needs is sought in its own first."""
    put("module.so", tmp_path / "a" / "module.so")
    facade = put("module.so", tmp_path / "host" / "libhost.dylib")
    renamed(facade, "@rpath/module.so", "@rpath/libhost")
    renamed(facade, "@loader_path/../host", "@loader_path/inner")
    put("libhost.dylib", tmp_path / "host" / "inner" / "libhost.dylib")
    found = inventory(tmp_path)
    linker = Linker(found, Folders(), main=None)
    process = linker.process(next(binary for binary in found.binaries if binary.rel == "a/module.so"))
    inner = next(items for image, items in process.images.values() if image.rel == "host/libhost.dylib")
    assert [rel_of(item) for item in inner if item.name == HOST] == ["host/inner/libhost.dylib"]


@pytest.mark.parametrize("same_name", [True, False])
def test_image_that_is_loaded_already_is_taken_by_its_install_name(tmp_path: Path, same_name: bool) -> None:
    """`JustInTimeLoader::matchesPath`: the second user's rpath leads nowhere, and it does not matter.

    The first user finds the library through its own rpath; the second has none that leads to it. Without the same
    install name it is not found.
    """
    put("two-users.so", tmp_path / "guest" / "module.so")
    put("libhost.dylib", tmp_path / "host" / "libhost.dylib")
    second = put("module.so", tmp_path / "second" / "libsecond.dylib")
    renamed(second, "@loader_path/../host", "@loader_path/nowhere")
    renamed(second, "@rpath/module.so", "@rpath/libs")
    # The chain of loaders must not help: the first user names the library by its place.
    renamed(tmp_path / "guest" / "module.so", HOST, "@loader_path/../h")
    host = tmp_path / "host" / "libhost.dylib"
    host.rename(tmp_path / "h")
    if not same_name:
        renamed(tmp_path / "h", HOST, "@rpath/other.dylib")
    found = inventory(tmp_path)
    process = Linker(found, Folders(), main=None).process(
        next(binary for binary in found.binaries if binary.rel == "guest/module.so")
    )
    (wanted,) = [
        item
        for image, items in process.images.values()
        if image.rel == "second/libsecond.dylib"
        for item in items
        if item.name == HOST
    ]
    assert (wanted.place, rel_of(wanted)) == ((Place.IMAGE, "h") if same_name else (Place.MISSING, None))


@pytest.mark.parametrize(
    ("leaf", "place"),
    [("libz.1.dylib", Place.SYSTEM), ("libomp.dylib", Place.MISSING), ("libgomp.dylib", Place.MISSING)],
)
def test_usr_lib_is_believed_for_what_macos_has(tmp_path: Path, leaf: str, place: Place) -> None:
    """Binaries built before 2022 end their search in /usr/lib, where macOS keeps libz and never had an OpenMP."""
    module = put("module.so", tmp_path / "guest" / "module.so")
    renamed(module, HOST, f"@rpath/{leaf}")
    assert resolved(tmp_path, "guest/module.so", name=f"@rpath/{leaf}").place is Place.MISSING
    with_versions(module, minos=(11, 0), sdk=(12, 3))
    assert resolved(tmp_path, "guest/module.so", name=f"@rpath/{leaf}").place is place


def test_a_package_loaded_first_serves_by_install_name(tmp_path: Path) -> None:
    put("module.so", tmp_path / "guest" / "module.so")
    put("libhost.dylib", tmp_path / "elsewhere" / "libhost.dylib")
    assert resolved(tmp_path, "guest/module.so").place is Place.MISSING
    first = Folders(first=frozenset({("guest", "elsewhere")}))
    assert rel_of(resolved(tmp_path, "guest/module.so", first)) == "elsewhere/libhost.dylib"


def test_arm64e_slice_does_not_serve_arm64(tmp_path: Path) -> None:
    """dyld: have 'arm64e', need 'arm64'. Third-party arm64e code does not even run without a boot argument."""
    put("module.so", tmp_path / "guest" / "module.so")
    library = as_arm64e(put("libhost.dylib", tmp_path / "host" / "libhost.dylib"))
    opened = open_mach_o(library)
    assert opened is not None
    with opened as file:
        assert file.archs == ("arm64e",)
        assert file.image("arm64") is None
    found = resolved(tmp_path, "guest/module.so")
    assert found.place is Place.MISSING
    assert "incompatible architecture (have 'arm64e', need 'arm64')" in found.tried[0]


def test_unsigned_arm64_image_is_not_signed(tmp_path: Path) -> None:
    """The kernel kills whatever maps it; an unsigned Intel image is fine."""
    (verdict,) = verify_signature(unsigned(put("libhost.dylib", tmp_path / "libhost.dylib")))
    assert (verdict.present, verdict.ok) == (False, False)
    (signed,) = verify_signature(put("libhost.dylib", tmp_path / "signed.dylib"))
    assert (signed.present, signed.ok) == (True, True)
