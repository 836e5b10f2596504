"""The Objective-C classes that an image defines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.binaries.macho import open_mach_o
from tests.unit.binaries.images import DATA, put
from tests.unit.binaries.reading import read_mach_o

if TYPE_CHECKING:
    from pathlib import Path


def classes(path: Path) -> tuple[bytes, ...]:
    opened = open_mach_o(path)
    assert opened is not None
    with opened as file:
        image = file.image("arm64")
        assert image is not None
        return image.objc_classes


def test_classes_of_an_image() -> None:
    assert classes(DATA / "libclasses.dylib") == (b"OwnHelper", b"SharedDelegate")


@pytest.mark.parametrize("name", ["module.so", "chained-arm64.so", "libgreet-arm64.dylib"])
def test_images_without_any(name: str) -> None:
    assert classes(DATA / name) == ()


@pytest.mark.parametrize("value", [b"\xff" * 8, b"\0" * 8, b"\x01" * 8])
def test_pointers_that_lead_nowhere(tmp_path: Path, value: bytes) -> None:
    """A class that cannot be followed is left out, and the other is still found; nothing is raised."""
    path = put("libclasses.dylib", tmp_path / "libclasses.dylib")
    data = bytearray(path.read_bytes())
    opened = open_mach_o(path)
    assert opened is not None
    with opened as file:
        image = file.image("arm64")
        assert image is not None
        (place,) = [
            segment.file_offset + section.address - segment.address
            for segment in image.commands.segments
            for section in segment.sections
            if section.name == "__objc_classlist"
        ]
    data[place : place + 8] = value
    path.write_bytes(data)
    assert len(classes(path)) == 1
    read_mach_o(path)
