"""ELF files as the loader reads them: against pyelftools on the fixtures, and the rules of versions and symbols."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection

from builder.binaries.elf import ElfBinary, ElfFile, ElfSymbols, ElfTree, Needs, lowest_glibc, open_elf
from builder.binaries.elf.floor import release_of
from builder.binaries.elf.table import SymbolTable
from tests.unit.binaries.images import Folders

DATA = Path(__file__).parents[2] / "data" / "elf"


def assert_same_as_pyelftools(path: Path) -> int:
    """Compare everything that both read; how many symbols were compared."""
    opened = open_elf(path)
    assert opened is not None
    with opened as file, path.open("rb") as stream:
        theirs = ELFFile(stream)
        dynamic = theirs.get_section_by_name(".dynamic")
        if not isinstance(dynamic, DynamicSection):
            return 0
        tags: list[tuple[str, Any]] = [(tag.entry.d_tag, tag) for tag in dynamic.iter_tags()]
        assert list(file.needed) == [tag.needed for kind, tag in tags if kind == "DT_NEEDED"]
        assert file.soname == next((tag.soname for kind, tag in tags if kind == "DT_SONAME"), None)
        runpath = [tag.runpath for kind, tag in tags if kind == "DT_RUNPATH"]
        rpath = [tag.rpath for kind, tag in tags if kind == "DT_RPATH"]
        assert ":".join(file.search) == "".join(runpath or rpath)
        needs = theirs.get_section_by_name(".gnu.version_r")
        if isinstance(needs, GNUVerNeedSection):
            expected = [(need.name, [item.name for item in items]) for need, items in needs.iter_versions()]
            assert [(need.library, list(need.versions)) for need in file.needs] == expected
        table = theirs.get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        symbols = [
            (symbol.name, symbol["st_shndx"] != "SHN_UNDEF", symbol["st_info"]["bind"] == "STB_WEAK")
            for symbol in table.iter_symbols()
            if symbol["st_info"]["bind"] != "STB_LOCAL"
        ]
        ours = [(symbol.name.decode(), symbol.defined, symbol.weak) for symbol in file.symbols()]
        assert ours == symbols
        return len(ours)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.so")), ids=lambda path: path.name)
def test_same_as_pyelftools(path: Path) -> None:
    assert assert_same_as_pyelftools(path) > 0


def opened(path: Path) -> ElfFile:
    found = open_elf(path)
    assert found is not None
    return found


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_versions_of_symbols(machine: str) -> None:
    """Which library a versioned symbol must come from, and which versions a library has."""
    with opened(DATA / f"versions-user-{machine}.so") as file:
        found = {symbol.name: (symbol.library, symbol.version, symbol.weak) for symbol in file.symbols()}
    assert found[b"two"] == ("libversions.so", "TWO", False)
    assert found[b"fcntl64"] == ("libc.so.6", "GLIBC_2.28", False)
    assert found[b"optional"] == (None, None, True)
    with opened(DATA / f"libversions-{machine}.so") as file:
        assert {"ONE", "TWO"} <= set(file.defines.values())
        assert {symbol.name: symbol.version for symbol in file.symbols()} == {b"one": "ONE", b"two": "TWO"}


def laid_out(
    root: Path, *, library: str = "libversions-x86_64.so", fixture: str = "versions-user-x86_64.so"
) -> ElfTree:
    """A guest package whose module wants a host package's library."""
    name = library.partition("-")[0] + ".so"
    for source, rel in ((fixture, "guest/module.so"), (library, f"host/{name}")):
        target = root / rel
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DATA / source, target)
    return ElfTree(str(root.resolve()), ["guest/module.so", f"host/{name}"], Folders())


def test_all_there(tmp_path: Path) -> None:
    tree = laid_out(tmp_path)
    symbols = ElfSymbols(tree, Folders(), main=None)
    assert symbols.symbols(tree.binaries) == ()
    assert symbols.versions() == ()
    assert (symbols.checked, symbols.system) == (2, 1)


def test_a_version_that_the_library_does_not_define(tmp_path: Path) -> None:
    """As an older libstdc++ in the prefix: version `GLIBCXX_3.4.30' not found (required by …)."""
    tree = laid_out(tmp_path, library="libversions-old-x86_64.so")
    symbols = ElfSymbols(tree, Folders(), main=None)
    (missing,) = symbols.versions()
    assert (missing.binary.rel, missing.library.rel, missing.version) == (
        "guest/module.so",
        "host/libversions.so",
        "TWO",
    )
    assert [item.symbol for item in symbols.symbols(tree.binaries)] == [b"two"]


def test_a_symbol_that_nothing_defines(tmp_path: Path) -> None:
    """`undefined symbol: host_mul`; Python's own names are the program's, which is not at hand."""
    tree = laid_out(tmp_path, library="libhost-x86_64.so", fixture="module-x86_64.so")
    assert ElfSymbols(tree, Folders(), main=None).symbols(tree.binaries) == ()
    library = tmp_path / "host" / "libhost.so"
    library.write_bytes(library.read_bytes().replace(b"\0host_mul\0", b"\0host_mud\0"))
    missing = ElfSymbols(tree, Folders(), main=None).symbols(tree.binaries)
    assert [(item.binary.rel, item.symbol) for item in missing] == [("guest/module.so", b"host_mul")]


