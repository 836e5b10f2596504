"""Our readings of Mach-O files against LLVM's, symbol by symbol.

Needs `llvm-nm` and `llvm-objdump` (Debian: `apt-get install llvm`). The fixtures are always compared where these are
there; real wheels, which have what every linker writes, in the tests marked `network`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from builder.binaries.macho import open_mach_o
from builder.binaries.macho.constants import ORDINAL_FLAT, ORDINAL_MAIN_EXECUTABLE, ORDINAL_SELF, ORDINAL_WEAK, FileType
from tests.integration.wheels import unpacked
from tests.unit.binaries import bind_reference
from tests.unit.binaries.test_imports import DATA, ours, programs

if TYPE_CHECKING:
    from pathlib import Path

    from builder.binaries.macho import Image, Import


def _tool(name: str) -> str | None:
    names = [name, *(f"{name}-{number}" for number in range(30, 12, -1))]
    return next(filter(None, map(shutil.which, names)), None)


NM, OBJDUMP = _tool("llvm-nm"), _tool("llvm-objdump")
pytestmark = pytest.mark.skipif(
    NM is None or OBJDUMP is None, reason="llvm-nm and llvm-objdump are not installed (Debian's package `llvm`)"
)

#: `segment section address type addend dylib symbol`, the symbol with ` (weak_import)` where it is one.
_BOUND = re.compile(r"\S+ +\S+ +0x[0-9A-F]+ (?:\w+ +-?\d+ +)?(?:\S+ +-?\d+ +)?(\S+) +(\S+)( \(weak_import\))?$")
_UNDEFINED = re.compile(r"\s*\(undefined\) (weak )?external (\S+) \((?:from (.*)|dynamically looked up)\)$")
_DEFINED = re.compile(r"[0-9a-f]+ \([^)]*\) (?:weak )?external (?:\[[^]]*\] )?(\S+)$")
_EXPORTED = re.compile(r"(?:\[re-export\]|0x[0-9A-F]+) +(\S+)")
_SPECIAL = {
    ORDINAL_SELF: "this-image",
    ORDINAL_MAIN_EXECUTABLE: "main-executable",
    ORDINAL_FLAT: "flat-namespace",
    ORDINAL_WEAK: "weak",
}


@dataclass(frozen=True)
class Bound:
    """A bound symbol as LLVM shows it: `library` is a short name, or a special one."""

    name: str
    library: str
    weak: bool


def lines_of(command: str | None, *options: str, path: Path, arch: str) -> list[str]:
    assert command is not None
    done = subprocess.run(
        [command, *options, f"--arch={arch}", str(path)], capture_output=True, text=True, check=False, errors="replace"
    )
    # LLVM takes a trie without a single export for a malformed one.
    assert done.returncode == 0 or "not an export node" in done.stderr, done.stderr
    return done.stdout.splitlines()


def bound_by_opcodes(path: Path, arch: str, table: str) -> set[Bound]:
    """By `llvm-objdump --bind` or `--lazy-bind`; the latter never says what is weak."""
    matches = map(_BOUND.match, lines_of(OBJDUMP, "--macho", table, path=path, arch=arch))
    return {Bound(match[2], match[1], match[3] is not None) for match in matches if match}


def exported(path: Path, arch: str) -> set[str]:
    """By `llvm-objdump --exports-trie`; LLVM 14 knows no LC_DYLD_EXPORTS_TRIE, so there by `llvm-nm`."""
    matches = map(_EXPORTED.match, lines_of(OBJDUMP, "--macho", "--exports-trie", path=path, arch=arch))
    return {match[1] for match in matches if match} or {
        match[1] for match in map(_DEFINED.match, lines_of(NM, "-m", "-g", path=path, arch=arch)) if match
    }


def undefined(path: Path, arch: str) -> dict[str, tuple[str, bool]]:
    """By `llvm-nm -m -u`: symbol → (library, or "" for flat lookup, weak)."""
    found = {}
    for line in lines_of(NM, "-m", "-u", path=path, arch=arch):
        match = _UNDEFINED.match(line)
        if match is not None:
            found[match[2]] = (match[3] or "", match[1] is not None)
    return found


def is_short_for(short: str, name: str) -> bool:
    """Whether LLVM's short name (`libSystem`, `Accelerate`) is that of the install name."""
    return name.rpartition("/")[2].startswith(short)


