"""The Mach-O reader on real binaries: slices, commands, imports and exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.binaries.macho import Import, open_mach_o
from builder.binaries.macho.constants import ExportKind

DATA = Path(__file__).parents[2] / "data" / "macho"


@pytest.mark.parametrize(
    ("name", "archs"),
    [
        ("libgreet-arm64.dylib", ("arm64",)),
        ("libgreet-x86_64.dylib", ("x86_64",)),
        ("libgreet-universal2.dylib", ("arm64", "x86_64")),
        ("libgreet-fat64.dylib", ("arm64", "x86_64")),
    ],
)
def test_slices(name: str, archs: tuple[str, ...]) -> None:
    """A slice that is overlooked would let an Intel file pass as an arm64 one."""
    opened = open_mach_o(DATA / name)
    assert opened is not None
    with opened as file:
        assert file.archs == archs
        for arch in ("arm64", "x86_64"):
            assert (file.image(arch) is not None) == (arch in archs)


@pytest.mark.parametrize("arch", ["arm64", "x86_64"])
@pytest.mark.parametrize("name", ["libgreet-universal2.dylib", "libgreet-fat64.dylib"])
def test_commands_imports_and_exports(name: str, arch: str) -> None:
    """Offsets inside a slice count from its start; taking them from the file's gives another slice's symbols."""
    opened = open_mach_o(DATA / name)
    assert opened is not None
    with opened as file:
        image = file.image(arch)
        assert image is not None
        assert image.commands.install_name == "@rpath/libgreet.dylib"
        assert [library.name for library in image.commands.dylibs] == ["/usr/lib/libSystem.B.dylib"]
        assert image.commands.minos == ((12, 0, 0) if arch == "arm64" else (10, 13, 0))
        assert Import(b"_printf", 1, weak=False, lazy=True) in image.imports
        found = image.exported([b"_greet", b"_greet_weak", b"_greet_thread", b"_greeting", b"_gre", b""])
        assert sorted(found) == [b"_greet", b"_greet_thread", b"_greet_weak"]
        assert found[b"_greet_weak"].weak
        assert not found[b"_greet"].weak
        assert found[b"_greet_thread"].kind is ExportKind.THREAD_LOCAL
        listed = [name for name in image.export_names() if name.startswith(b"_greet")]
        assert sorted(listed) == [b"_greet", b"_greet_count", b"_greet_thread", b"_greet_weak"]


def test_not_mach_o(tmp_path: Path) -> None:
    """Folders, empty files, scripts and Java classes are something else, not damaged binaries."""
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "script").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "Main.class").write_bytes(b"\xca\xfe\xba\xbe\x00\x00\x00\x41\x00\x1d")
    for name in ("empty", "script", "Main.class", "."):
        assert open_mach_o(tmp_path / name) is None
