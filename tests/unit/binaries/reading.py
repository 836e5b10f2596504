"""Everything the readers can tell of one file, for damaged input: only the errors they promise may come out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from builder.binaries.elf import ElfBinary, read_elf
from builder.binaries.macho import open_mach_o, verify_signature
from builder.errors import BinaryError

if TYPE_CHECKING:
    from pathlib import Path


def read_mach_o(path: Path) -> None:
    """Commands, imports, exports and signatures of every slice."""
    try:
        opened = open_mach_o(path)
        if opened is None:
            return
        with opened as file:
            for part in file.slices:
                image = file.image_of(part)
                names = [item.name for item in image.imports]
                image.exported([*names, b"_greet", b"_host_add"])
                list(image.exports())
                assert image.objc_classes is not None
                assert image.numpy_abi is None or image.numpy_abi.headers in (1, 2)
    except (BinaryError, OSError):
        pass
    with contextlib.suppress(BinaryError, OSError):
        verify_signature(path)


def read_an_elf_file(path: Path) -> None:
    """Dependencies, versions and symbols; `read_elf` raises nothing at all."""
    found = read_elf(str(path.parent), path.name)
    if isinstance(found, ElfBinary):
        with contextlib.suppress(BinaryError, OSError):
            found.defined_of({symbol.name for symbol in found.wanted()})
        with contextlib.suppress(BinaryError, OSError):
            found.numpy_abi()