def test_what_a_library_of_the_system_may_have_is_undecided(tmp_path: Path) -> None:
    """libz is not in the folder, and its symbols have no versions: it may define any name."""
    tree = laid_out(tmp_path, library="libversions-old-x86_64.so")
    symbols = ElfSymbols(tree, Folders(), main=None)
    assert [item.symbol for item in symbols.symbols(tree.binaries)] == [b"two"]
    assert symbols.undecided == ()
    module = tmp_path / "guest" / "module.so"
    module.write_bytes(module.read_bytes().replace(b"\0libc.so.6\0", b"\0libz.so.1\0"))
    tree = ElfTree(str(tmp_path.resolve()), list(tree.by_rel), Folders())
    symbols = ElfSymbols(tree, Folders(), main=None)
    assert symbols.symbols(tree.binaries) == ()
    assert [(one.binary.rel, one.symbol, one.library) for one in symbols.undecided] == [
        ("guest/module.so", b"two", "libz.so.1")
    ]


def test_with_an_interpreter_python_s_names_are_looked_up(tmp_path: Path) -> None:
    """A module for a newer Python: the interpreter at hand does not have the function."""
    tree = laid_out(tmp_path, library="libhost-x86_64.so", fixture="module-x86_64.so")
    (program,) = [binary for binary in tree.binaries if binary.rel == "host/libhost.so"]
    missing = ElfSymbols(tree, Folders(), main=program).symbols(tree.binaries)
    assert [item.symbol for item in missing] == [b"PyModule_Create2"]


def test_a_package_loaded_first_may_have_opened_its_libraries_for_all(tmp_path: Path) -> None:
    tree = laid_out(tmp_path, library="libhost-x86_64.so", fixture="module-x86_64.so")
    library = tmp_path / "host" / "libhost.so"
    (tmp_path / "more").mkdir()
    shutil.copy(library, tmp_path / "more" / "libmore.so")
    library.write_bytes(library.read_bytes().replace(b"\0host_mul\0", b"\0host_mud\0"))
    rels = ["guest/module.so", "host/libhost.so", "more/libmore.so"]
    for first, missing in ((frozenset[tuple[str, str]](), [b"host_mul"]), (frozenset({("guest", "more")}), [])):
        owners = Folders(first=first)
        tree = ElfTree(str(tmp_path.resolve()), rels, owners)
        (module,) = [binary for binary in tree.binaries if binary.rel == "guest/module.so"]
        assert [item.symbol for item in ElfSymbols(tree, owners, main=None).symbols([module])] == missing


@pytest.mark.parametrize("path", sorted(DATA.glob("*.so")), ids=lambda path: path.name)
def test_what_a_file_wants_and_what_it_defines_of_that(path: Path) -> None:
    """The same from the file and from a summary of it; of what nobody wants nothing is made."""
    with opened(path) as file:
        symbols = tuple(file.symbols())
        names = {symbol.name for symbol in symbols[::2]} | {b"no such name"}
        defined = file.defined_of(names)
        wanted = tuple(file.symbols(defined=False))
    assert wanted == tuple(symbol for symbol in symbols if not symbol.defined)
    assert defined == {symbol.name for symbol in symbols if symbol.defined} & names
    table = SymbolTable.of(symbols)
    assert (table.wanted(), table.defined_of(names)) == (wanted, defined)


@pytest.mark.parametrize("defined", [True, False])
def test_a_damaged_name_is_told_wherever_it_is(tmp_path: Path, *, defined: bool) -> None:
    """Of a name that it defines, and of one that it wants; what else it wants is then not looked for."""
    tree = laid_out(tmp_path, library="libhost-x86_64.so", fixture="module-x86_64.so")
    module = tmp_path / "guest" / "module.so"
    content = bytearray(module.read_bytes())
    with module.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        places = [
            place for place, one in enumerate(table.iter_symbols()) if (one["st_shndx"] != "SHN_UNDEF") is defined
        ]
        at = table["sh_offset"] + places[-1] * table["sh_entsize"]
    content[at : at + 4] = b"\xff\xff\xff\x7f"
    module.write_bytes(content)
    symbols = ElfSymbols(tree, Folders(), main=tree.by_rel["host/libhost.so"])
    assert symbols.symbols(tree.binaries) == ()
    assert symbols.damaged == {"guest/module.so": "damaged ELF file: a name outside the string table"}


def test_lowest_glibc(tmp_path: Path) -> None:
    """The newest version wanted from the system; what the prefix provides itself makes no demand."""
    tree = laid_out(tmp_path)
    floor = lowest_glibc(tree.binaries, tree.links)
    assert floor.glibc == (2, 28)
    assert floor.demands["GLIBC"].binary.rel == "guest/module.so"
    assert floor.above((2, 17))
    assert not floor.above((2, 28))
    assert set(floor.demands) == {"GLIBC"}


@pytest.mark.parametrize("versions", [("GLIBC_2.9", "GLIBC_2.28"), ("GLIBC_2.28", "GLIBC_2.9")])
def test_the_newest_version_is_the_newest_number(versions: tuple[str, ...]) -> None:
    needs = (Needs(library="libc.so.6", versions=versions),)
    binary = ElfBinary(path="/a.so", rel="a.so", machine="x86_64", needs=needs)
    assert lowest_glibc([binary], {}).glibc == (2, 28)


@pytest.mark.parametrize(
    ("version", "release"),
    [("GLIBC_2.34", (2, 34)), ("GLIBCXX_3.4.30", (3, 4, 30)), ("GLIBC_PRIVATE", ()), ("GLIBC_ABI_DT_RELR", (2, 36))],
)
def test_versions_as_numbers(version: str, release: tuple[int, ...]) -> None:
    """2.9 is older than 2.34, which text does not know."""
    assert release_of(version) == release


@pytest.mark.parametrize("cut", [3, 40, 64, 120, 700, 1500])
def test_truncated_files_are_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "module.so"
    path.write_bytes((DATA / "versions-user-x86_64.so").read_bytes()[:cut])
    tree = ElfTree(str(tmp_path.resolve()), ["module.so"], Folders())
    if cut > 3:
        assert tree.unreadable or ElfSymbols(tree, Folders(), main=None).symbols(tree.binaries) == ()
