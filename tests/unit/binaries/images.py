"""Trees of real Mach-O files for the linking model: fixtures copied, with a name, version or architecture changed."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass, field
from pathlib import Path

from builder.binaries.inventory import Inventory, take_inventory
from builder.binaries.macho import open_mach_o, resign_adhoc
from builder.platforms import Subdir

DATA = Path(__file__).parents[2] / "data" / "macho"
_BUILD_VERSION = struct.pack("<3I", 0x32, 32, 1)
_CODE_SIGNATURE = struct.pack("<2I", 0x1D, 16)


@dataclass(frozen=True)
class Folders:
    """Owners for tests: each top folder is a package; `first` has pairs (package, host that loads first)."""

    first: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    def owner(self, rel: str) -> str:
        return self.top_level(rel)

    def described(self, rel: str) -> str:
        return f"{self.owner(rel)} 1.0"

    def top_level(self, rel: str) -> str:
        return rel.partition("/")[0]

    def loads_first(self, rel: str, host_rel: str) -> bool:
        pair = (self.owner(rel), self.owner(host_rel))
        return pair[0] == pair[1] or pair in self.first

    def requirements(self, name: str) -> frozenset[str]:
        return frozenset(host for package, host in self.first if package == name)


def put(fixture: str, target: Path) -> Path:
    """Copy a fixture to `target`, making folders."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(DATA / fixture, target))


def inventory(root: Path) -> Inventory:
    return take_inventory(root.resolve(), subdir=Subdir.OSX_ARM64)


def renamed(path: Path, old: str, new: str) -> Path:
    """Put `new` in place of the string `old`, which must be at least as long, and sign again."""
    data = path.read_bytes()
    assert len(new) <= len(old)
    assert old.encode() + b"\0" in data
    path.write_bytes(data.replace(old.encode() + b"\0", new.encode().ljust(len(old), b"\0") + b"\0"))
    resign_adhoc(path)
    return path


def with_versions(path: Path, *, minos: tuple[int, int], sdk: tuple[int, int]) -> Path:
    """Deployment target and SDK of a thin image, in LC_BUILD_VERSION."""
    data = bytearray(path.read_bytes())
    at = data.index(_BUILD_VERSION)
    for place, (major, minor) in ((at + 12, minos), (at + 16, sdk)):
        struct.pack_into("<I", data, place, major << 16 | minor << 8)
    path.write_bytes(data)
    resign_adhoc(path)
    return path


def as_arm64e(path: Path) -> Path:
    """A thin arm64 image that says it is an arm64e one (with the versioned ABI's bit, as Apple's are)."""
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 8, 0x80000002)
    path.write_bytes(data)
    return path


def unsigned(path: Path) -> Path:
    """Make LC_CODE_SIGNATURE a command that nobody knows."""
    data = bytearray(path.read_bytes())
    data[data.index(_CODE_SIGNATURE)] = 0x7F
    path.write_bytes(data)
    opened = open_mach_o(path)
    assert opened is not None
    with opened as file:
        image = file.image()
        assert image is not None
        assert not image.commands.signature
    return path