def assert_agrees(path: Path) -> tuple[int, int]:
    """Compare every slice of the file; how many imports and exports were compared."""
    opened = open_mach_o(path)
    if opened is None:
        return 0, 0
    imports = exports = 0
    with opened as file:
        for part in file.slices:
            image = file.image_of(part)
            if image.commands.filetype not in frozenset(FileType):
                continue
            arch = part.arch.name
            if image.commands.chained_fixups:
                _assert_undefined(image, undefined(path, arch))
            else:
                _assert_bound(image, *(bound_by_opcodes(path, arch, table) for table in ("--bind", "--lazy-bind")))
            names = {name.decode() for name in image.export_names()}
            assert names == exported(path, arch)
            assert set(image.exported([name.encode() for name in names])) == {name.encode() for name in names}
            imports += len(image.imports)
            exports += len(names)
    return imports, exports


def _assert_bound(image: Image, at_once: set[Bound], lazily: set[Bound]) -> None:
    libraries = image.commands.dylibs
    by_name: dict[str, list[Import]] = {}
    for item in image.imports:
        by_name.setdefault(item.name.decode(), []).append(item)
    theirs = at_once | lazily
    assert set(by_name) == {bound.name for bound in theirs}
    for bound in theirs:
        assert any(
            bound.library == _SPECIAL[item.ordinal]
            if item.ordinal <= 0
            else is_short_for(bound.library, libraries[item.ordinal - 1].name)
            for item in by_name[bound.name]
        ), bound
    strong = {bound.name for bound in at_once if not bound.weak}
    weak = {bound.name for bound in at_once} - strong
    for name in {bound.name for bound in at_once} - {bound.name for bound in lazily}:
        assert all(item.weak for item in by_name[name]) == (name in weak), name


def _assert_undefined(image: Image, theirs: dict[str, tuple[str, bool]]) -> None:
    """Chained imports also list what the image defines itself and C++ may coalesce; the symbol table does not."""
    items = {
        item.name.decode(): item
        for item in image.imports
        if item.ordinal != ORDINAL_WEAK or image.export(item.name) is None
    }
    unbound = set(theirs) - set(items)  # left in the table by the linker, and bound by nothing
    assert set(items) <= set(theirs)
    assert len(unbound) <= len(theirs) // 5
    for name, item in items.items():
        library, weak = theirs[name]
        if item.ordinal > 0:
            assert is_short_for(library, image.commands.dylibs[item.ordinal - 1].name)
        elif item.ordinal == ORDINAL_FLAT:
            assert library == ""
        assert not item.weak or weak


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*") if path.suffix in (".so", ".dylib")))
def test_fixtures(name: str) -> None:
    assert assert_agrees(DATA / name) > (0, 0)


def assert_all_agree(folder: Path) -> tuple[int, int]:
    """Every Mach-O file below `folder`, with LLVM, and its bind programs with the plain decoder."""
    imports = exports = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".so", ".dylib"):
            for program, lazy in programs(path):
                assert ours(program, lazy=lazy) == bind_reference.decode(program, lazy=lazy), path
            found = assert_agrees(path)
            imports, exports = imports + found[0], exports + found[1]
    return imports, exports


@pytest.mark.network
def test_wheels_of_many_linkers(tmp_path: Path) -> None:
    """Opcodes and chained fixups, thin and universal, C, C++, Cython, Fortran and Rust; classic and new ld, and lld."""
    specs = ("numpy==2.1.3", "scipy==1.14.1", "h5py==3.12.1", "pillow==11.0.0", "cryptography==44.0.0", "lxml==5.3.0")
    imports, exports = assert_all_agree(unpacked(tmp_path, *specs, "psutil==6.1.1", "pandas==2.2.3"))
    assert imports > 30_000
    assert exports > 10_000


@pytest.mark.network
@pytest.mark.slow
def test_pytorch(tmp_path: Path) -> None:
    """One library of 170 MB, 43,670 exports and the C++ that everything else links."""
    imports, exports = assert_all_agree(unpacked(tmp_path, "torch==2.4.0") / "torch" / "lib")
    assert imports > 6_000
    assert exports > 40_000
